//! Debts paid by a crawler: first the columns it would never retype, then its targets, then its start.

use super::glue::{Answer, Crawler, CrawlerPlan, Fault};
use super::{Catalog, Due, Owed, Payment, Place, Settled, TRIES, told, unwritten};
use crate::error::Result;
use crate::model::catalog::CatalogTable;
use crate::model::names::fold;
use crate::model::record::CatalogRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The first pause between two looks at a crawler that runs.
const FIRST_LOOK: Duration = Duration::from_millis(500);

/// The longest pause.
const LAST_LOOK: Duration = Duration::from_secs(15);

/// How often a crawl is ordered that Glue is too busy to begin: with the pauses between, half a minute.
const ORDERS: u32 = 10;

/// What a crawler was told, or why not.
type Told<T> = std::result::Result<T, String>;

/// A table that is due.
struct Wanted<'d> {
    due: &'d Due,
    /// None: the lake holds nothing of it.
    table: Option<CatalogTable>,
    /// The columns of the catalog are those of the lake, as far as a crawl would not see to it.
    columns_paid: bool,
}

impl Wanted<'_> {
    fn wants_crawl(&self) -> bool {
        self.table.is_some() && self.due.owed.wants_crawl()
    }
}

impl Catalog<'_> {
    /// Pays what is due to the crawler called `name`.
    pub(super) async fn pay_by_crawler(&self, name: &str, place: &Place, due: &[Due], always: bool) -> Settled {
        let mut record = CatalogRecord { crawler: name.to_owned(), ..CatalogRecord::default() };
        let databases: BTreeSet<String> = due.iter().map(|due| fold(&due.namespace.database)).collect();
        record.databases = databases.into_iter().collect();

        let mut wanted = Vec::with_capacity(due.len());
        for due in due {
            match self.wanted(due).await {
                Ok(of) => wanted.push(of),
                Err(error) => record.reasons.push(told(error)),
            }
        }
        let crawled = match self.serve(name, place, &mut wanted, always, &mut record).await {
            Ok(()) => true,
            Err(reason) => {
                record.reasons.push(reason);
                false
            }
        };
        if !record.reasons.is_empty() {
            CatalogRecord::FAILED.clone_into(&mut record.outcome);
        }
        let payments =
            wanted.iter().map(|of| (of.due.namespace.database.clone(), payment(of, crawled, place))).collect();
        Settled { record, payments }
    }

    async fn wanted<'d>(&self, due: &'d Due) -> Result<Wanted<'d>> {
        let ns = &due.namespace;
        // What is owed wholly may be a table nobody has written to yet.
        let empty = due.owed.whole && !self.has_data(ns).await?;
        let table = if empty { None } else { self.table_of(ns).await? };
        let columns_paid = table.is_none() || !due.owed.wants_columns();
        Ok(Wanted { due, table, columns_paid })
    }

    async fn serve(
        &self,
        name: &str,
        place: &Place,
        wanted: &mut [Wanted<'_>],
        always: bool,
        record: &mut CatalogRecord,
    ) -> Told<()> {
        let crawl = always || wanted.iter().any(Wanted::wants_crawl);
        let columns = wanted.iter().any(|of| of.table.is_some() && of.due.owed.wants_columns());
        if !crawl && !columns {
            CatalogRecord::WRITTEN.clone_into(&mut record.outcome);
            return Ok(());
        }
        let paths: Vec<String> = wanted
            .iter()
            .filter(|of| of.wants_crawl())
            .filter_map(|of| of.table.as_ref())
            .map(|table| table.location.clone())
            .collect();
        let deadline = Instant::now() + self.settings.ready_within;
        let mut crawler = self.found_or_created(name, place, &paths, record).await?;
        let mut pause = Pause::new();
        loop {
            if !crawler.ready {
                if Instant::now() >= deadline {
                    return Err(self.still_running());
                }
                pause.until(deadline).await;
                crawler = self.look(name).await?;
                continue;
            }
            if columns {
                let database = crawler.database.as_deref().unwrap_or(&place.database);
                self.write_columns(database, &crawler.prefix, wanted, record).await;
            }
            if !crawl {
                CatalogRecord::WRITTEN.clone_into(&mut record.outcome);
                return Ok(());
            }
            let database = crawler.database.as_deref().unwrap_or(&place.database);
            let states = if self.wait { Some(self.glue.states(database).await) } else { None };
            match self.start(name, &crawler, &paths, record).await? {
                Started::Yes => {
                    CatalogRecord::STARTED.clone_into(&mut record.outcome);
                    return match states {
                        Some(states) => self.finish(name, database, &crawler, states, record).await,
                        None => Ok(()),
                    };
                }
                // Its schedule, a person or a fresh change was quicker.
                Started::NotReady => crawler.ready = false,
            }
        }
    }

    async fn look(&self, name: &str) -> Told<Crawler> {
        let found = self.glue.crawler(name).await.map_err(|refusal| told(refusal.into_error()))?;
        found.ok_or_else(|| format!("the crawler {name} is gone"))
    }

    fn still_running(&self) -> String {
        format!(
            "it still runs after {}; the next run tries again, or raise [catalog] ready_within",
            humantime::format_duration(self.settings.ready_within)
        )
    }

    async fn found_or_created(
        &self,
        name: &str,
        place: &Place,
        paths: &[String],
        record: &mut CatalogRecord,
    ) -> Told<Crawler> {
        let say = |refusal: super::glue::Refusal| told(refusal.into_error());
        if let Some(crawler) = self.glue.crawler(name).await.map_err(say)? {
            return Ok(crawler);
        }
        let role = self.settings.role.clone();
        let plan = CrawlerPlan {
            name: name.to_owned(),
            role: role.clone().unwrap_or_else(|| "ROLE".to_owned()),
            database: place.database.clone(),
            paths: paths.to_vec(),
            table_level: table_level(self.lake.url()),
        };
        if !self.settings.create || role.is_none() || paths.is_empty() {
            return Err(format!(
                "there is no crawler of this name; set [catalog] create and role, or create it:\n  {}",
                plan.command()
            ));
        }
        let source = record.databases.join(", ");
        self.glue.keep_database(&plan.database, &source, &self.folder_url("")).await.map_err(say)?;
        match self.glue.create_crawler(&plan).await {
            Ok(()) => record.targets_added = paths.len() as u64,
            Err(refusal) if refusal.fault == Fault::Exists => {}
            Err(refusal) => return Err(format!("{}; or run\n  {}", say(refusal), plan.command())),
        }
        self.look(name).await
    }

    /// Writes the columns that a crawl leaves as they are; what fails is said in the record and stays owed.
    async fn write_columns(&self, database: &str, prefix: &str, wanted: &mut [Wanted<'_>], record: &mut CatalogRecord) {
        for of in wanted.iter_mut().filter(|of| of.due.owed.wants_columns()) {
            let Some(table) = &of.table else { continue };
            // The crawler puts its own prefix before the name of the folder.
            let table = CatalogTable { name: format!("{prefix}{}", table.name), ..table.clone() };
            match self.retype(database, &table).await {
                Ok(changed) => {
                    of.columns_paid = true;
                    record.partitions += changed.partitions;
                    if changed.table || changed.partitions > 0 {
                        record.tables.push(format!("{database}.{}", table.name));
                    }
                }
                Err(reason) => {
                    of.columns_paid = false;
                    // Said once, however often the crawler has to be waited for.
                    if !record.reasons.contains(&reason) {
                        record.reasons.push(reason);
                    }
                }
            }
        }
    }

    async fn retype(&self, database: &str, wanted: &CatalogTable) -> Told<Changed> {
        let then = if wanted.keys.is_empty() {
            ""
        } else {
            ", and start the crawler after that, which brings the partitions along"
        };
        let say = |refusal| unwritten(refusal, self.named, database, wanted, then);
        let mut changed = Changed::default();
        for turn in 1.. {
            let Some(found) = self.glue.table(database, &wanted.name).await.map_err(say)? else {
                // The crawl makes it, with the columns of its files.
                return Ok(changed);
            };
            if !found.is_of(wanted) {
                return Err(format!(
                    "the table {database}.{} is not of {}; rename it, or give the crawler another database",
                    wanted.name, wanted.location
                ));
            }
            if found.keys() != wanted.keys {
                return Err(format!(
                    "the table {database}.{name} has other partition keys than the lake; drop it, the next crawl makes \
                     it anew:\n  aws glue delete-table --database-name {database} --name {name}",
                    name = wanted.name
                ));
            }
            if !found.contradicts(wanted) {
                break;
            }
            match self.glue.retype_table(database, &found, wanted).await {
                Ok(()) => {
                    changed.table = true;
                    break;
                }
                Err(refusal) if refusal.fault == Fault::Again && turn < TRIES => {}
                Err(refusal) => return Err(say(refusal)),
            }
        }
        if !wanted.keys.is_empty() {
            let partitions = self.glue.partitions(database, &wanted.name).await.map_err(say)?;
            let other: Vec<_> = partitions.into_iter().filter(|partition| partition.contradicts(wanted)).collect();
            self.glue.retype_partitions(database, wanted, &other).await.map_err(say)?;
            changed.partitions = other.len() as u64;
        }
        Ok(changed)
    }

    async fn start(
        &self,
        name: &str,
        crawler: &Crawler,
        paths: &[String],
        record: &mut CatalogRecord,
    ) -> Told<Started> {
        let lacking = crawler.lacks(paths);
        if !lacking.is_empty() {
            if crawler.fixed {
                return Err(format!(
                    "it crawls new folders only, and its targets cannot be changed: set its recrawl policy to \
                     CRAWL_EVERYTHING, so that {} can be added",
                    lacking.join(", ")
                ));
            }
            match self.glue.add_targets(name, crawler, &lacking).await {
                Ok(()) => record.targets_added += lacking.len() as u64,
                Err(refusal) if matches!(refusal.fault, Fault::Running | Fault::Again) => return Ok(Started::NotReady),
                Err(refusal) => return Err(told(refusal.into_error())),
            }
        }
        self.order_crawl(name, crawler).await
    }

    /// Orders a crawl of what looked like `before`, which was ready, and repeats an order that was not carried out.
    /// After an answer that got lost the crawler itself is asked: one that runs now was started by that order, or by
    /// somebody else after everything had landed, which is as good.
    async fn order_crawl(&self, name: &str, before: &Crawler) -> Told<Started> {
        let mut pause = Pause::new();
        let mut lost = false;
        for turn in 1.. {
            let Err(refusal) = self.glue.start_crawler(name).await else { break };
            lost |= matches!(refusal.fault, Fault::Unknown | Fault::Again);
            if lost && self.look(name).await?.has_begun_since(before) {
                break;
            }
            match refusal.fault {
                Fault::Running | Fault::Again => return Ok(Started::NotReady),
                Fault::Throttled | Fault::Unknown if turn < ORDERS => pause.wait().await,
                _ => return Err(told(refusal.into_error())),
            }
        }
        Ok(Started::Yes)
    }

    /// Waits for the end of the crawl and says what it changed: what is another than in `states`.
    async fn finish(
        &self,
        name: &str,
        database: &str,
        before: &Crawler,
        states: Answer<BTreeMap<String, String>>,
        record: &mut CatalogRecord,
    ) -> Told<()> {
        let mut pause = Pause::new();
        let mut ran = false;
        let after = loop {
            let now = self.look(name).await?;
            ran |= now.has_begun_since(before);
            if now.ready && ran {
                break now;
            }
            pause.wait().await;
        };
        if let Some(failure) = after.failure {
            return Err(format!("its crawl ended with {failure}"));
        }
        CatalogRecord::FINISHED.clone_into(&mut record.outcome);
        let after = match &states {
            Ok(_) => self.glue.states(database).await,
            Err(_) => Ok(BTreeMap::new()),
        };
        match (states, after) {
            (Ok(before), Ok(after)) => {
                record.tables.extend(changed(&before, &after).into_iter().map(|table| format!("{database}.{table}")));
                record.tables.sort();
                record.tables.dedup();
            }
            // The crawl itself went well: only what it changed is not known.
            (Err(refusal), _) | (_, Err(refusal)) => record.reasons.push(told(refusal.into_error())),
        }
        Ok(())
    }
}

/// What lakefold wrote of one table.
#[derive(Debug, Default)]
struct Changed {
    table: bool,
    partitions: u64,
}

/// Whether a crawler took an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Started {
    Yes,
    NotReady,
}

