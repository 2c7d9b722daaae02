//! The DataFusion plans of one partition: staged changes merged newest first, stored rows brought to the schema.

use super::stage::Slices;
use super::{SEQUENCE, scratch};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::redact;
use arrow::array::{Array, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{SortOptions, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Brings rows to the target schema.
pub type Convert = Arc<dyn Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync>;

/// What has to be done with rows of an older schema.
#[derive(Clone)]
pub struct Conversion {
    /// Brings them to the target schema.
    pub convert: Convert,
    /// They hold a column whose type has changed since.
    pub retypes: bool,
    /// Their ids are spelled anew, which may change their order.
    pub respells_ids: bool,
}

/// What the merge has to know of schemas; `run` fills it with what `shape` offers.
pub trait Shapes: Send + Sync {
    /// The schema every file written now has.
    fn schema(&self) -> SchemaRef;
    /// Its version.
    fn version(&self) -> u64;
    /// How rows of an older schema are brought to it; none when nothing has to be done.
    fn conversion(&self, from: &Schema, version: u64) -> Result<Option<Conversion>>;
    /// The 128-bit hashes of the ids in an `_id` column of schema `version`.
    fn hash_ids(&self, ids: &dyn Array, version: u64) -> Result<Vec<u128>>;
}

/// The plan of a partition's changes: rows of the target schema and the read order behind, sorted by `_id`, the
/// newest reading first. Rows whose sequence number is in `losers` are left out: a newer reading of their id is in
/// another partition. Merging may hold `merge_bytes` of what it reads.
pub fn changes(
    slices: Vec<Slices>,
    losers: &Arc<HashSet<u64>>,
    shapes: &dyn Shapes,
    merge_bytes: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let target = with_sequence(&shapes.schema());
    let held: u64 = slices.iter().map(|slice| slice.batch_bytes).sum();
    // A merge holds a batch of every run. Where that is too much they are sorted again, which spills.
    let mut in_order = held <= merge_bytes as u64;
    let mut runs = Vec::new();
    for slice in slices {
        let from = without_sequence(&slice.schema);
        let conversion = shapes.conversion(&from, slice.version)?;
        in_order &= !conversion.as_ref().is_some_and(|conversion| conversion.respells_ids);
        let (convert, schema, losers) = (conversion.map(|c| c.convert), target.clone(), losers.clone());
        let rows = move |batch: Result<RecordBatch>| prepare(&batch?, convert.as_ref(), &losers, &schema);
        runs.push(stream::iter(slice.map(rows)).boxed());
    }
    let mut order = vec![sort_by(&target, "_id", false)?];
    if target.column_with_name("_modified_ms").is_some() {
        order.push(sort_by(&target, "_modified_ms", true)?);
    }
    order.push(sort_by(&target, SEQUENCE, true)?);
    let order = LexOrdering::new(order).ok_or_else(|| Error::new(Kind::Invariant, "a sort needs a column"))?;
    if !in_order {
        let all = stream::iter(runs).flatten().boxed();
        return Ok(Arc::new(SortExec::new(order, leaf(target, vec![all])?)));
    }
    let several = runs.len() > 1;
    let leaf = leaf(target, runs)?;
    Ok(if several { Arc::new(SortPreservingMergeExec::new(order, leaf)) } else { leaf })
}

/// The plan of a stored file's rows at the target schema, sorted by `_id`. Files are stored sorted; only when ids
/// are spelled anew they have to be sorted again.
pub fn stored(
    rows: BoxStream<'static, Result<RecordBatch>>,
    conversion: Option<Conversion>,
    target: SchemaRef,
) -> Result<Arc<dyn ExecutionPlan>> {
    let respelled = conversion.as_ref().is_some_and(|c| c.respells_ids);
    let convert = conversion.map(|c| c.convert);
    let schema = target.clone();
    let rows = rows.map(move |batch| batch.and_then(|b| adapt(&b, convert.as_ref(), &schema))).boxed();
    let plan = leaf(target.clone(), vec![rows])?;
    if !respelled {
        return Ok(plan);
    }
    let order: LexOrdering = [sort_by(&target, "_id", false)?].into();
    Ok(Arc::new(SortExec::new(order, plan)))
}

/// Starts a plan of one partition.
pub fn execute(plan: &Arc<dyn ExecutionPlan>, context: &Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
    plan.execute(0, context.clone()).map_err(merge_error)
}

/// What a failing plan means to the caller; our own errors come through as they were.
pub fn merge_error(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => foreign(other.as_ref()),
        },
        DataFusionError::Context(_, inner) => merge_error(*inner),
        DataFusionError::ArrowError(inner, _) => match *inner {
            arrow::error::ArrowError::ExternalError(inner) => merge_error(DataFusionError::External(inner)),
            other => foreign(&other),
        },
        DataFusionError::ResourcesExhausted(text) => Error::new(Kind::Lake, redact::quoted(&text))
            .context("merge")
            .hint("give the run more with --memory, or run fewer collections at once ([run] collections)"),
        other => foreign(&other),
    }
}

