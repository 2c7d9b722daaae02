//! What the columns of one table are made of, from its schema in the lake.

#[cfg(test)]
mod grammar;
#[cfg(test)]
mod tests;

use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, layout, state};
use crate::model::collection::{CollectionSpec, Namespace};
use crate::model::command;
use crate::model::description::TableDescription;
use crate::model::names::fold;
use crate::model::problem::{listed, nearest};
use crate::model::settings::Settings;
use crate::model::table::{self, TableSchema};
use crate::shape;

/// The table of `namespace`, also of one that the manifest no longer names.
///
/// # Errors
/// The lake cannot be reached, the schema cannot be read, or there is no such table: the hint then says which
/// collection was probably meant, or that it has never been run.
pub async fn schema(settings: &Settings, specs: &[CollectionSpec], namespace: &Namespace) -> Result<TableDescription> {
    let lake = Lake::open(&settings.lake).await?;
    match of_lake(&lake, namespace).await? {
        Some(table) => Ok(table),
        None => Err(unknown(namespace, specs, settings)),
    }
}

async fn of_lake(lake: &Lake, namespace: &Namespace) -> Result<Option<TableDescription>> {
    let stored = state::load::<TableSchema>(lake, &layout::schema_key(namespace), table::FORMAT).await?;
    Ok(stored.map(|(table, _)| describe(&table, namespace, lake.url())))
}

fn describe(table: &TableSchema, namespace: &Namespace, lake: &str) -> TableDescription {
    TableDescription {
        database: namespace.database.clone(),
        collection: namespace.collection.clone(),
        catalog_database: fold(&namespace.database),
        table: fold(&namespace.collection),
        location: format!("{}/{}", lake.trim_end_matches('/'), layout::table_prefix(namespace)),
        version: table.version,
        columns: shape::describe(table),
        partition_keys: table.settings.partition_keys.clone(),
    }
}

fn unknown(namespace: &Namespace, specs: &[CollectionSpec], settings: &Settings) -> Error {
    if specs.iter().any(|spec| spec.namespace == *namespace) {
        return Error::new(Kind::Lake, format!("{namespace} has no table yet")).hint(format!(
            "fold it first with lakefold run:\n  {}",
            command::rerun(&settings.named, &[namespace.to_string()])
        ));
    }
    let environment = &settings.environment;
    let names: Vec<String> = specs.iter().map(|spec| spec.namespace.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = format!("`{namespace}` is neither in the lake nor in the manifest of environment `{environment}`");
    Error::new(Kind::Input, message).hint(match nearest(&namespace.to_string(), names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the manifest has {}", listed(&names)),
    })
}
