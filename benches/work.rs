//! The same work every time, one stage after the other on the calling thread: a fixed corpus, no sockets. `stages.rs` times
//! it, and `tests/it/instructions.rs` counts its instructions.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use bson::{DateTime, Document, doc, oid::ObjectId};
use bytes::Bytes;
use chrono_tz::UTC;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::stream::{self, StreamExt};
use lakefold::error::Result;
use lakefold::manifest::{self, Context};
use lakefold::merge::fold::{FoldCounts, FoldRules, HashIds, fold};
use lakefold::merge::plan::Conversion;
use lakefold::merge::plan::{self, Shapes};
use lakefold::merge::stage::{Stage, Staged};
use lakefold::merge::writer::{FileSettings, LocalFile, PartitionWriter};
use lakefold::model::batch::{RawBatch, ShapedBatch};
use lakefold::model::settings::Timestamps;
use lakefold::model::table::{TableSchema, TableSettings};
use lakefold::shape::{Shaper, id_hashes};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a batch on its way through the merge.
const BATCH_ROWS: usize = 1024;

/// One row of the manifest: two keys, as a hospital's bills have them.
const MANIFEST: &str = "database,collection,timestamp_column,partition_by\n\
                        bench,bills,updated_at,date=day(bill_date)/facility=facility_id\n";

/// Numbers that look random and are the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as i64) as usize]
    }

    fn money(&mut self) -> f64 {
        self.below(10_000_000) as f64 / 100.0
    }
}

fn bill(number: i64, revision: i64) -> Document {
    let mut dice = Dice(number as u64 * 31 + revision as u64);
    let id = ObjectId::from_parts(1_700_000_000 + number as u32 / 4, [1, 2, 3, 4, 5], [0, 0, (number % 251) as u8]);
    // Where a bill belongs does not change with its revisions.
    let at = 1_704_067_200_000 + (number * 7919) % 4 * 86_400_000;
    let items: Vec<Document> = (0..1 + dice.below(4))
        .map(|_| {
            doc! {
                "code": format!("C{:04}", dice.below(2000)),
                "category": dice.one(&["consultation", "pharmacy", "laboratory", "radiology", "room", "procedure"]),
                "description": format!("Service item number {} of the list", dice.below(500)),
                "quantity": dice.below(9) as i32,
                "amount": dice.money(),
                "tax": { "code": dice.one(&["GST5", "GST12", "GST18"]), "amount": dice.money() },
            }
        })
        .collect();
    doc! {
        "_id": id,
        "bill_no": format!("BILL-{number:08}"),
        "facility_id": format!("FAC{:03}", number % 3),
        "bill_date": DateTime::from_millis(at),
        "updated_at": DateTime::from_millis(at + revision * 1000),
        "patient": {
            "id": format!("P{:07}", dice.below(1_000_000)),
            "name": dice.one(&["Asha Verma", "Ravi Kumar", "Neha Singh", "Imran Khan", "Lakshmi Iyer"]),
            "age": dice.below(90) as i32,
            "address": { "city": dice.one(&["Pune", "Mumbai", "Nagpur"]), "geo": { "lat": dice.money(), "lon": dice.money() } },
        },
        "doctor": { "id": format!("D{:04}", dice.below(300)), "department": dice.one(&["Cardiology", "Medicine"]) },
        "line_items": items,
        "total": dice.money(),
        "paid": dice.below(5) > 0,
        "status": dice.one(&["open", "settled", "cancelled"]),
        "remarks": if dice.below(2) == 0 { bson::Bson::Null } else { "checked by the desk".into() },
    }
}

/// Bills as a source sends them; `every`: only each so many, in a later revision.
pub fn corpus(bills: i64, every: Option<i64>) -> Vec<RawBatch> {
    let documents: Vec<Bytes> = (0..bills)
        .filter(|number| every.is_none_or(|every| number % every == 0))
        .map(|number| bson::serialize_to_vec(&bill(number, i64::from(every.is_some()))).expect("a document").into())
        .collect();
    // The first batch is new to the table, and most are not.
    documents.chunks(100).map(|documents| RawBatch { documents: documents.to_vec() }).collect()
}

/// A shaper for bills, whose table is `table` so far.
pub fn shaper(table: Option<TableSchema>) -> Shaper {
    let context = Context { file: "collections.csv", environment: "bench", hash_key: false, pins: None };
    let spec = manifest::load(MANIFEST, &context).expect("a manifest").remove(0);
    let table = table.unwrap_or_else(|| TableSchema::new(TableSettings::of(&spec, UTC, Timestamps::Utc, None)));
    Shaper::new(spec, UTC, Timestamps::Utc, None, table).expect("a shaper")
}