/// Pauses that grow.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(FIRST_LOOK)
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 3 / 2).min(LAST_LOOK);
    }

    /// As [`Pause::wait`], with a last look at the deadline.
    async fn until(&mut self, deadline: Instant) {
        self.0 = self.0.min(deadline.saturating_duration_since(Instant::now()));
        self.wait().await;
        self.0 = self.0.max(FIRST_LOOK);
    }
}

/// What of a debt was paid.
fn payment(of: &Wanted<'_>, crawled: bool, place: &Place) -> Payment {
    let owed = &of.due.owed;
    let crawled = crawled || !of.wants_crawl();
    let rest = match (of.columns_paid, crawled) {
        (true, true) => None,
        (false, true) => Some(Owed { since: owed.since.clone(), retyped: true, ..Owed::default() }),
        (true, false) => Some(Owed { retyped: false, ..owed.clone() }),
        (false, false) => Some(owed.clone()),
    };
    Payment {
        table: fold(&of.due.namespace.collection),
        collection: of.due.namespace.collection.clone(),
        paid: of.due.recorded.clone(),
        told: crawled.then(|| place.group()),
        rest,
    }
}

/// Names of the tables whose state is another one now.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<String> =
        after.iter().filter(|(name, now)| before.get(*name) != Some(now)).map(|(n, _)| n.clone()).collect();
    names.extend(before.keys().filter(|name| !after.contains_key(*name)).cloned());
    names
}

/// How deep the folders of tables are: the bucket is level 1, then the lake's prefix, the database, the collection.
pub(super) fn table_level(lake_url: &str) -> usize {
    let path = lake_url.split_once("://").map_or(lake_url, |(_, path)| path);
    path.split('/').filter(|part| !part.is_empty()).count() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_level_one() {
        assert_eq!(table_level("s3://bucket"), 3);
        assert_eq!(table_level("s3://bucket/lake/prod"), 5);
    }

    #[test]
    fn tables_that_came_changed_or_went_are_changed() {
        let states = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (before, after) =
            (states(&[("a", "1"), ("b", "1"), ("c", "1")]), states(&[("a", "1"), ("b", "2"), ("d", "1")]));
        assert_eq!(changed(&before, &after), ["b", "d", "c"]);
    }
}
