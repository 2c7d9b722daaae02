use super::*;
use crate::model::collection::{FieldPath, Mode, Namespace, PartitionKey, PartitionUnit};

fn read(text: &str) -> Result<Vec<CollectionSpec>, Vec<String>> {
    read_for("prod", text)
}

fn read_for(environment: &str, text: &str) -> Result<Vec<CollectionSpec>, Vec<String>> {
    let context = Context { file: "c.csv", environment, hash_key: false, pins: None };
    load(text, &context).map_err(|problems| {
        let shown = |p: &Problem| format!("{p} | {}", p.hint.as_deref().unwrap_or("NO HINT"));
        problems.iter().map(shown).collect()
    })
}

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text).unwrap()
}

#[test]
fn a_full_row_becomes_a_collection() {
    let text = "mode,hash,exclude,environments,partition_by,timestamp_column,collection,database\n\
                full,,a.b; c,prod;dev,date=day(at)/site=facility.id,meta.at,my.bills,Hospital\n";
    let expected = CollectionSpec {
        namespace: Namespace { database: "Hospital".into(), collection: "my.bills".into() },
        timestamp_column: Some(path("meta.at")),
        partition_by: vec![
            PartitionKey { name: "date".into(), unit: PartitionUnit::Day, path: path("at") },
            PartitionKey { name: "site".into(), unit: PartitionUnit::Value, path: path("facility.id") },
        ],
        partition_text: "date=day(at)/site=facility.id".into(),
        exclude: vec![path("a.b"), path("c")],
        hash: vec![],
        pins: vec![],
        mode: Mode::Full,
        max_lag: None,
        line: 2,
    };
    assert_eq!(read(text), Ok(vec![expected]));
}

#[test]
fn optional_columns_may_be_left_out() {
    let specs = read("database,collection\nh,a\nh,b\n").unwrap();
    assert_eq!(specs.len(), 2);
    assert_eq!((specs[0].mode, &specs[0].timestamp_column), (Mode::Incremental, &None));
    assert!(specs[0].partition_by.is_empty());
}

#[test]
fn every_function_has_its_unit() {
    for (expression, unit) in [
        ("year(t)", PartitionUnit::Year),
        ("month(t)", PartitionUnit::Month),
        ("day( t )", PartitionUnit::Day),
        ("hour(t)", PartitionUnit::Hour),
        ("t", PartitionUnit::Value),
    ] {
        let specs = read(&format!("database,collection,partition_by\nh,a,k_1={expression}\n")).unwrap();
        assert_eq!(specs[0].partition_by, [PartitionKey { name: "k_1".into(), unit, path: path("t") }]);
    }
}

#[test]
fn comments_empty_lines_crlf_and_byte_order_mark_keep_line_numbers_right() {
    let text = "\u{feff}# about, \"this\r\n\r\ndatabase,collection,mode\r\n# more\r\n\r\n,,\r\nh,a,\r\n#\r\nh,b,\"full\"\r\nh,c,ful";
    assert_eq!(read(text).unwrap_err(), ["c.csv:10: mode: unknown mode `ful` | did you mean `full`?"]);
    let specs = read(&text.replace(",ful", ",")).unwrap();
    assert_eq!(specs.iter().map(|spec| spec.line).collect::<Vec<_>>(), [7, 9, 10]);
}

#[test]
fn rows_belong_to_their_environments() {
    let text = "database,collection,environments,mode\nh,a,,\nh,b,prod;dev,\nh,b,test,full\n";
    let names = |environment| -> Vec<_> {
        let specs = read_for(environment, text).unwrap();
        specs.iter().map(|spec| (spec.namespace.collection.clone(), spec.line)).collect()
    };
    assert_eq!(names("prod"), [("a".to_owned(), 2), ("b".to_owned(), 3)]);
    assert_eq!(names("test"), [("a".to_owned(), 2), ("b".to_owned(), 4)]);
    assert_eq!(names("else"), [("a".to_owned(), 2)]);
}

