//! The grammar of `partition_by`: `date=day(created_at)/id1=facility.id`.

use crate::model::collection::{FieldPath, PartitionKey, PartitionUnit};
use crate::model::names::RENAMED;
use crate::model::problem::Problems;

const COLUMN: &str = "partition_by";

/// The functions by name.
const FUNCTIONS: [(&str, PartitionUnit); 4] = [
    ("year", PartitionUnit::Year),
    ("month", PartitionUnit::Month),
    ("day", PartitionUnit::Day),
    ("hour", PartitionUnit::Hour),
];

/// The keys of a `partition_by` that was accepted before.
pub fn keys(text: &str) -> Vec<PartitionKey> {
    parse(text, 0, &mut Problems::new("partition_by"))
}

/// The keys in folder order; each that is wrong becomes a problem at `line` and is left out.
pub(super) fn parse(text: &str, line: u64, problems: &mut Problems) -> Vec<PartitionKey> {
    let mut keys: Vec<PartitionKey> = Vec::new();
    if text.is_empty() {
        return keys;
    }
    for part in text.split('/').map(str::trim) {
        let Some(key) = parse_key(part, line, problems) else {
            continue;
        };
        if keys.iter().any(|other| other.name == key.name) {
            problems
                .add(line, COLUMN, format_args!("two keys are named `{}`", key.name))
                .hint("give each folder level its own name");
        } else if let Some(other) = keys.iter().find(|other| other.unit == key.unit && other.path == key.path) {
            problems
                .add(line, COLUMN, format_args!("keys `{}` and `{}` are cut from the same value", other.name, key.name))
                .hint("drop one of them");
        } else if let Some((plain, field)) = keys.iter().find_map(|other| taken(other, &key)) {
            problems
                .add(
                    line,
                    COLUMN,
                    format_args!(
                        "key `{field}` has the name of the column that a field `{plain}` gets beside key `{plain}`"
                    ),
                )
                .hint(format_args!("give the folder level of `{field}` another name"));
        }
        keys.push(key);
    }
    keys
}

/// Of two keys the one whose name a field would have, and the one that is called as that field's column then is.
fn taken<'k>(one: &'k PartitionKey, other: &'k PartitionKey) -> Option<(&'k str, &'k str)> {
    [(one, other), (other, one)]
        .into_iter()
        .find(|(plain, field)| field.name.strip_suffix(RENAMED) == Some(plain.name.as_str()))
        .map(|(plain, field)| (plain.name.as_str(), field.name.as_str()))
}

fn parse_key(part: &str, line: u64, problems: &mut Problems) -> Option<PartitionKey> {
    let Some((name, expression)) = part.split_once('=').map(|(name, rest)| (name.trim(), rest.trim())) else {
        let problem = problems.add(line, COLUMN, format_args!("`{part}` is not `name=expression`"));
        problem.hint(match part {
            "" => "separate keys by one `/`, without one at either end",
            _ => "name the folder level, as in `date=day(created_at)` or `site=facility.id`",
        });
        return None;
    };
    let name_is_good = is_key_name(name);
    if !name_is_good {
        problems
            .add(line, COLUMN, format_args!("`{name}` cannot name a partition key"))
            .hint("begin with a lower-case letter, go on with lower-case letters, digits and `_`");
    }
    let (unit, path) = parse_expression(expression, line, problems)?;
    name_is_good.then(|| PartitionKey { name: name.to_owned(), unit, path })
}

/// `[a-z][a-z0-9_]*`
fn is_key_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `year|month|day|hour(path)` or a path.
fn parse_expression(text: &str, line: u64, problems: &mut Problems) -> Option<(PartitionUnit, FieldPath)> {
    let (unit, path) = match text.split_once('(') {
        None => (PartitionUnit::Value, text),
        Some((function, rest)) => {
            let function = function.trim();
            let Some((_, unit)) = FUNCTIONS.into_iter().find(|(name, _)| *name == function) else {
                let names = FUNCTIONS.map(|(name, _)| name);
                problems
                    .add(line, COLUMN, format_args!("unknown function `{function}`"))
                    .hint_nearest(function, &names);
                return None;
            };
            let Some(path) = rest.strip_suffix(')') else {
                problems
                    .add(line, COLUMN, format_args!("`{text}` lacks its closing bracket"))
                    .hint(format_args!("write `{function}(path)`"));
                return None;
            };
            (unit, path.trim())
        }
    };
    let parsed = FieldPath::parse(path).filter(|_| !path.contains(['(', ')', '=', ',']));
    if parsed.is_none() {
        problems
            .add(line, COLUMN, format_args!("`{path}` is not a path"))
            .hint("join field names by single dots, as in `facility.id`");
    }
    Some((unit, parsed?))
}
