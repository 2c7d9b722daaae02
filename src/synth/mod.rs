//! A believable hospital, made from a seed: something to fold before one points lakefold at one's own data.
//!
//! Every document is a pure function of seed, scale and time ([`entity::Entity`]), so the same seed gives the same bytes
//! on any day of the real calendar, `--advance` knows what changed without keeping a simulation's state, and memory does
//! not grow with the number of documents. It is messy on purpose in the ways hospitals are; each way stands in [`mess`].
//!
//! What happens after [`calendar::HISTORY_DAYS`]: day 60, the first advance, brings the field `bills.e_invoice`; from
//! day 61 `pharmacy_stock.reorder_level` turns from integers into doubles.

mod appointments;
mod billing;
mod calendar;
mod care;
mod catalog;
mod dice;
mod dump;
mod entity;
mod facilities;
mod hospital;
mod labs;
mod mess;
mod mongo;
mod people;
mod pharmacy;
mod state;
#[cfg(test)]
mod tests;

use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::collection::Namespace;
use crate::model::progress::Progress;
use crate::model::secret::Secret;
use calendar::HISTORY_DAYS;
use hospital::{Collection, Hospital};
use serde::Serialize;
use state::State;
use std::path::PathBuf;
use std::sync::Arc;

/// The database of the hospital.
pub const DATABASE: &str = "hospital";
/// The seed unless one is given.
pub const DEFAULT_SEED: u64 = 1;
/// The largest scale: about 20 million documents after 60 days, and 50 MB of stays in memory.
const MAX_SCALE: f64 = 1_000.0;
/// The most days a hospital can have, ten years.
const MAX_DAYS: u32 = 3_650;

/// Where the hospital goes.
#[derive(Debug, Clone)]
pub enum Destination {
    /// A mongodump folder.
    Dump(PathBuf),
    /// A MongoDB, by its connection string.
    MongoDb(Secret),
}

impl Destination {
    /// `mongodb://` and `mongodb+srv://` mean a server, everything else a folder (`dump:` before it is dropped).
    pub fn parse(text: &str) -> Self {
        if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
            Self::MongoDb(Secret::new(text.to_owned()))
        } else {
            Self::Dump(PathBuf::from(text.strip_prefix("dump:").unwrap_or(text)))
        }
    }
}

/// What to make, and where.
#[derive(Debug, Clone)]
pub struct SynthOptions {
    /// Where it goes.
    pub out: Destination,
    /// Chooses the hospital; `None`: the stored one's, or [`DEFAULT_SEED`].
    pub seed: Option<u64>,
    /// Its size, 1 being about 20,000 documents; `None`: the stored one's, or 1.
    pub scale: Option<f64>,
    /// Days to add to the hospital that is already there; 0: make it (again), with its first 60 days.
    pub advance: u32,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SynthReport {
    /// Chooses the hospital.
    pub seed: u64,
    /// Its size.
    pub scale: f64,
    /// Days that were there before.
    pub days_before: u32,
    /// Days that are there now.
    pub days: u32,
    /// The end of the last day, RFC 3339.
    pub until: String,
    /// In the order written.
    pub collections: Vec<CollectionReport>,
}

/// What was written of one collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CollectionReport {
    /// Its name.
    pub collection: &'static str,
    /// Documents written: all of a dump, the new and changed ones of an advanced MongoDB.
    pub documents: u64,
    /// Their size as BSON.
    pub bytes: u64,
}

impl SynthReport {
    fn new(hospital: &Hospital, days_before: u32) -> Self {
        Self {
            seed: hospital.seed,
            scale: hospital.scale,
            days_before,
            days: hospital.days(),
            until: calendar::rfc3339(hospital.now()),
            collections: Vec::with_capacity(Collection::ALL.len()),
        }
    }

    fn add(&mut self, collection: Collection, documents: u64, bytes: u64) {
        self.collections.push(CollectionReport { collection: collection.name(), documents, bytes });
    }

    /// Documents of all collections.
    pub fn documents(&self) -> u64 {
        self.collections.iter().map(|collection| collection.documents).sum()
    }
}

/// Makes or advances the hospital.
///
/// # Errors
/// [`Kind::Input`] for a scale or a number of days out of range, an advance of nothing or of another seed's hospital,
/// and a destination that holds anything synth did not write; [`Kind::Unavailable`] when it cannot be written.
pub async fn synth(options: &SynthOptions, progress: Arc<dyn Progress>) -> Result<SynthReport> {
    match &options.out {
        Destination::MongoDb(uri) => mongo::write(uri, options, progress).await,
        Destination::Dump(out) => {
            let (out, options) = (out.clone(), options.clone());
            tokio::task::spawn_blocking(move || dump::write(&out, &options, progress.as_ref()))
                .await
                .or_error(Kind::Invariant, "write the dump")?
        }
    }
}

/// The hospital to write, as it was stored (with `days` = 0 when all of it is to be made), and the days it is to have.
fn start_state(stored: Option<&State>, options: &SynthOptions) -> Result<(State, u32)> {
    let scale = options.scale.or(stored.map(|state| state.scale)).unwrap_or(1.0);
    if !(scale > 0.0 && scale <= MAX_SCALE) {
        return Err(Error::new(Kind::Input, format!("--scale {scale} is not above 0 and up to {MAX_SCALE}")));
    }
    let seed = options.seed.or(stored.map(|state| state.seed)).unwrap_or(DEFAULT_SEED);
    if options.advance == 0 {
        return Ok((State::new(seed, scale), HISTORY_DAYS));
    }
    let Some(stored) = stored else {
        return Err(Error::new(Kind::Input, "there is no synthetic hospital to advance")
            .hint("run synth without --advance first"));
    };
    if (stored.seed, stored.scale) != (seed, scale) {
        let message = format!("the hospital there has --seed {} --scale {}", stored.seed, stored.scale);
        return Err(Error::new(Kind::Input, message).hint("leave out --seed and --scale to advance it"));
    }
    // An unfinished first generation is finished on the way.
    let base = if stored.days == 0 { HISTORY_DAYS } else { stored.days };
    let days = base.saturating_add(options.advance);
    if days > MAX_DAYS {
        return Err(Error::new(Kind::Input, format!("a hospital has at most {MAX_DAYS} days, not {days}")));
    }
    Ok((stored.clone(), days))
}

fn namespace(collection: Collection) -> Namespace {
    Namespace { database: DATABASE.into(), collection: collection.name().into() }
}

/// The name of the index on the modified time, which incremental reads use.
const INDEX: &str = "updated_at_1";

/// What mongodump writes beside a collection's documents.
fn metadata(collection: Collection) -> serde_json::Value {
    serde_json::json!({
        "options": {},
        "indexes": [
            { "v": { "$numberInt": "2" }, "key": { "_id": { "$numberInt": "1" } }, "name": "_id_" },
            { "v": { "$numberInt": "2" }, "key": { "updated_at": { "$numberInt": "1" } }, "name": INDEX },
        ],
        "collectionName": collection.name(),
        "type": "collection",
    })
}