#[test]
fn an_environment_without_rows_is_a_problem() {
    assert_eq!(
        read_for("prdo", "database,collection,environments\nh,a,prod;dev\n").unwrap_err(),
        ["c.csv: no row belongs to environment `prdo` | its rows name `dev` and `prod`"]
    );
    assert_eq!(
        read("database,collection\n").unwrap_err(),
        ["c.csv: no row belongs to environment `prod` | add a row for each collection"]
    );
}

#[test]
fn a_hash_needs_a_key_where_the_row_is_read() {
    let text = "database,collection,environments,hash\nh,a,prod,name\nh,b,dev,\n";
    assert_eq!(
        read(text).unwrap_err(),
        ["c.csv:2: hash: hashing needs a key, and the environment has none | set `hash_key = \
            \"${LAKEFOLD_HASH_KEY}\"` in `[privacy]` of the environment file"]
    );
    assert!(read_for("dev", text).is_ok());
    let context = Context { file: "c.csv", environment: "prod", hash_key: true, pins: None };
    assert_eq!(load(text, &context).unwrap()[0].hash, [path("name")]);
}

#[test]
fn the_header_is_checked() {
    let header = "database,collection,timestamp_column,partition_by,environments,exclude,hash,mode,max_lag";
    assert_eq!(read("# nothing\n\n").unwrap_err(), [format!("c.csv: has no header | begin it with the line {header}")]);
    for (header, expected) in [
        ("database,collection,partiton_by", "c.csv:1: partiton_by: unknown column | did you mean `partition_by`?"),
        ("Database,database,collection", "c.csv:1: Database: unknown column | did you mean `database`?"),
        ("database,collection,mode,mode", "c.csv:1: mode: the header names this column twice | keep one of them"),
        ("database,collection,", "c.csv:1: column 3 of the header has no name | take the surplus comma out"),
        ("database,mode", "c.csv:1: collection: the header lacks this required column | add it to the header"),
    ] {
        assert_eq!(read(&format!("{header}\n")).unwrap_err()[0], expected, "{header}");
    }
}

/// One bad row below a header of all columns but `environments`, and what is said about it.
#[test]
fn bad_rows_say_what_to_write_instead() {
    let cases: &[(&str, &[&str])] = &[
        (",a,,,,,", &["database: is empty | name the database as MongoDB spells it"]),
        ("h,,,,,,", &["collection: is empty | name the collection as MongoDB spells it"]),
        (
            "h.x,a,,,,,",
            &["database: `h.x` cannot be the name of a database: it holds '.' | MongoDB refuses such names; spell it \
               as `show dbs` and `show collections` do"],
        ),
        (
            "_Lakefold,a,,,,,",
            &[
                "database: `_Lakefold` folds to `_lakefold`, where the lake keeps its state | such a database cannot be \
               folded into a lake",
            ],
        ),
        (
            "h,a,,",
            &["4 fields, but the header has 7 columns | put a comma between fields, and quotes around a field \
                     that holds a comma"],
        ),
        ("h,\"a\nb,,,,,", &["a field goes on over several lines | close the quote that this line opens"]),
        (
            "h,a,x..y,,,,",
            &["timestamp_column: `x..y` is not a path | join field names by single dots, as in `facility.id`"],
        ),
        ("h,a,,,p;;q,,", &["exclude: `p;;q` has an empty entry | separate entries by one `;`, without one at the end"]),
        ("h,a,,,.p,,", &["exclude: `.p` is not a path | join field names by single dots, as in `facility.id`"]),
        ("h,a,,,,,Full", &["mode: unknown mode `Full` | did you mean `full`?"]),
        ("h,a,,date=dya(t),,,", &["partition_by: unknown function `dya` | did you mean `day`?"]),
        (
            "h,a,,date=week(t),,,",
            &["partition_by: unknown function `week` | known are `year`, `month`, `day` and `hour`"],
        ),
        ("h,a,,date=day(t,,,", &["partition_by: `day(t` lacks its closing bracket | write `day(path)`"]),
        (
            "h,a,,date=day(),,,",
            &["partition_by: `` is not a path | join field names by single dots, as in `facility.id`"],
        ),
        (
            "h,a,,day(t),,,",
            &["partition_by: `day(t)` is not `name=expression` | name the folder level, as in `date=day(created_at)` \
               or `site=facility.id`"],
        ),
        (
            "h,a,,x=p/,,,",
            &["partition_by: `` is not `name=expression` | separate keys by one `/`, without one at either end"],
        ),
        (
            "h,a,,Site=p,,,",
            &["partition_by: `Site` cannot name a partition key | begin with a lower-case letter, go on with \
               lower-case letters, digits and `_`"],
        ),
        ("h,a,,x=p/x=q,,,", &["partition_by: two keys are named `x` | give each folder level its own name"]),
        ("h,a,,x=p/y=p,,,", &["partition_by: keys `x` and `y` are cut from the same value | drop one of them"]),
        (
            "h,a,,x_field=p/y=q/x=r,,,",
            &[
                "partition_by: key `x_field` has the name of the column that a field `x` gets beside key `x` | give the \
               folder level of `x_field` another name",
            ],
        ),
        (
            "h,a,,,_id,,",
            &["exclude: `_id` is the key of the table and cannot be left out | take `_id` out of `exclude`"],
        ),
        (
            "h,a,m.at,,m,,",
            &["exclude: `m` holds the timestamp, `m.at`, and cannot be left out | take `m` out of `exclude`"],
        ),
        (
            "h,a,,x=p,p.q,,",
            &["exclude: `p.q` is part of a partition path, `p`, and cannot be left out | take `p.q` out of `exclude`"],
        ),
    ];
    for (row, expected) in cases {
        let text = format!("database,collection,timestamp_column,partition_by,exclude,hash,mode\n{row}\n");
        let expected: Vec<String> = expected.iter().map(|said| format!("c.csv:2: {said}")).collect();
        assert_eq!(read(&text).unwrap_err(), expected, "{row}");
    }
    let hashed = "database,collection,hash\nh,a,_id.x\n";
    assert!(
        read(hashed).unwrap_err()[0]
            .starts_with("c.csv:2: hash: `_id.x` is part of the key of the table, `_id`, and cannot be hashed")
    );
}

