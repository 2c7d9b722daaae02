//! Tables of the catalog.

use super::{Answer, Fault, Glue, Refusal, refused, unless_missing, written};
use crate::model::catalog::{CatalogColumn, CatalogTable};
use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types::{Column, SerDeInfo, StorageDescriptor, Table as RawTable, TableInput};
use std::collections::BTreeMap;

const INPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat";
const OUTPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat";
const SERDE: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";

/// The only type of table that Athena can describe.
const EXTERNAL: &str = "EXTERNAL_TABLE";

/// The parameter that marks a table as written by lakefold; its value is the version of the schema.
const MARK: &str = "lakefold.schema";

/// A table as Glue describes it.
#[derive(Debug, Clone)]
pub struct Table {
    raw: RawTable,
}

impl Table {
    /// Names of its partition keys.
    pub fn keys(&self) -> Vec<&str> {
        self.raw.partition_keys().iter().map(Column::name).collect()
    }

    /// Whether the files it names are those in the folder of `wanted`. Another lake's table may well have its name,
    /// when two environments share a database of the catalog.
    pub fn is_of(&self, wanted: &CatalogTable) -> bool {
        let location = self.raw.storage_descriptor().and_then(|sd| sd.location()).unwrap_or_default();
        location.trim_end_matches('/') == wanted.location.trim_end_matches('/')
    }

    /// Whether a column has another type than wanted, or is none of the wanted ones.
    pub fn contradicts(&self, wanted: &CatalogTable) -> bool {
        contradict(self.columns(), wanted)
    }

    /// Whether anything differs that lakefold writes.
    pub fn differs(&self, wanted: &CatalogTable) -> bool {
        let storage = self.raw.storage_descriptor();
        let text = |of: fn(&StorageDescriptor) -> Option<&str>| storage.and_then(of).unwrap_or_default();
        let serde = storage.and_then(|storage| storage.serde_info()).and_then(|serde| serde.serialization_library());
        let has = |(key, value): (&str, &str)| {
            self.raw.parameters().and_then(|parameters| parameters.get(key)).map(String::as_str) == Some(value)
        };
        let version = wanted.version.to_string();
        !same(self.columns(), wanted)
            || text(StorageDescriptor::location) != wanted.location
            || text(StorageDescriptor::input_format) != INPUT_FORMAT
            || text(StorageDescriptor::output_format) != OUTPUT_FORMAT
            || serde != Some(SERDE)
            || self.raw.table_type() != Some(EXTERNAL)
            || !parameters(&version).into_iter().all(has)
    }

    fn columns(&self) -> &[Column] {
        self.raw.storage_descriptor().map(StorageDescriptor::columns).unwrap_or_default()
    }

    /// The table as it is, as an input.
    fn input(&self, call: &'static str) -> Answer<TableInput> {
        let raw = self.raw.clone();
        TableInput::builder()
            .name(raw.name)
            .set_description(raw.description)
            .set_owner(raw.owner)
            .set_last_access_time(raw.last_access_time)
            .set_last_analyzed_time(raw.last_analyzed_time)
            .retention(raw.retention)
            .set_storage_descriptor(raw.storage_descriptor)
            .set_partition_keys(Some(raw.partition_keys.unwrap_or_default()))
            .set_view_original_text(raw.view_original_text)
            .set_view_expanded_text(raw.view_expanded_text)
            .set_table_type(raw.table_type)
            .set_parameters(raw.parameters)
            .set_target_table(raw.target_table)
            .build()
            .map_err(|e| Refusal::unsayable(call, &e))
    }

    /// The table with everything that lakefold writes, and all else as it is.
    fn wanted(&self, wanted: &CatalogTable) -> Answer<TableInput> {
        let call = "glue:UpdateTable";
        let mut input = self.input(call)?;
        let written = storage(columns(&wanted.columns, self.columns(), call)?, &wanted.location);
        let mut storage = input.storage_descriptor.take().unwrap_or_else(|| StorageDescriptor::builder().build());
        storage.columns = written.columns;
        storage.location = written.location;
        storage.input_format = written.input_format;
        storage.output_format = written.output_format;
        storage.serde_info = written.serde_info;
        let mut all = input.parameters.take().unwrap_or_default();
        all.extend(owned(&parameters(&wanted.version.to_string())));
        input.parameters = Some(all);
        input.storage_descriptor = Some(storage);
        input.table_type = Some(EXTERNAL.to_owned());
        Ok(input)
    }
}

impl Glue {
    /// The table, if there is one.
    pub async fn table(&self, database: &str, name: &str) -> Answer<Option<Table>> {
        let request = self.client.get_table().database_name(database).name(name);
        let answer = request.send().await.map_err(refused("glue:GetTable"));
        Ok(unless_missing(answer)?.and_then(|output| output.table).map(|raw| Table { raw }))
    }

