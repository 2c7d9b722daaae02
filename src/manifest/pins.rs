//! `pins.csv`: types of columns that the operator has fixed, put into the rows of their collections.

use super::PinFile;
use super::row::Row;
use super::table::{self, Layout, Record};
use crate::model::collection::{CollectionSpec, FieldPath, Namespace};
use crate::model::names::fold;
use crate::model::pin::{PIN_TYPES, Pin, PinType};
use crate::model::problem::{Problem, Problems};
use crate::model::seen::MAX_DEPTH;
use crate::model::table::ID;

/// Columns of the file, all required.
const LAYOUT: Layout = Layout { columns: &["database", "collection", "path", "type"], required: 4 };

/// A pin that is fine by itself.
struct Read {
    line: u64,
    namespace: Namespace,
    pin: Pin,
    folded: Vec<String>,
}

/// Gives every row its pins, also those of other environments; returns everything that is wrong with the file.
pub(super) fn put(file: &PinFile<'_>, rows: &mut [Row]) -> Vec<Problem> {
    let mut problems = Problems::new(file.file);
    let mut pins: Vec<Read> = Vec::new();
    for record in table::records(file.text, &LAYOUT, &mut problems) {
        let Some(read) = read(&record, rows, &mut problems) else { continue };
        if goes_with(&read, &pins, &mut problems) {
            pins.push(read);
        }
    }
    for row in rows {
        let own = pins.iter().filter(|read| read.namespace == row.spec.namespace);
        row.spec.pins = own.map(|read| read.pin.clone()).collect();
    }
    problems.into_sorted()
}

fn read(record: &Record, rows: &[Row], problems: &mut Problems) -> Option<Read> {
    let path = path(record, problems);
    let kind = kind(record, problems);
    let namespace =
        Namespace { database: record.cell("database")?.to_owned(), collection: record.cell("collection")?.to_owned() };
    if !rows.iter().any(|row| row.spec.namespace == namespace) {
        let names: Vec<String> = rows.iter().map(|row| row.spec.namespace.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        problems
            .add(record.line, "collection", format_args!("`{namespace}` is not in the manifest"))
            .hint_nearest(&namespace.to_string(), &names);
        return None;
    }
    let pin = Pin { path: path?, kind: kind? };
    let folded = folded(&pin.path);
    let mut own = rows.iter().filter(|row| row.spec.namespace == namespace);
    if let Some(role) = own.find_map(|row| role(&folded, &row.spec)) {
        problems
            .add(record.line, "path", format_args!("`{}` is {role} and cannot be pinned", pin.path))
            .hint("take the line out");
        return None;
    }
    Some(Read { line: record.line, namespace, pin, folded })
}

fn path(record: &Record, problems: &mut Problems) -> Option<FieldPath> {
    let text = record.cell("path")?;
    let path = FieldPath::parse(text);
    if path.is_none() {
        problems
            .add(record.line, "path", format_args!("`{text}` is not a path"))
            .hint("join field names by single dots, as in `facility.id`; a path goes through lists by itself");
    }
    let path = path?;
    if path.0.len() > MAX_DEPTH {
        problems
            .add(record.line, "path", format_args!("`{path}` is deeper than {MAX_DEPTH} levels"))
            .hint("pin a document above it to json");
        return None;
    }
    Some(path)
}

fn kind(record: &Record, problems: &mut Problems) -> Option<PinType> {
    let text = record.cell("type")?;
    let kind = PinType::parse(text);
    if kind.is_none() {
        problems.add(record.line, "type", format_args!("unknown type `{text}`")).hint_nearest(text, &PIN_TYPES);
    }
    kind
}

/// What a path is that cannot be pinned: needed for merging or placing, or without a value that could fit a type.
fn role(pin: &[String], spec: &CollectionSpec) -> Option<&'static str> {
    let within = |path: &FieldPath| pin.starts_with(&folded(path));
    if within(&FieldPath(vec![ID.to_owned()])) {
        return Some("the key of the table");
    }
    if spec.timestamp_column.as_ref().is_some_and(within) {
        return Some("the timestamp");
    }
    if spec.partition_by.iter().any(|key| within(&key.path)) {
        return Some("a partition path");
    }
    if spec.exclude.iter().any(within) {
        return Some("excluded");
    }
    spec.hash.iter().any(within).then_some("hashed")
}

