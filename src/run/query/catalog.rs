//! Databases and tables of the lake, looked up when a query names them.

use super::table::{LakeTable, StoredFile, partition_names};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::lake::{Footer, Lake, Object, layout, state};
use crate::model::collection::{CollectionSpec, Namespace};
use crate::model::names::fold;
use crate::model::problem::{listed, nearest};
use crate::model::table::{self, TableSchema};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result as PlanResult};
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore as _;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Footers read at once, where a table has no schema state.
const FOOTERS_AT_ONCE: usize = 8;

/// Tables named in a message, at most.
const NAMED_MAX: usize = 20;

/// What every database and table of one query shares.
#[derive(Debug)]
struct Shared {
    lake: Lake,
    url: ObjectStoreUrl,
    /// `database.collection`, folded, of the manifest.
    manifest: BTreeSet<String>,
}

/// Every folder of the lake, as a database.
#[derive(Debug)]
pub(super) struct Databases {
    shared: Arc<Shared>,
}

impl Databases {
    pub(super) fn new(lake: Lake, url: ObjectStoreUrl, specs: &[CollectionSpec]) -> Self {
        let manifest = specs.iter().map(|spec| spec.namespace.folder().replacen('/', ".", 1)).collect();
        Self { shared: Arc::new(Shared { lake, url, manifest }) }
    }
}

impl CatalogProvider for Databases {
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Any name gives a database: whether it exists is found out with its table, in one listing.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(Database { shared: Arc::clone(&self.shared), name: name.to_owned() }))
    }
}

#[derive(Debug)]
struct Database {
    shared: Arc<Shared>,
    name: String,
}

#[async_trait]
impl SchemaProvider for Database {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn table_exist(&self, _name: &str) -> bool {
        true
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        let namespace = Namespace { database: fold(&self.name), collection: fold(name) };
        match self.shared.open(&namespace).await {
            Ok(table) => Ok(Some(Arc::new(table))),
            Err(error) => Err(DataFusionError::External(Box::new(error))),
        }
    }
}

impl Shared {
    async fn open(&self, namespace: &Namespace) -> Result<LakeTable> {
        let state: Option<(TableSchema, _)> =
            state::load(&self.lake, &layout::schema_key(namespace), table::FORMAT).await?;
        let objects = self.data_files(namespace).await?;
        let (schema, keys) = match state {
            Some((table, _)) => (table.arrow(), table.settings.partition_keys),
            None if objects.is_empty() => return Err(self.missing(namespace).await),
            None => (self.merged_schema(&objects).await?, partition_names(&objects)),
        };
        let files = objects
            .into_iter()
            .filter_map(|object| StoredFile::new(&self.lake, object, &keys).transpose())
            .collect::<Result<Vec<_>>>()?;
        Ok(LakeTable::new(self.url.clone(), schema, &keys, files))
    }

    /// The table's data files; anything else in its folder is no part of it (P2).
    async fn data_files(&self, namespace: &Namespace) -> Result<Vec<Object>> {
        let prefix = layout::table_prefix(namespace);
        let mut objects: Vec<Object> = self
            .lake
            .list(&prefix)
            .try_filter(|object| std::future::ready(layout::partition_of(&object.key).is_some()))
            .try_collect()
            .await?;
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// The columns of all files together, for a table whose schema state is gone.
    async fn merged_schema(&self, objects: &[Object]) -> Result<SchemaRef> {
        let footers: Vec<_> = objects.iter().map(|object| self.lake.footer(&object.key, object.size)).collect();
        let footers: Vec<Footer> = stream::iter(footers).buffered(FOOTERS_AT_ONCE).try_collect().await?;
        let merged = Schema::try_merge(footers.iter().map(|footer| footer.schema.as_ref().clone()))
            .or_error(Kind::Schema, "the files of the table disagree and its schema state is missing")?;
        Ok(Arc::new(merged))
    }

    /// Why there is no such table, with what was probably meant.
    async fn missing(&self, namespace: &Namespace) -> Error {
        let name = format!("{}.{}", namespace.database, namespace.collection);
        if self.manifest.contains(&name) {
            return Error::new(Kind::Input, format!("{name} is not in the lake yet"))
                .hint("`lakefold run` brings it there");
        }
        let known = match self.tables().await {
            Ok(known) => known,
            Err(error) => return error,
        };
        let error = Error::new(Kind::Input, format!("there is no table {name} in {}", self.lake.url()));
        let alike = |table: &&String| table.split_once('.').is_some_and(|(_, short)| short == namespace.collection);
        if let Some(near) = known.iter().find(alike) {
            return error.hint(format!("tables are named database.collection: did you mean {near}?"));
        }
        let words: Vec<&str> = known.iter().map(String::as_str).collect();
        match nearest(&name, words.iter().copied()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None if words.is_empty() => error.hint("the lake is empty; `lakefold run` fills it"),
            None => error.hint(format!("it has {}", listed(words.get(..NAMED_MAX).unwrap_or(&words)))),
        }
    }

    /// `database.collection` of every folder that can be a table.
    async fn tables(&self) -> Result<BTreeSet<String>> {
        let mut tables = BTreeSet::new();
        for database in self.folders("").await? {
            if !layout::is_reserved(&database) {
                for table in self.folders(&database).await? {
                    tables.insert(table.replacen('/', ".", 1));
                }
            }
        }
        Ok(tables)
    }

    async fn folders(&self, below: &str) -> Result<Vec<String>> {
        let path = self.lake.path(below)?;
        let listing = self
            .lake
            .store()
            .list_with_delimiter((!below.is_empty()).then_some(&path))
            .await
            .or_error(Kind::Lake, "list the tables of the lake")?;
        Ok(listing.common_prefixes.into_iter().map(String::from).collect())
    }
}