    /// Creates the table.
    pub async fn create_table(&self, database: &str, wanted: &CatalogTable) -> Answer<()> {
        let call = "glue:CreateTable";
        let build = |e: BuildError| Refusal::unsayable(call, &e);
        let keys: Result<Vec<Column>, _> =
            wanted.keys.iter().map(|key| Column::builder().name(key).r#type("string").build()).collect();
        let input = TableInput::builder()
            .name(&wanted.name)
            .table_type(EXTERNAL)
            .set_partition_keys(Some(keys.map_err(build)?))
            .storage_descriptor(storage(columns(&wanted.columns, &[], call)?, &wanted.location))
            .set_parameters(Some(owned(&parameters(&wanted.version.to_string())).collect()))
            .build()
            .map_err(build)?;
        let request = self.client.create_table().database_name(database).table_input(input);
        written(request.send()).await.map_err(refused(call)).map(drop)
    }

    /// Gives the table everything that lakefold writes of it; the version it had is not kept, because Glue keeps a
    /// hundred thousand of them and no more.
    pub async fn update_table(&self, database: &str, table: &Table, wanted: &CatalogTable) -> Answer<()> {
        self.put_table(database, table, table.wanted(wanted)?).await
    }

    /// Gives the table the wanted columns and leaves everything else to whoever made it.
    pub async fn retype_table(&self, database: &str, table: &Table, wanted: &CatalogTable) -> Answer<()> {
        let call = "glue:UpdateTable";
        let mut input = table.input(call)?;
        let mut storage = input.storage_descriptor.take().unwrap_or_else(|| StorageDescriptor::builder().build());
        storage.columns = Some(columns(&wanted.columns, table.columns(), call)?);
        input.storage_descriptor = Some(storage);
        self.put_table(database, table, input).await
    }

    async fn put_table(&self, database: &str, table: &Table, input: TableInput) -> Answer<()> {
        let request = self
            .client
            .update_table()
            .database_name(database)
            .table_input(input)
            .skip_archive(true)
            .set_version_id(table.raw.version_id.clone());
        written(request.send()).await.map_err(refused("glue:UpdateTable")).map(drop)
    }

    /// Removes the table from the catalog; its files stay. One that is gone already is fine.
    pub async fn delete_table(&self, database: &str, name: &str) -> Answer<()> {
        let request = self.client.delete_table().database_name(database).name(name);
        match written(request.send()).await.map_err(refused("glue:DeleteTable")) {
            Err(refusal) if refusal.fault == Fault::Missing => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// The state of every table of a database: a text that is another one once the table has been changed.
    pub async fn states(&self, database: &str) -> Answer<BTreeMap<String, String>> {
        let mut pages = self.client.get_tables().database_name(database).into_paginator().send();
        let mut states = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = match unless_missing(page.map_err(refused("glue:GetTables")))? {
                Some(page) => page,
                // The crawl makes the database.
                None => break,
            };
            for table in page.table_list.unwrap_or_default() {
                let state = format!("{:?} {:?}", table.version_id, table.update_time);
                states.insert(table.name, state);
            }
        }
        Ok(states)
    }
}

/// The columns as Glue takes them; a comment that somebody wrote stays where lakefold has none.
pub(super) fn columns(wanted: &[CatalogColumn], now: &[Column], call: &'static str) -> Answer<Vec<Column>> {
    let column = |wanted: &CatalogColumn| {
        let same = now.iter().find(|column| column.name() == wanted.name);
        let comment = wanted.comment.clone().or_else(|| same.and_then(Column::comment).map(str::to_owned));
        let builder = Column::builder().name(&wanted.name).r#type(wanted.kind.to_string()).set_comment(comment);
        builder.set_parameters(same.and_then(|column| column.parameters.clone())).build()
    };
    wanted.iter().map(column).collect::<Result<_, _>>().map_err(|e| Refusal::unsayable(call, &e))
}

/// Where Parquet files lie and how they are read.
pub(super) fn storage(columns: Vec<Column>, location: &str) -> StorageDescriptor {
    let serde = SerDeInfo::builder().serialization_library(SERDE).parameters("serialization.format", "1").build();
    StorageDescriptor::builder()
        .set_columns(Some(columns))
        .location(location)
        .input_format(INPUT_FORMAT)
        .output_format(OUTPUT_FORMAT)
        .serde_info(serde)
        .build()
}

/// Whether a column has another type than wanted, or is none of the wanted ones. A column that is missing does not
/// count: a crawl brings it.
pub(super) fn contradict(columns: &[Column], wanted: &CatalogTable) -> bool {
    columns.iter().any(|now| {
        let of = wanted.columns.iter().find(|column| column.name == now.name());
        of.is_none_or(|column| !spells(now, column))
    })
}

/// Whether the columns are the wanted ones, in their order, comments included where lakefold has some.
pub(super) fn same(columns: &[Column], wanted: &CatalogTable) -> bool {
    let equal = |(now, wanted): (&Column, &CatalogColumn)| {
        let comment = wanted.comment.as_deref();
        now.name() == wanted.name && spells(now, wanted) && (comment.is_none() || comment == now.comment())
    };
    columns.len() == wanted.columns.len() && columns.iter().zip(&wanted.columns).all(equal)
}

/// Whether the column has the wanted type, however that is spaced.
fn spells(now: &Column, wanted: &CatalogColumn) -> bool {
    let bare =
        |text: &str| text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>();
    now.r#type().is_some_and(|now| bare(now) == bare(&wanted.kind.to_string()))
}

/// What a crawler would write too: without `compressionType` it would find that a parameter has changed and give the
/// table up.
fn parameters(version: &str) -> [(&str, &str); 6] {
    [
        ("EXTERNAL", "TRUE"),
        ("classification", "parquet"),
        ("compressionType", "none"),
        ("parquet.compression", "ZSTD"),
        ("typeOfData", "file"),
        (MARK, version),
    ]
}

fn owned(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
}
