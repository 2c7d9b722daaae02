//! The only module that knows the order of a run: settings in, [`RunRecord`](crate::model::record::RunRecord) out.

pub mod clock;
mod collection;
mod fold;
mod index;
mod interrupt;
mod land;
pub mod options;
mod partitions;
mod pool;
mod quarantine;
mod read;
mod recover;
mod scope;
mod shapes;
mod shrink;

pub use interrupt::Interrupt;
pub use options::RunOptions;
pub use pool::run;

use crate::error::{Error, Kind, Result};
use crate::model::{collection::CollectionSpec, settings::Settings};
pub mod status {
    //! Where every collection stands.

    use super::{CollectionSpec, Error, Kind, Result, Settings};
    use crate::model::status::CollectionStatus;

    /// One entry for each of `specs`, from the lake alone.
    ///
    /// # Errors
    /// The lake cannot be read.
    pub async fn status(_settings: &Settings, _specs: &[CollectionSpec]) -> Result<Vec<CollectionStatus>> {
        Err(Error::new(Kind::Invariant, "the stages are not joined on this branch"))
    }
}

pub mod query {
    //! SQL over the lake.

    use super::{CollectionSpec, Error, Kind, Result, Settings};
    use std::io::Write;

    /// A query and what its rows are to become.
    #[derive(Debug, Clone)]
    pub struct QueryRequest {
        /// One statement.
        pub sql: String,
        /// Values for `$NAME` in it.
        pub params: Vec<(String, String)>,
        /// How the rows look.
        pub format: ResultFormat,
    }

    /// How rows look.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ResultFormat {
        /// For people.
        Table,
        /// RFC 4180, with a header.
        Csv,
        /// A JSON array of objects.
        Json,
        /// One Parquet file.
        Parquet,
    }

    /// Writes the rows to `out`.
    ///
    /// # Errors
    /// The query is wrong, the lake cannot be read, or `out` takes no more.
    pub async fn query(
        _settings: &Settings,
        _specs: &[CollectionSpec],
        _request: &QueryRequest,
        _out: &mut (dyn Write + Send),
    ) -> Result<()> {
        Err(Error::new(Kind::Invariant, "the stages are not joined on this branch"))
    }
}