/// Raw documents to Arrow.
#[inline(never)]
pub fn decode(shaper: &mut Shaper, corpus: &[RawBatch]) -> Vec<ShapedBatch> {
    corpus.iter().map(|batch| shaper.shape(batch).expect("shape")).collect()
}

/// Rows grouped and sorted, in memory; `shaper` numbered their partitions.
pub struct Rows {
    staged: Staged,
    folders: Vec<String>,
}

impl Rows {
    /// What `shaper` has shaped; `folder` is for what would not fit.
    pub fn new(shaped: Vec<ShapedBatch>, shaper: &Shaper, folder: &Path) -> Self {
        Self { staged: stage(shaped, folder), folders: shaper.partitions().to_vec() }
    }
}

/// Groups and sorts rows in memory.
#[inline(never)]
pub fn stage(shaped: Vec<ShapedBatch>, folder: &Path) -> Staged {
    let mut stage = Stage::new(folder, 1 << 30, 1 << 20);
    for batch in shaped {
        stage.push(batch.rows, batch.version, batch.partition).expect("stage");
    }
    stage.finish().expect("stage")
}

/// A schema that everything has already.
struct Settled(Arc<TableSchema>);

impl Shapes for Settled {
    fn schema(&self) -> SchemaRef {
        self.0.arrow()
    }

    fn version(&self) -> u64 {
        self.0.version
    }

    fn conversion(&self, _: &Schema, _: u64) -> Result<Option<Conversion>> {
        Ok(None)
    }

    fn hash_ids(&self, ids: &dyn Array, version: u64) -> Result<Vec<u128>> {
        id_hashes(ids, version, &self.0)
    }
}

/// A table on local disk.
pub struct Table {
    /// Its schema.
    pub table: Arc<TableSchema>,
    /// Where its files are.
    pub folder: PathBuf,
}

impl Table {
    /// Every partition of `rows` into a file of its own.
    #[inline(never)]
    pub fn write(&self, rows: &Rows) -> FoldCounts {
        self.fold_all(rows, false)
    }

    /// The files that [`Self::write`] made, with `rows`.
    #[inline(never)]
    pub fn merge(&self, rows: &Rows) -> FoldCounts {
        self.fold_all(rows, true)
    }

    fn fold_all(&self, rows: &Rows, stored: bool) -> FoldCounts {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut total = FoldCounts::default();
        for partition in rows.staged.rows().into_keys() {
            let (counts, file) = runtime.block_on(self.fold(rows, partition, stored));
            std::hint::black_box(file.bytes);
            total.inserted += counts.inserted;
            total.updated += counts.updated;
        }
        total
    }

    async fn fold(&self, rows: &Rows, partition: u32, stored: bool) -> (FoldCounts, LocalFile) {
        let Rows { staged, folders } = rows;
        let shapes = Settled(self.table.clone());
        let context = Arc::new(TaskContext::default());
        let place = folders[partition as usize].replace('/', "-");
        let path = |name: &str| self.folder.join(format!("{place}-{name}.parquet"));
        let execute = |plan| -> SendableRecordBatchStream { plan::execute(&plan, &context).expect("execute") };
        let before = stored.then(|| {
            let file = File::open(path("first")).expect("the file");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a footer").with_batch_size(BATCH_ROWS);
            let rows: Vec<RecordBatch> = reader.build().expect("a reader").map(|rows| rows.expect("rows")).collect();
            let rows = stream::iter(rows.into_iter().map(Ok)).boxed();
            execute(plan::stored(rows, None, shapes.schema()).expect("a plan"))
        });
        let changes = plan::changes(staged.slices(partition), &Arc::default(), &shapes, usize::MAX).expect("a plan");
        let changes = execute(changes);
        let files = FileSettings {
            schema: shapes.schema(),
            schema_version: self.table.version,
            run_id: "bench".to_owned(),
            zstd_level: 3,
            row_group_bytes: 128 << 20,
            dictionaries: Arc::default(),
        };
        let rows = staged.widths(partition).map(|widths| widths.rows).sum();
        let name = if stored { "second" } else { "first" };
        let mut writer = PartitionWriter::create(&path(name), &files, false, rows, 1_000).expect("a file");
        let version = self.table.version;
        let hash_ids: HashIds = Arc::new(move |ids| shapes.hash_ids(ids, version));
        let rules = FoldRules::default();
        let counts = fold(before, Some(changes), files.schema, rules, hash_ids, BATCH_ROWS, &mut writer).await;
        (counts.expect("fold"), writer.finish().expect("a file"))
    }
}
