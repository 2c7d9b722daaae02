//! One row: every cell checked by itself and against the others of its row.

use super::table::{Layout, Record};
use super::{Context, partition};
use crate::model::collection::{CollectionSpec, FieldPath, Mode, Namespace};
use crate::model::names::fold;
use crate::model::problem::Problems;
use std::time::Duration;

/// Columns of the manifest.
pub(super) const LAYOUT: Layout = Layout {
    columns: &[
        "database",
        "collection",
        "timestamp_column",
        "partition_by",
        "environments",
        "exclude",
        "hash",
        "mode",
        "max_lag",
    ],
    required: 2,
};

/// The lake's own folder, which no database may fold to.
const OWN_FOLDER: &str = "_lakefold";

/// A checked row and the environments it belongs to.
pub(super) struct Row {
    pub spec: CollectionSpec,
    /// Empty: all.
    pub environments: Vec<String>,
}

impl Row {
    /// Whether the row is for `environment`.
    pub fn belongs_to(&self, environment: &str) -> bool {
        self.environments.is_empty() || self.environments.iter().any(|name| name == environment)
    }

    /// Whether some environment would read both rows.
    pub fn meets(&self, other: &Row) -> bool {
        self.environments.is_empty()
            || other.environments.is_empty()
            || self.environments.iter().any(|name| other.environments.contains(name))
    }
}

/// Checks one record. `None` only when it does not even name a collection; other problems are noted and the row goes
/// on, so that rules across rows see it too.
pub(super) fn read(record: &Record, context: &Context<'_>, problems: &mut Problems) -> Option<Row> {
    let database = name(record, "database", problems);
    let collection = name(record, "collection", problems);
    let timestamp_column = timestamp(record, problems);
    let partition_text = record.cell("partition_by").unwrap_or_default();
    let partition_by = partition::parse(partition_text, record.line, problems);
    let environments = list(record, "environments", problems);
    let exclude = paths(record, "exclude", problems);
    for path in &exclude {
        refuse_operators(record.line, "exclude", path, problems);
    }
    let hash = paths(record, "hash", problems);
    let mode = mode(record, problems);
    let max_lag = max_lag(record, problems);

    let row = Row {
        spec: CollectionSpec {
            namespace: Namespace { database: database?, collection: collection? },
            timestamp_column,
            partition_by,
            partition_text: partition_text.to_owned(),
            exclude,
            hash,
            pins: Vec::new(),
            mode,
            max_lag,
            line: record.line,
        },
        environments,
    };
    keep_what_is_needed(&row.spec, problems);
    if !row.spec.hash.is_empty() && !context.hash_key && row.belongs_to(context.environment) {
        problems
            .add(record.line, "hash", "hashing needs a key, and the environment has none")
            .hint("set `hash_key = \"${LAKEFOLD_HASH_KEY}\"` in `[privacy]` of the environment file");
    }
    Some(row)
}

/// `database` or `collection`: required, and a name MongoDB can have.
fn name(record: &Record, column: &str, problems: &mut Problems) -> Option<String> {
    let name = record.cell(column)?;
    let is_database = column == "database";
    if name.is_empty() {
        problems.add(record.line, column, "is empty").hint(format_args!("name the {column} as MongoDB spells it"));
        return None;
    }
    let forbidden: &[char] = if is_database { &['/', '\\', '.', ' ', '"', '$', '\0'] } else { &['$', '\0'] };
    if let Some(bad) = name.chars().find(|c| forbidden.contains(c)) {
        problems
            .add(record.line, column, format_args!("`{name}` cannot be the name of a {column}: it holds {bad:?}"))
            .hint("MongoDB refuses such names; spell it as `show dbs` and `show collections` do");
        return None;
    }
    if is_database && fold(name) == OWN_FOLDER {
        problems
            .add(record.line, column, format_args!("`{name}` folds to `{OWN_FOLDER}`, where the lake keeps its state"))
            .hint("such a database cannot be folded into a lake");
        return None;
    }
    Some(name.to_owned())
}

