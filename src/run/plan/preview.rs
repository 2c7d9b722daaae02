//! Some documents shaped as a run would shape them: their partitions, and the types they would change.

use crate::error::Result;
use crate::model::batch::RawBatch;
use crate::model::collection::CollectionSpec;
use crate::model::plan::Retyping;
use crate::model::settings::Settings;
use crate::model::table::TableSchema;
use crate::shape::Shaper;
use std::collections::BTreeSet;

/// Documents shaped at once, so that rows of wide documents need little memory.
const BATCH: usize = 100;

/// What a sample shows.
#[derive(Debug)]
pub struct Preview {
    /// Documents it is made from.
    pub documents: u64,
    /// Partition folders they fall into.
    pub partitions: BTreeSet<String>,
    /// Published columns whose type they change.
    pub retyping: Vec<Retyping>,
}

impl Preview {
    /// Shapes `sample` on top of the schema `start`, and forgets the rows.
    pub fn of(settings: &Settings, spec: &CollectionSpec, start: TableSchema, sample: &RawBatch) -> Result<Self> {
        let mut shaper =
            Shaper::new(spec.clone(), settings.timezone, settings.timestamps, settings.hash_key.clone(), start)?;
        for documents in sample.documents.chunks(BATCH) {
            shaper.shape(&RawBatch { documents: documents.to_vec() })?;
        }
        let retyping = shaper
            .changes()
            .into_iter()
            .filter_map(|change| Some(Retyping { column: change.column, from: change.from?, to: change.to }));
        Ok(Self {
            documents: sample.documents.len() as u64,
            retyping: retyping.collect(),
            partitions: shaper.partitions().iter().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::collection::{FieldPath, PartitionKey, PartitionUnit};
    use crate::model::table::TableSettings;
    use crate::run::test_lake::{TestLake, spec};
    use bson::{RawDocumentBuf, rawdoc};
    use bytes::Bytes;

    fn batch(documents: &[RawDocumentBuf]) -> RawBatch {
        RawBatch { documents: documents.iter().map(|d| Bytes::copy_from_slice(d.as_bytes())).collect() }
    }

    #[test]
    fn partitions_and_changed_types_are_those_of_a_run() {
        let settings = TestLake::new().settings();
        let mut spec = spec("bills");
        let path = FieldPath::parse("site").unwrap();
        spec.partition_by = vec![PartitionKey { name: "site".into(), unit: PartitionUnit::Value, path }];
        spec.partition_text = "site=site".into();
        let empty = TableSchema::new(TableSettings::of(&spec, settings.timezone, settings.timestamps, None));
        let first = batch(&[rawdoc! { "_id": 1, "site": "A", "amount": 1 }, rawdoc! { "_id": 2, "site": "B" }]);
        let mut shaper =
            Shaper::new(spec.clone(), settings.timezone, settings.timestamps, None, empty.clone()).unwrap();
        shaper.shape(&first).unwrap();
        let preview = Preview::of(&settings, &spec, empty, &first).unwrap();
        assert_eq!(preview.partitions, ["site=A", "site=B"].map(str::to_owned).into());
        assert!(preview.retyping.is_empty(), "new columns retype nothing");

        let next = batch(&[rawdoc! { "_id": 3, "site": "C", "amount": "n/a", "fresh": true }]);
        let preview = Preview::of(&settings, &spec, shaper.table().clone(), &next).unwrap();
        assert_eq!(preview.partitions, ["site=C".to_owned()].into());
        let expected = Retyping { column: "amount".into(), from: "bigint".into(), to: "string".into() };
        assert_eq!(preview.retyping, [expected]);
    }
}
