//! The torture lakes: everything the design's types have to stand, folded by several runs.

use crate::fuzz::{Corpus, Element, Value, parse, write};
use crate::support::lakefold::{Environment, Workplace};
use bson::{Bson, DateTime, Document, doc};

/// Tables of the lakes, in the database `t`.
pub const TABLES: [&str; 4] = ["kinds", "guarded", "ids", "odd"];

const DAY: i64 = 86_400_000;
const START: i64 = 1_714_521_600_000;

/// Times as instants.
pub fn instants() -> Workplace {
    folded("utc")
}

/// Times as wall clocks of a zone that repeats an hour.
pub fn wall_clocks() -> Workplace {
    folded("local")
}

fn folded(timestamps: &str) -> Workplace {
    let environment = Environment { timezone: "Europe/Berlin", timestamps, ..Environment::of("dump:source") };
    let rows = "t,kinds,at,day=day(at)/site=site\nt,guarded,at,\nt,ids,at,\nt,odd,at,case=Case";
    let place = Workplace::with(&environment, &format!("database,collection,timestamp_column,partition_by\n{rows}\n"));
    // The first run brings narrow columns, the others change their types under files that stay.
    for run in 0..3 {
        for (table, documents) in
            [("kinds", kinds(run)), ("guarded", guarded(run)), ("ids", ids(run)), ("odd", odd(run))]
        {
            place.write(&format!("source/t/{table}.bson"), documents.concat());
        }
        place.run(&["--strict"], 0);
    }
    place
}

/// The fields of `document` with an id, a time and, unless it is nowhere, a site in front.
fn placed(id: i32, at: i64, site: Option<&str>, fields: Vec<Element>) -> Vec<u8> {
    let mut front = doc! { "_id": id, "at": DateTime::from_millis(at) };
    front.extend(site.map(|site| ("site".to_owned(), Bson::from(site))));
    let front = parse(&front.to_vec().expect("BSON"));
    write(&[front, fields].concat())
}

fn fields(document: Document) -> Vec<Element> {
    parse(&document.to_vec().expect("BSON"))
}

/// A field of every BSON kind, named by it.
fn every_kind() -> Vec<Element> {
    let corpus = Corpus::load();
    let (_, case) = corpus.cases().find(|(name, _)| *name == "all_kinds").expect("all kinds");
    parse(&case[0]).into_iter().filter(|element| element.key != b"_id").collect()
}

fn kinds(run: i32) -> Vec<Vec<u8>> {
    let every = every_kind();
    match run {
        0 => vec![
            placed(
                1,
                START,
                Some("A/ß"),
                fields(doc! { "n": 5, "tags": ["x", Bson::Null], "v": { "x": 1 }, "late": 1 }),
            ),
            placed(2, START + DAY, Some("B"), fields(doc! { "n": i64::MAX, "empty": [], "void": {} })),
            placed(3, START + DAY, None, fields(doc! { "n": 7_i64 })),
        ],
        1 => vec![
            placed(4, START + DAY, Some("B"), every),
            placed(
                5,
                START + 2 * DAY,
                Some("C C"),
                fields(doc! {
                    "n": 0.5, "tags": [{ "A": "y", "deep": [[1, Bson::Null], Bson::Null, [2.5]] }, "bare", Bson::Null],
                    "v": { "x": 1, "Y z": "q" }, "inf": f64::INFINITY, "nan": f64::NAN, "zero": -0.0,
                    "first": DateTime::from_millis(-62_135_596_800_000 + 2 * DAY),
                    "julian": DateTime::from_millis(-12_219_292_800_000 - DAY),
                    "last": DateTime::from_millis(253_402_300_799_999 - DAY),
                    "repeated": DateTime::from_millis(1_729_989_000_000),
                }),
            ),
        ],
        // Every kind again at the same paths, each beside text: all columns change their type.
        _ => vec![
            placed(
                6,
                START + 2 * DAY,
                Some("C C"),
                every
                    .iter()
                    .map(|element| Element {
                        tag: 0x02,
                        key: element.key.clone(),
                        value: Value::Bytes(b"\x05\0\0\0text\0".to_vec()),
                    })
                    .collect(),
            ),
            placed(7, START + 3 * DAY, Some("."), fields(doc! { "n": "seven", "late": [{ "a": 1 }], "inf": 1 })),
        ],
    }
}

fn guarded(run: i32) -> Vec<Vec<u8>> {
    let keyed =
        |keys: i32, value: fn(i32) -> Bson| (0..keys).map(|key| (format!("K {key}"), value(key))).collect::<Document>();
    let deep = (0..60).fold(doc! { "end": [1, "x"] }, |below, _| doc! { "d": below });
    let document = match run {
        0 => {
            doc! { "map": keyed(400, Bson::Int32), "texts": keyed(501, |n| format!("t{n}").into()), "deep": { "d": { "d": 1 } } }
        }
        1 => doc! { "map": keyed(501, |n| Bson::Double(f64::from(n) / 2.0)), "deep": deep },
        _ => {
            doc! { "map": { "K 1": 7 }, "texts": { "new": { "not": ["scalar"] } }, "wide": { "a": keyed(499, Bson::Int32), "b": keyed(498, Bson::Int32) } }
        }
    };
    vec![placed(run, START + i64::from(run), None, fields(document))]
}

fn ids(run: i32) -> Vec<Vec<u8>> {
    let all: Vec<Bson> = vec![
        Bson::Int32(7),
        Bson::Int64(1 << 40),
        Bson::Double(0.5),
        "7".into(),
        "P-1".into(),
        bson::oid::ObjectId::from_bytes([7; 12]).into(),
        Bson::Boolean(true),
        doc! { "a": 1 }.into(),
        Bson::MinKey,
    ];
    let portion = &all[(run * 3) as usize..(run * 3 + 3) as usize];
    let document = |id: &Bson| doc! { "_id": id.clone(), "at": DateTime::from_millis(START), "n": run };
    portion.iter().map(|id| document(id).to_vec().expect("BSON")).collect()
}

/// Names that readers stumble over, at both levels, and partitions named by them.
fn odd(run: i32) -> Vec<Vec<u8>> {
    let names = || doc! { "Case": 1, "dot.ted": 2, "$dollar": 3, "two words": 4, "ключ": 5, "": 6, "2nd": 7, "select": 8, "a-b:c,d>": 9, "DATE": 10 };
    let both = fields(doc! { "names": { "CASE": run, "case": "x", "value_": 1 }, "list": [names(), "bare", run] });
    let mut top = names();
    if run == 1 {
        top.insert("Case", "é=1/2");
    }
    if run == 2 {
        // Too long for a folder, and the last byte that would fit is within a letter.
        top.insert("Case", "अस्पताल ".repeat(20));
    }
    vec![placed(run, START, None, [fields(top), both].concat())]
}