fn timestamp(record: &Record, problems: &mut Problems) -> Option<FieldPath> {
    let text = record.cell("timestamp_column").filter(|text| !text.is_empty())?;
    let path = FieldPath::parse(text);
    match &path {
        Some(path) => refuse_operators(record.line, "timestamp_column", path, problems),
        None => bad_path(record.line, "timestamp_column", text, problems),
    }
    path
}

/// The entries of a `;`-separated cell.
fn list(record: &Record, column: &str, problems: &mut Problems) -> Vec<String> {
    let text = record.cell(column).unwrap_or_default();
    if text.is_empty() {
        return Vec::new();
    }
    let (empty, entries): (Vec<&str>, Vec<&str>) = text.split(';').map(str::trim).partition(|entry| entry.is_empty());
    if !empty.is_empty() {
        problems
            .add(record.line, column, format_args!("`{text}` has an empty entry"))
            .hint("separate entries by one `;`, without one at the end");
    }
    entries.into_iter().map(str::to_owned).collect()
}

fn paths(record: &Record, column: &str, problems: &mut Problems) -> Vec<FieldPath> {
    let entries = list(record, column, problems);
    let mut paths = Vec::with_capacity(entries.len());
    for entry in entries {
        match FieldPath::parse(&entry) {
            Some(path) => paths.push(path),
            None => bad_path(record.line, column, &entry, problems),
        }
    }
    paths
}

fn bad_path(line: u64, column: &str, text: &str, problems: &mut Problems) {
    problems
        .add(line, column, format_args!("`{text}` is not a path"))
        .hint("join field names by single dots, as in `facility.id`");
}

/// Paths that become part of a query: a name with `$` in front would be an operator there, not a field.
fn refuse_operators(line: u64, column: &str, path: &FieldPath, problems: &mut Problems) {
    if path.0.iter().any(|part| part.starts_with('$') || part.contains('\0')) {
        problems
            .add(line, column, format_args!("`{path}` has a name that MongoDB takes for an operator"))
            .hint("such a field can be read, but neither be asked for nor left out");
    }
}

fn mode(record: &Record, problems: &mut Problems) -> Mode {
    match record.cell("mode").unwrap_or_default() {
        "" | "incremental" => Mode::Incremental,
        "full" => Mode::Full,
        other => {
            problems
                .add(record.line, "mode", format_args!("unknown mode `{other}`"))
                .hint_nearest(other, &["incremental", "full"]);
            Mode::Incremental
        }
    }
}

/// How far the collection may be behind: `90m`, `2h`, `1d`.
fn max_lag(record: &Record, problems: &mut Problems) -> Option<Duration> {
    let text = record.cell("max_lag").filter(|text| !text.is_empty())?;
    let length = humantime::parse_duration(text).ok().filter(|length| !length.is_zero());
    if length.is_none() {
        problems
            .add(record.line, "max_lag", format_args!("`{text}` is no length of time"))
            .hint("write a number and a unit: `90m`, `2h`, `1d`");
    }
    length
}

/// What merging and placing need must neither be left out nor be replaced: `_id`, the timestamp, partition paths.
///
/// A path above one of them takes it along, and one below leaves half of it, so both are refused as well.
fn keep_what_is_needed(spec: &CollectionSpec, problems: &mut Problems) {
    let id = FieldPath(vec!["_id".to_owned()]);
    let needed = [("the key of the table", &id)]
        .into_iter()
        .chain(spec.timestamp_column.iter().map(|path| ("the timestamp", path)))
        .chain(spec.partition_by.iter().map(|key| ("a partition path", &key.path)));
    for (role, needed) in needed {
        for (column, paths, verb) in [("exclude", &spec.exclude, "left out"), ("hash", &spec.hash, "hashed")] {
            for path in paths.iter().filter(|path| path.covers(needed) || needed.covers(path)) {
                let what = if path == needed {
                    format!("`{path}` is {role}")
                } else if path.covers(needed) {
                    format!("`{path}` holds {role}, `{needed}`,")
                } else {
                    format!("`{path}` is part of {role}, `{needed}`,")
                };
                problems
                    .add(spec.line, column, format_args!("{what} and cannot be {verb}"))
                    .hint(format_args!("take `{path}` out of `{column}`"));
            }
        }
    }
}
