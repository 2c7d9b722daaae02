//! What the columns of tables are made of, from their schemas in the lake; and which partitions Athena may work out.

#[cfg(test)]
mod grammar;
#[cfg(test)]
mod tests;

use super::clock;
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, layout, state};
use crate::manifest;
use crate::model::collection::{CollectionSpec, Namespace};
use crate::model::command;
use crate::model::description::TableDescription;
use crate::model::names::fold;
use crate::model::problem::{listed, nearest};
use crate::model::projection::{self, Projection};
use crate::model::settings::Settings;
use crate::model::table::{self, TableSchema};
use crate::shape;
use futures::{TryStreamExt, future};

/// The table of `namespace`, also of one that the manifest no longer names.
///
/// # Errors
/// The lake cannot be reached, the schema cannot be read, or there is no such table: the hint then says which
/// collection was probably meant, or that it has never been run.
pub async fn schema(settings: &Settings, specs: &[CollectionSpec], namespace: &Namespace) -> Result<TableDescription> {
    let lake = Lake::open(&settings.lake).await?;
    match of_lake(&lake, settings, namespace).await? {
        Some(table) => Ok(table),
        None => Err(unknown(namespace, specs, settings)),
    }
}

/// The tables of the manifest that have been folded, in its order.
///
/// # Errors
/// As [`schema`]; and when none has been folded.
pub async fn schemas(settings: &Settings, specs: &[CollectionSpec]) -> Result<Vec<(Namespace, TableDescription)>> {
    let lake = Lake::open(&settings.lake).await?;
    let mut tables = Vec::new();
    for spec in specs {
        match of_lake(&lake, settings, &spec.namespace).await? {
            Some(table) => tables.push((spec.namespace.clone(), table)),
            None => tracing::warn!(collection = %spec.namespace, "has no table yet"),
        }
    }
    if tables.is_empty() {
        return Err(Error::new(Kind::Lake, "no collection has a table yet")
            .hint(format!("fold them first: lakefold run --env {}", settings.environment)));
    }
    Ok(tables)
}

/// How Athena can work out the partitions of a table; none for one that has none. What it would not see is told as warnings.
///
/// # Errors
/// The lake cannot be reached or read; `Kind::Input` when values of a key are spelled otherwise in their folders.
pub async fn projection(settings: &Settings, namespace: &Namespace) -> Result<Option<Projection>> {
    let lake = Lake::open(&settings.lake).await?;
    let stored = state::load::<TableSchema>(&lake, &layout::schema_key(namespace), table::FORMAT).await?;
    let keys = stored.map(|(table, _)| manifest::keys(&table.settings.partition_by)).unwrap_or_default();
    if keys.is_empty() {
        return Ok(None);
    }
    let folders: Vec<String> = lake
        .list(&layout::table_prefix(namespace))
        .try_filter_map(|object| future::ok(layout::partition_of(&object.key).map(str::to_owned)))
        .try_collect()
        .await?;
    let projection = projection::project(&keys, &folders, clock::now()).map_err(|refusal| {
        let (key, escaped) = (&refusal.key, refusal.escaped);
        Error::new(
            Kind::Input,
            format!("{namespace} cannot be projected: {escaped} value(s) of `{key}` are escaped in the names of folders"),
        )
        .hint("Athena would look for them in other folders; leave out --projection and use a crawler, or mode = \"tables\"")
    })?;
    for warning in &projection.warnings {
        tracing::warn!(collection = %namespace, "{warning}");
    }
    Ok(Some(projection))
}

async fn of_lake(lake: &Lake, settings: &Settings, namespace: &Namespace) -> Result<Option<TableDescription>> {
    let stored = state::load::<TableSchema>(lake, &layout::schema_key(namespace), table::FORMAT).await?;
    let database = settings.catalog.database_of(&settings.environment, &namespace.database);
    Ok(stored.map(|(table, _)| describe(&table, namespace, lake.url(), database)))
}

fn describe(table: &TableSchema, namespace: &Namespace, lake: &str, catalog_database: String) -> TableDescription {
    TableDescription {
        database: namespace.database.clone(),
        collection: namespace.collection.clone(),
        catalog_database,
        table: fold(&namespace.collection),
        location: layout::folder_url(lake, &layout::table_prefix(namespace)),
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
