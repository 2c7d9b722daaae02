//! Debts paid without a crawler: lakefold writes database, tables and partitions itself, and only what changed.
//!
//! The table comes before its partitions: a reader between the two finds columns that a partition lacks, which are
//! NULL there, and never partitions of a table it does not know.

use super::glue::{Fault, Partition, PartitionPlace, Refusal};
use super::{Catalog, Due, Ledger, Owed, Payment, Place, Settled, TRIES, told, unwritten};
use crate::lake::layout;
use crate::model::catalog::CatalogTable;
use crate::model::names::fold;
use crate::model::record::CatalogRecord;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What was written of one table.
#[derive(Debug, Default)]
struct Written {
    table: bool,
    partitions: u64,
}

/// How a table of the catalog was found, or left.
struct Kept {
    /// It had to be created, so that nothing is known of its partitions.
    created: bool,
    /// It was created or changed.
    written: bool,
}

impl Catalog<'_> {
    /// Pays what is due in one database of the catalog.
    pub(super) async fn pay_by_tables(&self, place: &Place, due: &[Due]) -> Settled {
        let database = &place.database;
        let mut settled = Settled::default();
        settled.record.databases = vec![database.clone()];
        CatalogRecord::WRITTEN.clone_into(&mut settled.record.outcome);
        let sources: BTreeSet<&str> = due.iter().map(|due| due.namespace.database.as_str()).collect();
        let location = sources.first().map(|source| self.folder_url(&format!("{}/", fold(source)))).unwrap_or_default();
        let sources: Vec<&str> = sources.into_iter().collect();
        let kept = match due {
            [] => Ok(()),
            _ => self.glue.keep_database(database, &sources.join(", "), &location).await,
        };
        if let Err(refusal) = kept {
            settled.record.reasons.push(told(refusal.into_error()));
        } else {
            for due in due {
                self.pay_table(place, due, &mut settled).await;
            }
        }
        if !settled.record.reasons.is_empty() {
            CatalogRecord::FAILED.clone_into(&mut settled.record.outcome);
        }
        settled
    }

    async fn pay_table(&self, place: &Place, due: &Due, settled: &mut Settled) {
        match self.write_table(&place.database, due).await {
            Ok(written) => {
                let table = fold(&due.namespace.collection);
                settled.record.partitions += written.partitions;
                if written.table || written.partitions > 0 {
                    settled.record.tables.push(format!("{}.{table}", place.database));
                }
                let payment = Payment {
                    table,
                    collection: due.namespace.collection.clone(),
                    paid: due.recorded.clone(),
                    rest: None,
                    told: Some(place.group()),
                };
                settled.payments.push((due.namespace.database.clone(), payment));
            }
            Err(reason) => settled.record.reasons.push(reason),
        }
    }

    async fn write_table(&self, database: &str, due: &Due) -> Result<Written, String> {
        let (ns, owed) = (&due.namespace, &due.owed);
        let Some(wanted) = self.table_of(ns).await.map_err(told)? else { return Ok(Written::default()) };
        if owed.whole && !self.has_data(ns).await.map_err(told)? {
            return Ok(Written::default());
        }
        let say = |refusal: Refusal| unwritten(refusal, self.named, database, &wanted, "");
        let kept = self.keep_table(database, &wanted, due).await?;
        let mut written = Written { table: kept.written, partitions: 0 };
        if wanted.keys.is_empty() {
            return Ok(written);
        }

        let place = |folder: &String| PartitionPlace {
            values: layout::partition_values(folder),
            location: self.folder_url(&format!("{}{folder}/", layout::table_prefix(ns))),
        };
        let mut puts: Vec<PartitionPlace> = owed.new.iter().map(place).collect();
        let mut gone: Vec<Vec<String>> = owed.gone.iter().map(|folder| layout::partition_values(folder)).collect();
        let mut others: Vec<Partition> = Vec::new();
        if kept.created || owed.whole {
            let there = if kept.created {
                Vec::new()
            } else {
                self.glue.partitions(database, &wanted.name).await.map_err(say)?
            };
            let places: Vec<PartitionPlace> = self.partitions_of(ns).await.map_err(told)?.iter().map(place).collect();
            let by_values: HashMap<&Vec<String>, &Partition> = there.iter().map(|p| (&p.values, p)).collect();
            let stands = |place: &PartitionPlace| {
                by_values.get(&place.values).is_some_and(|p| p.lies_at(&place.location) && p.agrees(&wanted))
            };
            let known: BTreeSet<&Vec<String>> = places.iter().map(|place| &place.values).collect();
            gone = there.iter().map(|p| &p.values).filter(|values| !known.contains(values)).cloned().collect();
            puts = places.iter().filter(|place| !stands(place)).cloned().collect();
        } else if kept.written || owed.grown || owed.retyped {
            let there = self.glue.partitions(database, &wanted.name).await.map_err(say)?;
            let seen_to: HashSet<&Vec<String>> = gone.iter().chain(puts.iter().map(|place| &place.values)).collect();
            others = there.into_iter().filter(|p| !p.agrees(&wanted) && !seen_to.contains(&p.values)).collect();
        }
        self.glue.retype_partitions(database, &wanted, &others).await.map_err(say)?;
        self.glue.put_partitions(database, &wanted, &puts).await.map_err(say)?;
        self.glue.delete_partitions(database, &wanted.name, &gone).await.map_err(say)?;
        written.partitions = (others.len() + puts.len() + gone.len()) as u64;
        Ok(written)
    }

    /// Makes sure that the catalog has the table as it is wanted.
    async fn keep_table(&self, database: &str, wanted: &CatalogTable, due: &Due) -> Result<Kept, String> {
        let say = |refusal: Refusal| unwritten(refusal, self.named, database, wanted, "");
        for turn in 1.. {
            let answer = match self.glue.table(database, &wanted.name).await.map_err(say)? {
                None => {
                    if !due.owed.all && !due.owed.whole {
                        // Somebody dropped it. It has more partitions than are owed, and must still have them when
                        // this run dies between the table and its partitions: on record, all of it is owed now.
                        let ledger = Ledger::new(self.lake);
                        ledger.owe(&due.namespace, Owed::whole(&due.owed.since)).await.map_err(told)?;
                    }
                    self.glue.create_table(database, wanted).await.map(|()| Kept { created: true, written: true })
                }
                Some(found) if !found.is_of(wanted) => {
                    return Err(format!(
                        "the table {database}.{} is of another place than {}; drop it if that lake is gone, or set \
                         [catalog] database",
                        wanted.name, wanted.location
                    ));
                }
                // The keys of a table that has partitions cannot be changed.
                Some(found) if found.keys() != wanted.keys => {
                    self.glue.delete_table(database, &wanted.name).await.map_err(say)?;
                    self.glue.create_table(database, wanted).await.map(|()| Kept { created: true, written: true })
                }
                Some(found) if found.differs(wanted) => {
                    let answer = self.glue.update_table(database, &found, wanted).await;
                    answer.map(|()| Kept { created: false, written: true })
                }
                Some(_) => Ok(Kept { created: false, written: false }),
            };
            match answer {
                Err(refusal) if matches!(refusal.fault, Fault::Again | Fault::Exists) && turn < TRIES => {}
                answer => return answer.map_err(say),
            }
        }
        Err(format!("the table {database}.{} changes all the time", wanted.name))
    }
}