#[test]
fn rows_that_meet_in_an_environment_must_differ() {
    let read = |rows: &str| read(&format!("database,collection,environments\n{rows}"));
    assert_eq!(
        read("h,a,\nh,b,\nh,a,dev\n").unwrap_err(),
        ["c.csv:4: collection: `h.a` stands already in line 2 | keep one of the rows, or give each its own \
          `environments`"]
    );
    assert_eq!(
        read("h,My-Bills,dev;prod\nh,my.bills,prod\n").unwrap_err(),
        [
            "c.csv:3: collection: `h.my.bills` and `h.My-Bills` of line 2 fold to the same table `h/my_bills` | fold one \
          of them in an environment with a lake of its own"
        ]
    );
    assert!(read("h,a,dev\nh,a,prod\n").is_ok());
}

#[test]
fn everything_is_told_at_once_and_in_order() {
    let problems = read("database,collection,colour,partition_by,mode\nh,a,,x=p,fll\n,b,,y=wek(p)/Z=q,\nh,a,,,\nh,c\n")
        .unwrap_err();
    let starts: Vec<&str> = problems.iter().filter_map(|p| p.split(" | ").next()).collect();
    assert_eq!(
        starts,
        [
            "c.csv:1: colour: unknown column",
            "c.csv:2: mode: unknown mode `fll`",
            "c.csv:3: database: is empty",
            "c.csv:3: partition_by: unknown function `wek`",
            "c.csv:3: partition_by: `Z` cannot name a partition key",
            "c.csv:4: collection: `h.a` stands already in line 2",
            "c.csv:5: 2 fields, but the header has 5 columns",
        ]
    );
}

#[test]
fn the_shipped_manifest_is_right() {
    let text = include_str!("../../collections.csv");
    let context = Context { file: "collections.csv", environment: "demo", hash_key: false, pins: None };
    let specs = load(text, &context).unwrap();
    assert_eq!(specs.len(), 10);
    assert!(specs.iter().all(|spec| spec.timestamp_column == Some(path("updated_at"))));
}