/// Whether a pin goes together with those of earlier lines; spellings that fold alike share a column and its pin.
fn goes_with(read: &Read, earlier: &[Read], problems: &mut Problems) -> bool {
    let other = earlier.iter().find(|other| {
        other.namespace == read.namespace
            && (other.folded.starts_with(&read.folded) || read.folded.starts_with(&other.folded))
    });
    let Some(other) = other else { return true };
    let (path, line) = (&read.pin.path, other.line);
    let what = if other.folded == read.folded {
        format!("`{path}` is pinned in line {line} already")
    } else {
        format!("of `{path}` and `{}` in line {line} one lies below the other", other.pin.path)
    };
    problems.add(read.line, "path", what).hint("keep one of them");
    false
}

fn folded(path: &FieldPath) -> Vec<String> {
    path.0.iter().map(|part| fold(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Context, load};

    const MANIFEST: &str = "database,collection,timestamp_column,partition_by,environments,exclude,hash\n\
                            h,bills,meta.at,site=facility.id,,secret,phone\n\
                            h,labs,,,dev,,\n";

    fn read(pins: &str) -> Result<Vec<CollectionSpec>, Vec<String>> {
        let pins = Some(PinFile { file: "pins.csv", text: pins });
        load(MANIFEST, &Context { file: "c.csv", environment: "prod", hash_key: true, pins }).map_err(|problems| {
            problems.iter().map(|p| format!("{p} | {}", p.hint.as_deref().unwrap_or("NO HINT"))).collect()
        })
    }

    #[test]
    fn pins_reach_their_collections() {
        let specs = read(
            "# ages are a mess\ntype,path,collection,database\nbigint,patient.age,bills,h\n\
             \"decimal(38, 10)\",items.price,bills,h\njson,raw,labs,h\n",
        )
        .unwrap();
        let pins: Vec<String> = specs[0].pins.iter().map(ToString::to_string).collect();
        assert_eq!(pins, ["patient.age bigint", "items.price decimal(38,10)"]);
        assert_eq!(specs.len(), 1, "labs belongs to another environment and its pin is fine all the same");
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let found = read(
            "database,collection,path,type\n\
             h,bills,a,bigint\n\
             h,bills,A,string\n\
             h,bills,a.b,string\n\
             h,bills,c..d,strin\n\
             h,bill,x,string\n\
             h,bills,_id,string\n\
             h,bills,meta.at,string\n\
             h,bills,facility.ID,string\n\
             h,bills,secret.x,json\n\
             h,bills,phone,bigint\n\
             h,bills,facility,json\n",
        )
        .unwrap_err();
        assert_eq!(
            found,
            [
                "pins.csv:3: path: `A` is pinned in line 2 already | keep one of them",
                "pins.csv:4: path: of `a.b` and `a` in line 2 one lies below the other | keep one of them",
                "pins.csv:5: path: `c..d` is not a path | join field names by single dots, as in `facility.id`; \
                 a path goes through lists by itself",
                "pins.csv:5: type: unknown type `strin` | did you mean `string`?",
                "pins.csv:6: collection: `h.bill` is not in the manifest | did you mean `h.bills`?",
                "pins.csv:7: path: `_id` is the key of the table and cannot be pinned | take the line out",
                "pins.csv:8: path: `meta.at` is the timestamp and cannot be pinned | take the line out",
                "pins.csv:9: path: `facility.ID` is a partition path and cannot be pinned | take the line out",
                "pins.csv:10: path: `secret.x` is excluded and cannot be pinned | take the line out",
                "pins.csv:11: path: `phone` is hashed and cannot be pinned | take the line out",
            ]
        );
    }

    #[test]
    fn a_header_is_needed() {
        let found = read("").unwrap_err();
        assert_eq!(found, ["pins.csv: has no header | begin it with the line database,collection,path,type"]);
    }
}
