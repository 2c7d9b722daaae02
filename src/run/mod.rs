//! The only module that knows the order of a run: settings in, [`RunRecord`](crate::model::record::RunRecord) out.

mod catalog;
pub mod check;
pub mod clock;
mod collection;
pub mod dashboard;
mod fields;
mod fold;
mod history;
mod index;
pub mod init;
mod interrupt;
mod land;
pub mod options;
mod output;
mod partitions;
mod places;
pub mod plan;
mod pool;
mod quarantine;
pub mod query;
mod read;
mod recover;
pub mod report;
mod resume;
mod retyping;
mod same_collection;
pub mod schema;
mod scope;
mod scratch;
mod shapes;
mod shrink;
pub mod status;
#[cfg(test)]
mod test_lake;
mod unattempted;

pub use interrupt::Interrupt;
pub use options::RunOptions;
pub use pool::run;
