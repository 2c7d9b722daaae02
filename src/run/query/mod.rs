//! SQL over the lake with DataFusion: tables are `database.collection`, partition keys are text columns of theirs.
//!
//! Only the tables that a query names are looked up, and only the partitions that its conditions on partition keys
//! leave are opened. Joins, sorts and aggregates work within `[run] memory` and spill to local disk.

mod catalog;
mod dialect;
mod params;
mod table;
#[cfg(test)]
mod tests;

use super::output;
pub use super::output::ResultFormat;
use super::scratch::SpillFolder;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::lake::{self, Lake, layout};
use crate::merge::{scratch as spilling, sort_files};
use crate::model::collection::CollectionSpec;
use crate::model::redact;
use crate::model::settings::Settings;
use arrow::error::ArrowError;
use catalog::Databases;
use datafusion::common::DataFusionError;
use datafusion::common::config::Dialect;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Name of the one catalog; a query need not say it.
const CATALOG: &str = "lake";

/// The URL under which plans know the lake's store; its root is the lake's root.
const STORE: &str = "lakefold://lake";

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

/// Writes the rows of `request` to `out` as they come; `specs` help to explain a table that is missing.
///
/// # Errors
/// `Kind::Input` when the statement, a name or a parameter is wrong; `Kind::Unavailable` when there is no lake;
/// `Kind::Lake` when a file cannot be read or `out` takes no more.
pub async fn query(
    settings: &Settings,
    specs: &[CollectionSpec],
    request: &QueryRequest,
    out: &mut (dyn Write + Send),
) -> Result<()> {
    let rows = rows(settings, specs, &request.sql, &request.params).await?;
    output::write(rows, request.format, out).await
}

/// The rows of one statement that reads.
///
/// # Errors
/// As [`query`].
pub async fn rows(
    settings: &Settings,
    specs: &[CollectionSpec],
    sql: &str,
    params: &[(String, String)],
) -> Result<SendableRecordBatchStream> {
    require_folder(&settings.lake.url)?;
    let lake = Lake::open(&settings.lake).await?;
    let spilled = SpillFolder::default();
    let session = session(&lake, specs, settings.run.memory, &spilled)?;
    let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let state = session.state();
    if sql.trim().is_empty() {
        return Err(Error::new(Kind::Input, "the query is empty").hint("write SQL after `-e`, or into the file"));
    }
    let mut statement = state.sql_to_statement(sql, &Dialect::Generic).map_err(|e| planning(&e))?;
    let mut given: BTreeMap<&str, &str> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let named = dialect::translate(&mut statement, &mut given)?;
    let plan = state.statement_to_plan(statement).await.map_err(|e| planning(&e))?;
    reading.verify_plan(&plan).map_err(|e| planning(&e))?;
    let frame = session.execute_logical_plan(plan).await.map_err(|e| planning(&e))?;
    let frame = params::fill(frame, &given, &named)?;
    let rows = frame.execute_stream().await.map_err(|e| planning(&e))?;
    let schema = rows.schema();
    // What was spilled is gone with the rows.
    let held = rows.inspect(move |_| _ = &spilled);
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, held)))
}

fn session(lake: &Lake, specs: &[CollectionSpec], memory: u64, spilled: &SpillFolder) -> Result<SessionContext> {
    let what = "prepare the query";
    // A quarter stays for what no pool counts: footers, decoded pages, the rows being written.
    let pool = usize::try_from(memory / 4 * 3).unwrap_or(usize::MAX);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(pool)))
        .with_disk_manager_builder(sort_files::disk_manager(spilled.on_demand()))
        .build_arc()
        .or_error(Kind::Lake, what)?;
    let url = ObjectStoreUrl::parse(STORE).or_error(Kind::Invariant, what)?;
    runtime.register_object_store(url.as_ref(), lake.store());
    let config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, "public")
        .with_sort_spill_reservation_bytes((pool / 16).clamp(1 << 20, 10 << 20))
        // A sort that spilled holds a batch of each run it merges, and counts it twice.
        .with_batch_size((pool >> 17).clamp(512, 8192))
        // Athena sorts NULL last, whichever way.
        .set_str("datafusion.sql_parser.default_null_ordering", "nulls_last");
    let session = SessionContext::new_with_config_rt(config, runtime);
    for function in dialect::functions::all() {
        session.register_udf(function);
    }
    session.register_catalog(CATALOG, Arc::new(Databases::new(lake.clone(), url, specs)));
    Ok(session)
}

