//! The only module that knows the order of a run: settings in, [`RunRecord`](crate::model::record::RunRecord) out.

mod catalog;
pub mod clock;
mod collection;
mod fold;
mod index;
mod interrupt;
mod land;
mod lookback;
pub mod options;
mod output;
mod partitions;
mod places;
mod pool;
mod quarantine;
pub mod query;
mod read;
mod recover;
pub mod report;
pub mod retyping;
pub mod schema;
mod scope;
mod shapes;
mod shrink;
pub mod status;
#[cfg(test)]
pub(crate) mod test_lake;
mod unattempted;

pub use interrupt::Interrupt;
pub use options::RunOptions;
pub use pool::run;
