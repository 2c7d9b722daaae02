//! One table of the lake as DataFusion reads it: the schema the lake keeps, files by partition.
//!
//! DataFusion's own listing of hive folders knows no NULL: here `__HIVE_DEFAULT_PARTITION__` is one. Columns and
//! struct children that a file lacks are NULL, older types are cast; both is the work of its expression adapter.

use crate::error::Result;
use crate::lake::{Lake, Object, layout};
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, Result as PlanResult, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectMeta;
use std::sync::Arc;

/// Folder value that stands for "no value".
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// A data file and the values of its partition keys.
#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    meta: ObjectMeta,
    /// One per key of the table, in the keys' order.
    values: Vec<Option<String>>,
}

impl StoredFile {
    /// The file at `object`; `None` when its folders are not those of the table's `keys`: no part of the table.
    pub(super) fn new(lake: &Lake, object: Object, keys: &[String]) -> Result<Option<Self>> {
        let Some(values) = layout::partition_of(&object.key).and_then(|folders| values(folders, keys)) else {
            return Ok(None);
        };
        let location = lake.path(&object.key)?;
        let meta =
            ObjectMeta { location, last_modified: object.modified, size: object.size, e_tag: None, version: None };
        Ok(Some(Self { meta, values }))
    }

    fn scanned(&self) -> PartitionedFile {
        let mut file = PartitionedFile::new_from_meta(self.meta.clone());
        file.partition_values = self.values.iter().cloned().map(ScalarValue::Utf8).collect();
        file
    }
}

/// Names of the partition keys, from the folders of the first file.
pub(super) fn partition_names(objects: &[Object]) -> Vec<String> {
    let folders = objects.first().and_then(|object| layout::partition_of(&object.key)).unwrap_or_default();
    folders.split('/').filter_map(|folder| Some(folder.split_once('=')?.0.to_owned())).collect()
}

/// The values of `folders` (`date=2024-05-01/id1=A%20B`), which must be named and ordered like `keys`.
fn values(folders: &str, keys: &[String]) -> Option<Vec<Option<String>>> {
    let found: Vec<(&str, &str)> =
        folders.split('/').filter(|folder| !folder.is_empty()).map(|f| f.split_once('=')).collect::<Option<_>>()?;
    if found.len() != keys.len() || found.iter().zip(keys).any(|((name, _), key)| name != key) {
        return None;
    }
    Some(found.into_iter().map(|(_, value)| (value != HIVE_NULL).then(|| layout::unescaped(value))).collect())
}

/// A table, opened.
#[derive(Debug)]
pub(super) struct LakeTable {
    url: ObjectStoreUrl,
    /// Columns of the files, then the partition keys.
    schema: TableSchema,
    keys: Vec<FieldRef>,
    files: Vec<StoredFile>,
}

impl LakeTable {
    pub(super) fn new(url: ObjectStoreUrl, columns: SchemaRef, keys: &[String], files: Vec<StoredFile>) -> Self {
        let keys: Vec<FieldRef> = keys.iter().map(|key| Arc::new(Field::new(key, DataType::Utf8, true))).collect();
        let schema = TableSchema::builder(columns).with_table_partition_cols(keys.clone()).build();
        Self { url, schema, keys, files }
    }

    fn is_about_keys(&self, filter: &Expr) -> bool {
        let names: Vec<&str> = self.keys.iter().map(|key| key.name().as_str()).collect();
        !names.is_empty() && expr_applicable_for_cols(&names, filter)
    }

    /// The files whose partition values satisfy every one of `filters` that is about partition keys alone.
    fn pruned(&self, state: &dyn Session, filters: &[Expr]) -> PlanResult<Vec<PartitionedFile>> {
        let mut files: Vec<usize> = (0..self.files.len()).collect();
        let keys = arrow::datatypes::Schema::new(self.keys.clone());
        let df_schema = DFSchema::try_from(keys.clone())?;
        for condition in filters.iter().filter(|filter| self.is_about_keys(filter)) {
            let columns: Vec<ArrayRef> = (0..self.keys.len())
                .map(|key| {
                    let of_key = files.iter().map(|file| self.files[*file].values[key].as_deref());
                    Arc::new(StringArray::from_iter(of_key)) as ArrayRef
                })
                .collect();
            let rows = RecordBatch::try_new(Arc::new(keys.clone()), columns)?;
            let condition = state.create_physical_expr(condition.clone(), &df_schema)?;
            let holds = condition.evaluate(&rows)?.into_array(rows.num_rows())?;
            let holds = as_boolean_array(&holds)?;
            let mut verdicts = holds.iter();
            files.retain(|_| verdicts.next().flatten().unwrap_or(false));
        }
        Ok(files.into_iter().map(|file| self.files[file].scanned()).collect())
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if self.is_about_keys(filter) {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Inexact
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let files = self.pruned(state, filters)?;
        let source = Arc::new(
            ParquetSource::new(self.schema.clone()).with_table_parquet_options(state.table_options().parquet.clone()),
        );
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        // A limit holds for the rows the scan gives; with a filter above it the scan must give them all.
        let limit = limit.filter(|_| filters.iter().all(|filter| self.is_about_keys(filter)));
        let scan = FileScanConfigBuilder::new(self.url.clone(), source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_values_only_when_they_are_the_tables_own() {
        let keys = ["date".to_owned(), "id1".to_owned()];
        assert_eq!(
            values("date=2024-05-01/id1=A%2FB%20%C3%A9", &keys),
            Some(vec![Some("2024-05-01".into()), Some("A/B é".into())])
        );
        assert_eq!(values("date=__HIVE_DEFAULT_PARTITION__/id1=", &keys), Some(vec![None, Some(String::new())]));
        assert_eq!(values("id1=A/date=2024-05-01", &keys), None);
        assert_eq!(values("date=2024-05-01", &keys), None);
        assert_eq!(values("", &[]), Some(vec![]));
    }
}