/// Sorting spills to the scratch disk, which may be full.
fn foreign(error: &(dyn std::error::Error + 'static)) -> Error {
    let other = || Error::new(Kind::Lake, redact::quoted(&error.to_string()));
    scratch::full(error).unwrap_or_else(other).context("merge")
}

fn sort_by(schema: &Schema, column: &str, descending: bool) -> Result<PhysicalSortExpr> {
    let index = schema.index_of(column).or_error(Kind::Invariant, "sort rows")?;
    let options = SortOptions { descending, nulls_first: !descending };
    Ok(PhysicalSortExpr::new(Arc::new(Column::new(column, index)), options))
}

fn with_sequence(schema: &Schema) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new(SEQUENCE, DataType::UInt64, false)));
    Arc::new(Schema::new(fields))
}

fn without_sequence(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().filter(|f| f.name() != SEQUENCE).cloned().collect::<Vec<_>>())
}

/// Converts staged rows, keeping the read order, and drops those that lost.
fn prepare(
    rows: &RecordBatch,
    convert: Option<&Convert>,
    losers: &HashSet<u64>,
    target: &SchemaRef,
) -> Result<RecordBatch> {
    let last = rows.num_columns() - 1;
    let sequence = rows.column(last).clone();
    let data = rows.project(&(0..last).collect::<Vec<_>>()).or_error(Kind::Invariant, "read staged rows")?;
    let data = match convert {
        Some(convert) => convert(&data)?,
        None => data,
    };
    let mut columns = data.columns().to_vec();
    columns.push(sequence.clone());
    let rows = RecordBatch::try_new(target.clone(), columns).or_error(Kind::Invariant, "P7: convert staged rows")?;
    if losers.is_empty() {
        return Ok(rows);
    }
    let numbers = sequence.as_any().downcast_ref::<UInt64Array>();
    let keep: BooleanArray =
        (0..rows.num_rows()).map(|row| Some(!numbers.is_some_and(|n| losers.contains(&n.value(row))))).collect();
    filter_record_batch(&rows, &keep).or_error(Kind::Invariant, "drop superseded rows")
}

fn adapt(rows: &RecordBatch, convert: Option<&Convert>, target: &SchemaRef) -> Result<RecordBatch> {
    let rows = match convert {
        Some(convert) => convert(rows)?,
        None => rows.clone(),
    };
    RecordBatch::try_new(target.clone(), rows.columns().to_vec()).or_error(Kind::Invariant, "P7: convert stored rows")
}

/// A plan node whose rows come from our streams, once; each of them is a partition of the plan.
pub(super) fn leaf(
    schema: SchemaRef,
    streams: Vec<BoxStream<'static, Result<RecordBatch>>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let sources = streams.into_iter().map(|rows| -> Arc<dyn PartitionStream> {
        Arc::new(Once { schema: schema.clone(), rows: Mutex::new(Some(rows)) })
    });
    let plan = StreamingTableExec::try_new(schema.clone(), sources.collect(), None, Vec::new(), false, None)
        .map_err(merge_error)?;
    Ok(Arc::new(plan))
}

struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<BoxStream<'static, Result<RecordBatch>>>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self.rows.lock().ok().and_then(|mut rows| rows.take());
        let rows = taken.unwrap_or_else(|| {
            let again = Error::new(Kind::Invariant, "a staged stream was read twice");
            stream::once(async { Err(again) }).boxed()
        });
        let rows = rows.map(|batch| batch.map_err(|e| DataFusionError::External(Box::new(e))));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}
