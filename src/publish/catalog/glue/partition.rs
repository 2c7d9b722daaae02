//! Partitions of a table: their columns are always those of the table.

use super::table::{columns, contradict, same, storage};
use super::{Answer, Fault, Glue, Refusal, refused, written};
use crate::model::catalog::CatalogTable;
use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types::{
    BatchUpdatePartitionRequestEntry, Column, ErrorDetail, Partition as RawPartition, PartitionInput,
    PartitionValueList, StorageDescriptor,
};

/// Partitions that one call creates or changes at most.
const WRITTEN_AT_ONCE: usize = 100;

/// Partitions that one call removes at most.
const REMOVED_AT_ONCE: usize = 25;

/// Partitions of one page at most.
const PAGE: i32 = 1_000;

/// A partition as Glue describes it.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Its values, in the order of the table's keys.
    pub values: Vec<String>,
    raw: RawPartition,
}

/// Where a partition is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionPlace {
    /// Its values, in the order of the table's keys.
    pub values: Vec<String>,
    /// URL of its folder, ending in `/`.
    pub location: String,
}

impl Partition {
    /// Whether its columns are those of the table.
    pub fn agrees(&self, table: &CatalogTable) -> bool {
        same(self.columns(), table)
    }

    /// Whether a column has another type than the table's, or is none of the table's.
    pub fn contradicts(&self, table: &CatalogTable) -> bool {
        contradict(self.columns(), table)
    }

    fn columns(&self) -> &[Column] {
        self.raw.storage_descriptor().map(StorageDescriptor::columns).unwrap_or_default()
    }

    /// Whether it lies at `location`.
    pub fn lies_at(&self, location: &str) -> bool {
        let now = self.raw.storage_descriptor().and_then(StorageDescriptor::location).unwrap_or_default();
        now.trim_end_matches('/') == location.trim_end_matches('/')
    }
}

impl Glue {
    /// Every partition of a table.
    pub async fn partitions(&self, database: &str, table: &str) -> Answer<Vec<Partition>> {
        let request = self.client.get_partitions().database_name(database).table_name(table).max_results(PAGE);
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(refused("glue:GetPartitions"))?;
            let of = |raw: RawPartition| Partition { values: raw.values.clone().unwrap_or_default(), raw };
            found.extend(page.partitions.unwrap_or_default().into_iter().map(of));
        }
        Ok(found)
    }

    /// Creates partitions, and gives those that are there already the place and the columns they should have.
    pub async fn put_partitions(&self, database: &str, table: &CatalogTable, places: &[PartitionPlace]) -> Answer<()> {
        let call = "glue:BatchCreatePartition";
        let mut there = Vec::new();
        for batch in places.chunks(WRITTEN_AT_ONCE) {
            let inputs = batch.iter().map(|place| input(table, place, call)).collect::<Answer<Vec<_>>>()?;
            let request = self.client.batch_create_partition().database_name(database).table_name(&table.name);
            let request = request.set_partition_input_list(Some(inputs));
            let output = written(request.send()).await.map_err(refused(call))?;
            for error in output.errors() {
                let refusal = item(call, error.error_detail());
                if refusal.fault != Fault::Exists {
                    return Err(refusal);
                }
                there.extend(batch.iter().filter(|place| place.values == error.partition_values()).cloned());
            }
        }
        let entry =
            |place: &PartitionPlace| Ok((place.values.clone(), input(table, place, "glue:BatchUpdatePartition")?));
        self.update_partitions(database, &table.name, there.iter().map(entry).collect::<Answer<_>>()?).await
    }

    /// Gives partitions the columns of the table and leaves all else of them to whoever made them.
    pub async fn retype_partitions(
        &self,
        database: &str,
        table: &CatalogTable,
        partitions: &[Partition],
    ) -> Answer<()> {
        let call = "glue:BatchUpdatePartition";
        let entry = |partition: &Partition| {
            let raw = partition.raw.clone();
            let mut storage = raw.storage_descriptor.unwrap_or_else(|| StorageDescriptor::builder().build());
            storage.columns = Some(columns(&table.columns, storage.columns(), call)?);
            let input = PartitionInput::builder()
                .set_values(raw.values)
                .set_last_access_time(raw.last_access_time)
                .set_last_analyzed_time(raw.last_analyzed_time)
                .set_parameters(raw.parameters)
                .storage_descriptor(storage)
                .build();
            Ok((partition.values.clone(), input))
        };
        let entries = partitions.iter().map(entry).collect::<Answer<Vec<_>>>()?;
        self.update_partitions(database, &table.name, entries).await
    }

    /// Removes partitions from the catalog; those that are gone already are fine.
    pub async fn delete_partitions(&self, database: &str, table: &str, values: &[Vec<String>]) -> Answer<()> {
        let call = "glue:BatchDeletePartition";
        for batch in values.chunks(REMOVED_AT_ONCE) {
            let list = |values: &Vec<String>| PartitionValueList::builder().set_values(Some(values.clone())).build();
            let lists: Result<Vec<_>, BuildError> = batch.iter().map(list).collect();
            let lists = lists.map_err(|e| Refusal::unsayable(call, &e))?;
            let request = self.client.batch_delete_partition().database_name(database).table_name(table);
            let request = request.set_partitions_to_delete(Some(lists));
            let output = written(request.send()).await.map_err(refused(call))?;
            output.errors().iter().try_for_each(|error| unless_gone(item(call, error.error_detail())))?;
        }
        Ok(())
    }

    async fn update_partitions(
        &self,
        database: &str,
        table: &str,
        entries: Vec<(Vec<String>, PartitionInput)>,
    ) -> Answer<()> {
        let call = "glue:BatchUpdatePartition";
        for batch in entries.chunks(WRITTEN_AT_ONCE) {
            let entry = |(values, input): &(Vec<String>, PartitionInput)| {
                BatchUpdatePartitionRequestEntry::builder()
                    .set_partition_value_list(Some(values.clone()))
                    .partition_input(input.clone())
                    .build()
            };
            let batch: Result<Vec<_>, BuildError> = batch.iter().map(entry).collect();
            let batch = batch.map_err(|e| Refusal::unsayable(call, &e))?;
            let request = self.client.batch_update_partition().database_name(database).table_name(table);
            let output = written(request.set_entries(Some(batch)).send()).await.map_err(refused(call))?;
            output.errors().iter().try_for_each(|error| unless_gone(item(call, error.error_detail())))?;
        }
        Ok(())
    }
}

fn item(call: &'static str, detail: Option<&ErrorDetail>) -> Refusal {
    Refusal::item(call, detail.and_then(ErrorDetail::error_code), detail.and_then(ErrorDetail::error_message))
}

/// A partition that somebody removed meanwhile needs nothing any more.
fn unless_gone(refusal: Refusal) -> Answer<()> {
    if refusal.fault == Fault::Missing { Ok(()) } else { Err(refusal) }
}

fn input(table: &CatalogTable, place: &PartitionPlace, call: &'static str) -> Answer<PartitionInput> {
    Ok(PartitionInput::builder()
        .set_values(Some(place.values.clone()))
        .storage_descriptor(storage(columns(&table.columns, &[], call)?, &place.location))
        .build())
}
