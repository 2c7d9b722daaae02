//! Which field of a collection is its time of last modification, and which it is best cut by; pure.
//!
//! Names decide first, because the values cannot: a creation time looks like a modification time until the first
//! change. A field with another name is only taken when no date of a document is ever later and the server indexes it.

use crate::notify::words::{bytes, several};
use crate::run::fields::{Field, Fields};

/// 1990: numbers that stand for earlier times are counts.
const PLAUSIBLE_MS: i64 = 631_152_000_000;

const DAY_MS: i64 = 86_400_000;

/// Least bytes of BSON that a partition should have on average: smaller files cost readers more than they save.
const PARTITION_BYTES: u64 = 64 << 10;

/// Parts of names of fields that are set whenever a document changes.
const MODIFIED: [&str; 8] = ["updat", "modif", "chang", "edited", "touched", "mtime", "lastsave", "lastwrit"];

/// Parts of names of fields that are set once, when the document or what it tells of begins.
const CREATED: [&str; 5] = ["creat", "insert", "regist", "added", "ctime"];

/// Parts of names of times that lie outside the life of the document, or come late in it.
const ELSEWHERE: [&str; 11] =
    ["birth", "dob", "expir", "valid", "due", "end", "clos", "discharg", "delet", "complet", "paid"];

/// Parts of names of places and owners, by which tables are often cut besides.
const OWNERS: [&str; 10] =
    ["facility", "site", "tenant", "region", "branch", "country", "store", "org", "account", "hospital"];

/// A field that may be the time of last modification.
#[derive(Debug, Clone, PartialEq)]
pub struct Modified {
    /// Dotted path.
    pub path: String,
    /// Whether the server has an index that serves; none: unknown, as in dumps.
    pub indexed: Option<bool>,
    named: bool,
    score: u64,
}

/// The fields that may be the time of last modification, the likeliest first.
pub fn modified(fields: &Fields) -> Vec<Modified> {
    let mut found: Vec<Modified> = fields.shared().filter_map(|(path, field)| candidate(fields, path, field)).collect();
    found.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.path.cmp(&b.path)));
    found.truncate(8);
    found
}

fn candidate(fields: &Fields, path: &str, field: &Field) -> Option<Modified> {
    let name = last(path);
    let named = holds(&name, &MODIFIED);
    let other = holds(&name, &CREATED) || holds(&name, &ELSEWHERE);
    // A date that is never the earlier one, in nearly all documents.
    let newest = field.latest * 20 >= fields.documents * 19 && !other && path != "_id";
    if !is_time(fields, field, 9) || !(named || newest) || !nameable(path) {
        return None;
    }
    let share = |part: u64, worth: u64| worth * part / fields.documents.max(1);
    let top = if path.contains('.') { 0 } else { 10 };
    let score = if named { 100 } else { 0 } + share(field.dates, 20) + share(field.latest, 30) + top;
    Some(Modified { path: path.to_owned(), indexed: None, named, score })
}

/// The one to propose, once it is known which of them are indexed.
pub fn best(candidates: Vec<Modified>) -> Option<Modified> {
    let fit = candidates.into_iter().filter(|c| c.named || c.indexed == Some(true));
    fit.map(|c| (c.score + if c.indexed == Some(true) { 40 } else { 0 }, c))
        .reduce(|a, b| if b.0 > a.0 { b } else { a })
        .map(|(_, c)| c)
}

/// How a table is best cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// `partition_by`, empty: one file.
    pub text: String,
    /// Why.
    pub why: String,
    /// Other ways, for the operator to choose.
    pub others: Vec<String>,
}

/// The field whose days, months or years make partitions of a good size, of a collection of `size` bytes.
///
/// `None`: no field tells when a document began.
pub fn partition(fields: &Fields, modified: &str, size: u64) -> Option<Partition> {
    let mut dates: Vec<(u64, &str, &Field)> = fields
        .shared()
        .filter(|(path, field)| *path != modified && *path != "_id" && nameable(path) && is_time(fields, field, 19))
        .filter_map(|(path, field)| Some((began(path, field)?, path, field)))
        .collect();
    dates.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let (_, path, field) = *dates.first()?;
    let days = (field.last_ms? - field.first_ms?) / DAY_MS + 1;
    let Some((key, unit, each)) = unit(size, u64::try_from(days).ok()?) else {
        let why = format!("one file: {} are too little to be cut (by {path}, over {})", bytes(size), over(days));
        return Some(Partition { text: String::new(), why, others: Vec::new() });
    };
    let mut others: Vec<String> =
        dates.iter().skip(1).take(2).map(|(_, other, _)| format!("{key}={unit}({other})")).collect();
    let owners = fields.shared().filter(|(path, field)| is_owner(fields, path, field)).take(2);
    others.extend(owners.map(|(path, field)| {
        format!("a further level {}={path} ({} values seen)", key_name(path), field.distinct().unwrap_or_default())
    }));
    let why = format!("{path}: a time that is set once, over {}; about {} a {unit}", over(days), bytes(each));
    Some(Partition { text: format!("{key}={unit}({path})"), why, others })
}

fn over(days: i64) -> String {
    several(days.unsigned_abs(), "day")
}