/// Opening a `file:` lake creates its folder, which a command that only reads must not do.
fn require_folder(url: &str) -> Result<()> {
    match url.strip_prefix("file:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
        Some(path) if !Path::new(path).is_dir() => {
            Err(Error::new(Kind::Unavailable, format!("there is no lake at {url}"))
                .hint("`lakefold run` makes it; or correct `url` in the [lake] section"))
        }
        _ => Ok(()),
    }
}

/// What is wrong with a statement. Its texts come from the statement and the schemas, never from documents, so
/// they are shown as they are: `No field named agee` is of no use without the name. Conditions on partition keys alone
/// are the exception: they are evaluated with the values of folders.
fn planning(error: &DataFusionError) -> Error {
    let what = "the query";
    own(error).or_else(|| computing(error, Kind::Input, what)).unwrap_or_else(|| {
        let text = error.strip_backtrace();
        Error::new(Kind::Input, redact::url_credentials(&text)).context(what)
    })
}

/// What broke while rows were read or written; it may quote values, so it passes the filter (P10).
pub(super) fn reading(error: &DataFusionError) -> Error {
    let what = "read the rows of the query";
    let again =
        "a partition that was just replaced reads well again when the query is repeated; more memory: [run] memory";
    let text = error.strip_backtrace();
    let told = own(error)
        .or_else(|| lake::refusal(error, what))
        .or_else(|| spilling::full(error))
        .or_else(|| footer(&text))
        .or_else(|| computing(error, Kind::Lake, what))
        .unwrap_or_else(|| Error::new(Kind::Lake, redact::quoted(&text)).context(what));
    if told.hint_text().is_some() { told } else { told.hint(again) }
}

/// A footer that could not be read: DataFusion makes one text of the raw key, whose values are those of documents, and
/// of the store's error, which says the key again.
fn footer(text: &str) -> Option<Error> {
    let (key, why) = text.split_once("Failed to fetch metadata for file ")?.1.split_once(": ")?;
    let of_store = why.contains("Object Store error") || why.contains("External: ");
    let why = match lake::answered(why) {
        Some(answer) => answer,
        None if of_store => "the store refused it".to_owned(),
        None => redact::quoted(why),
    };
    Some(Error::new(Kind::Lake, why).context(format!("read the Parquet footer of {}", layout::shown(key))))
}

/// What failed with the values that were computed with, when that is it. They are quoted there, numbers bare and texts
/// with an apostrophe as they are, so that no filter finds where they end: nothing from there on is shown (P10).
fn computing(error: &DataFusionError, kind: Kind, what: &str) -> Option<Error> {
    let cast = "TRY_CAST gives NULL for it";
    let (message, hint) = match error.find_root() {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::CastError(_) => ("a value cannot be cast to the type that the query asks for", cast),
            ArrowError::ParseError(_) => ("a value cannot be parsed as the type that the query asks for", cast),
            ArrowError::ArithmeticOverflow(_) => ("a number grows beyond its type", "cast it to DOUBLE before"),
            ArrowError::DivideByZero => ("a number is divided by zero", "NULLIF(x, 0) gives NULL instead"),
            _ => return Some(Error::new(kind, before_quotes(&error.to_string())).context(what)),
        },
        DataFusionError::Execution(text) => return Some(Error::new(kind, before_quotes(text)).context(what)),
        _ => return None,
    };
    Some(Error::new(kind, message).context(what).hint(hint))
}

/// `Error parsing timestamp from …`
fn before_quotes(text: &str) -> String {
    match text.split_once(['\'', '"', '`']) {
        Some((before, _)) => format!("{before}…"),
        None => text.to_owned(),
    }
}

/// Our own error, when that is what went through DataFusion.
fn own(error: &DataFusionError) -> Option<Error> {
    let DataFusionError::External(inner) = error.find_root() else { return None };
    inner.downcast_ref::<Error>().cloned()
}
