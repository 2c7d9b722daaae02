//! `init`: looks at a source and proposes a manifest for it. Needs no lake and changes nothing.

mod choose;

use super::clock;
use super::fields::Fields;
use crate::error::{Error, Kind, Result};
use crate::extract::{self, Described, Listed, ListedKind, Survey};
use crate::manifest;
use crate::model::collection::FieldPath;
use crate::model::proposal::ProposedRow;
use crate::model::settings::SourceSettings;
use crate::notify::words::{bytes, several};
use choose::{Modified, Partition};
use chrono_tz::Tz;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::HashMap;

/// Documents looked at of each collection.
const SAMPLE: usize = 300;

/// Collections looked at at once.
const COLLECTIONS_AT_ONCE: usize = 4;

/// A row for each collection of the source, in the order of their names.
///
/// # Errors
/// The source cannot be reached, or shows no collection to this user.
pub async fn init(source: &SourceSettings, timezone: Tz) -> Result<Vec<ProposedRow>> {
    let survey = extract::open_survey(source, &clock::run_id(clock::now()))?;
    survey.bound().await?;
    let listed = survey.collections().await?;
    if listed.is_empty() {
        return Err(Error::new(Kind::Source, "the source shows no collection to this user")
            .hint("look at the database in [source] uri, and grant the user the role read on what is to be folded"));
    }
    let rows = stream::iter(&listed).map(|listed| propose(survey.as_ref(), listed, timezone));
    let mut rows: Vec<ProposedRow> = rows.buffered(COLLECTIONS_AT_ONCE).try_collect().await?;
    leave_out(&mut rows);
    Ok(rows)
}

async fn propose(survey: &dyn Survey, listed: &Listed, timezone: Tz) -> Result<ProposedRow> {
    let namespace = &listed.namespace;
    let mut row = ProposedRow {
        namespace: namespace.clone(),
        remarks: Vec::new(),
        timestamp_column: String::new(),
        partition_by: String::new(),
        left_out: None,
    };
    if listed.kind == ListedKind::TimeSeries {
        row.left_out = Some("a time-series collection, which lakefold does not read".to_owned());
        return Ok(row);
    }
    let looked = async {
        let described = survey.describe(namespace, None).await?;
        let sample = survey.sample(namespace, &[], SAMPLE).await?;
        Ok::<_, Error>((described, sample))
    };
    let (described, sample) = match looked.await {
        Ok(looked) => looked,
        // One collection that cannot be read leaves the proposal for the others as it is.
        Err(error) if error.kind() == Kind::Source => {
            row.left_out = Some(error.to_string());
            return Ok(row);
        }
        Err(error) => return Err(error),
    };
    if listed.kind == ListedKind::View {
        row.left_out = Some("a view; take the # off to fold it too".to_owned());
    }
    let fields = Fields::of(&sample, timezone);
    let size = size(&described, &sample);
    row.remarks.push(sized(&described));
    if fields.documents == 0 {
        row.remarks.push("empty: nothing to tell its fields from".to_owned());
        return Ok(row);
    }
    modified(survey, &fields, &mut row).await?;
    partition(&fields, size, &mut row);
    Ok(row)
}

/// Bytes of the whole collection, by its counters or by the size of the sample's documents.
fn size(described: &Described, sample: &crate::model::batch::RawBatch) -> Option<u64> {
    let average = || sample.bytes() as u64 / (sample.documents.len() as u64).max(1);
    described.bytes.or_else(|| Some(described.documents?.saturating_mul(average())))
}

fn sized(described: &Described) -> String {
    match (described.documents, described.bytes) {
        (Some(documents), Some(amount)) => format!("{}, {}", several(documents, "document"), bytes(amount)),
        (Some(documents), None) => several(documents, "document"),
        (None, Some(amount)) => bytes(amount),
        (None, None) => "of unknown size".to_owned(),
    }
}

async fn modified(survey: &dyn Survey, fields: &Fields, row: &mut ProposedRow) -> Result<()> {
    let mut candidates = choose::modified(fields);
    for candidate in &mut candidates {
        let Some(path) = FieldPath::parse(&candidate.path) else { continue };
        candidate.indexed = survey.describe(&row.namespace, Some(&path)).await?.timestamp_indexed;
    }
    let Some(Modified { path, indexed, .. }) = choose::best(candidates) else {
        row.remarks.push("no field looks like a time of last modification: every run reads all of it".to_owned());
        return Ok(());
    };
    let seen = FieldPath::parse(&path).map(|path| fields.at(&path)).unwrap_or_default();
    let share = match fields.documents - seen.timed {
        0 if fields.documents == 1 => "the one document sampled".to_owned(),
        0 => format!("all {} documents sampled", fields.documents),
        _ => format!("{} of {} documents sampled", seen.timed, fields.documents),
    };
    let index = match indexed {
        Some(true) => ", indexed",
        Some(false) => ", not indexed",
        None => "",
    };
    row.remarks.push(format!("{path}: a time in {share}{index}"));
    if indexed == Some(false)
        && let Some(path) = FieldPath::parse(&path)
    {
        row.remarks.push("  without an index every run reads the whole collection on the server; make one:".to_owned());
        row.remarks.push(format!("  {}", row.namespace.create_index(&path)));
    }
    row.timestamp_column = path;
    Ok(())
}

fn partition(fields: &Fields, size: Option<u64>, row: &mut ProposedRow) {
    let Some(size) = size else { return };
    let Some(Partition { text, why, others }) = choose::partition(fields, &row.timestamp_column, size) else { return };
    row.partition_by = text;
    row.remarks.push(why);
    if !others.is_empty() {
        row.remarks.push(format!("also possible: {}", others.join(", ")));
    }
}

/// Takes out the rows with which the manifest would not be accepted, so that it runs as it is.
fn leave_out(rows: &mut [ProposedRow]) {
    let mut folders: HashMap<String, String> = HashMap::new();
    for row in rows.iter_mut().filter(|row| row.left_out.is_none()) {
        let alone = manifest::proposed(std::slice::from_ref(row));
        let context = manifest::Context { file: "proposal", environment: "", hash_key: false, pins: None };
        if let Err(problems) = manifest::load(&alone, &context) {
            row.left_out = Some(problems.into_iter().next().map_or_else(String::new, |problem| problem.message));
            continue;
        }
        match folders.entry(row.namespace.folder()) {
            std::collections::hash_map::Entry::Occupied(other) => {
                row.left_out = Some(format!("its table would be that of {}", other.get()));
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(row.namespace.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::collection::Namespace;

    fn row(database: &str, collection: &str) -> ProposedRow {
        ProposedRow {
            namespace: Namespace { database: database.into(), collection: collection.into() },
            remarks: Vec::new(),
            timestamp_column: "updated_at".into(),
            partition_by: String::new(),
            left_out: None,
        }
    }

    #[test]
    fn what_the_manifest_would_refuse_is_left_out() {
        let mut rows = [row("h", "Bills"), row("h", "bills"), row("_lakefold", "x"), row("h", "visits")];
        leave_out(&mut rows);
        let out: Vec<Option<&str>> = rows.iter().map(|row| row.left_out.as_deref()).collect();
        assert_eq!((out[0], out[1], out[3]), (None, Some("its table would be that of h.Bills"), None));
        assert!(out[2].unwrap().contains("_lakefold"), "{out:?}");
        let context = manifest::Context { file: "m", environment: "any", hash_key: false, pins: None };
        assert_eq!(manifest::load(&manifest::proposed(&rows), &context).unwrap().len(), 2);
    }
}