/// The finest unit whose partitions are large enough: the key's name, the function, and bytes of one on average.
fn unit(size: u64, days: u64) -> Option<(&'static str, &'static str, u64)> {
    let units = [("date", "day", 1), ("month", "month", 30), ("year", "year", 365)];
    units
        .into_iter()
        .map(|(key, unit, length)| (key, unit, size / days.div_ceil(length).max(1)))
        .find(|(_, unit, each)| *each >= PARTITION_BYTES && !(*unit == "year" && days <= 365))
}

/// How likely a field tells when the document, or what it is about, began; none: not at all.
fn began(path: &str, field: &Field) -> Option<u64> {
    let name = last(path);
    if holds(&name, &MODIFIED) || holds(&name, &ELSEWHERE) {
        return None;
    }
    let created = holds(&name, &CREATED);
    let dated = ["date", "time", "at", "on", "day"].iter().any(|end| name.ends_with(end));
    let is_date = field.dates * 2 >= field.present;
    // What is neither a BSON date nor called like one is a number or a text by accident.
    (created || dated || is_date).then(|| {
        u64::from(created) * 50 + u64::from(is_date) * 20 + u64::from(dated) * 10 + u64::from(!path.contains('.')) * 5
    })
}

/// Whether nine of ten (`least` 9) or nineteen of twenty (`least` 19) documents have a believable time there.
fn is_time(fields: &Fields, field: &Field, least: u64) -> bool {
    field.timed * (least + 1) >= fields.documents * least
        && !field.in_array
        && field.first_ms.is_some_and(|first| first >= PLAUSIBLE_MS)
}

/// A place or an owner with few values.
fn is_owner(fields: &Fields, path: &str, field: &Field) -> bool {
    let few = field.distinct().is_some_and(|values| (2..=50).contains(&values));
    few && field.scalars == fields.documents
        && !field.in_array
        && nameable(path)
        && OWNERS.iter().any(|owner| path.to_lowercase().contains(owner))
        && (last(path).ends_with("id") || last(path).ends_with("code"))
}

/// Whether the path can stand in the manifest without further ado.
fn nameable(path: &str) -> bool {
    !path.contains(['(', ')', '=', ',', '/', ';', '"', '#']) && path.trim() == path && !path.contains(char::is_control)
}

/// `facility.id` → `facility_id`
fn key_name(path: &str) -> String {
    let name = crate::model::names::fold(path);
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    if name.is_empty() { "key".to_owned() } else { name.to_owned() }
}

/// The letters and digits of the last part of the path, in lower case: `meta.updatedAt` and `updated_at` are alike.
fn last(path: &str) -> String {
    let part = path.rsplit('.').next().unwrap_or(path);
    part.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn holds(name: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::RawBatch;
    use bson::{DateTime, RawDocumentBuf, rawdoc};
    use bytes::Bytes;

    const MAY: i64 = 1_714_521_600_000;

    fn day(n: i64) -> DateTime {
        DateTime::from_millis(MAY + n * DAY_MS)
    }

    fn fields(document: impl Fn(i64) -> RawDocumentBuf) -> Fields {
        let documents = (0..100).map(|n| Bytes::from(document(n).into_bytes())).collect();
        Fields::of(&RawBatch { documents }, chrono_tz::UTC)
    }

    fn chosen(fields: &Fields, indexed: &[&str]) -> Option<String> {
        let mut candidates = modified(fields);
        candidates.iter_mut().for_each(|c| c.indexed = Some(indexed.contains(&c.path.as_str())));
        best(candidates).map(|c| c.path)
    }

    #[test]
    fn the_modified_field_is_known_by_its_name() {
        let found = fields(|n| {
            rawdoc! { "_id": n, "created_at": day(n), "updatedAt": day(n + 1), "update_count": n, "dob": day(-9_000) }
        });
        assert_eq!(chosen(&found, &[]).as_deref(), Some("updatedAt"));
        let numbers = fields(|n| rawdoc! { "_id": n, "meta": { "mtime": MAY + n } });
        assert_eq!(chosen(&numbers, &[]).as_deref(), Some("meta.mtime"));
    }

    #[test]
    fn a_field_of_another_name_has_to_be_indexed_and_always_the_latest() {
        let found = fields(|n| rawdoc! { "_id": n, "begun": day(n), "stamp": day(n + 1) });
        assert_eq!(chosen(&found, &[]), None);
        assert_eq!(chosen(&found, &["stamp"]).as_deref(), Some("stamp"));
        assert_eq!(chosen(&found, &["begun"]), None, "stamp is later");
        let created = fields(|n| rawdoc! { "_id": n, "created_at": day(n) });
        assert_eq!(chosen(&created, &["created_at"]), None, "it never changes again");
    }

    #[test]
    fn partitions_are_cut_so_that_files_are_not_tiny() {
        let found = fields(|n| {
            rawdoc! { "_id": n, "created_at": day(n), "paid_at": day(n), "updated_at": day(n),
            "facility": { "id": format!("F{}", n % 3) } }
        });
        let cut = |size| partition(&found, "updated_at", size).unwrap();
        assert_eq!(cut(100 << 20).text, "date=day(created_at)");
        assert_eq!(cut(100 << 20).others, ["a further level facility_id=facility.id (3 values seen)"]);
        assert_eq!(cut(1 << 20).text, "month=month(created_at)");
        assert_eq!(cut(1 << 10).text, "");
        assert_eq!(partition(&fields(|n| rawdoc! { "_id": n, "amount": n }), "", 1 << 30), None);
    }
}
