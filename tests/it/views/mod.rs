//! `schema --views` and `schema --ddl --projection` over the demo's lake: Trino's grammar takes the views, they run, and
//! what they give is what the documents hold; a projection covers every partition that there is.

use crate::support::demo::{demo, rows};
use crate::support::grammar::Statement;
use crate::support::lakefold::{Environment, Workplace};
use mongodb::bson::{DateTime, doc};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

type Row = Map<String, Value>;

/// `schema` with more arguments, which must end well.
fn schema(place: &Workplace, environment: &str, arguments: &[&str]) -> String {
    let ended = place.lakefold(&[&["schema", "--env", environment], arguments].concat());
    assert_eq!(ended.code, 0, "schema {arguments:?}\n{ended}");
    ended.stdout
}

/// The names of the columns of every view, as Trino's grammar and Athena's read them.
fn parsed(place: &Workplace, statements: &str) -> BTreeMap<String, Vec<String>> {
    place.write("views.sql", statements);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join(".tools/servers/bin/python"));
    command.arg(root.join("tests/it/views/parse.py")).arg(place.path().join("views.sql"));
    let output = command.output().expect("start sqlglot: make test-servers");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The value at `"a"."b"` of a document.
fn field(document: &Value, path: &str) -> Value {
    path.split('.').fold(document.clone(), |value, name| value[name.trim_matches('"')].clone())
}

/// What a column of a view must be: of the document, and of the elements that the view's row is about.
fn expected(spelled: &str, document: &Value, elements: &[(u64, Value)]) -> Value {
    if let Some(list) = spelled.strip_prefix("array_join(").and_then(|rest| rest.strip_suffix(", ', ')")) {
        let Value::Array(values) = expected(list, document, elements) else { return Value::Null };
        let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        return texts.join(", ").into();
    }
    let counted = |text: &str| {
        Some(text.strip_prefix("coalesce(CAST(cardinality(")?.strip_suffix(") AS bigint), 0)")?.to_owned())
    };
    if let Some(list) = counted(spelled) {
        return expected(&list, document, elements).as_array().map_or(0, Vec::len).into();
    }
    let (root, path) = spelled.split_once('.').expect("a path");
    match root.strip_prefix("item_") {
        None => field(document, path),
        Some(level) => {
            let (number, element) = &elements[level.parse::<usize>().expect("a number") - 1];
            path.strip_prefix("element.").map_or_else(|| (*number).into(), |path| field(element, path))
        }
    }
}

/// Every row of a view as the documents say it must be.
fn of_documents(statement: &str, documents: &[Row]) -> Vec<Row> {
    let (_, body) = statement.split_once("\nSELECT\n").expect("a SELECT");
    let (columns, from) = body.split_once("\nFROM ").expect("a FROM");
    let columns: Vec<(&str, &str)> = columns
        .split(",\n")
        .map(|column| {
            let column = column.trim();
            let own = || (column, column.rsplit('.').next().expect("a name"));
            let (value, name) = column.rsplit_once(" AS \"").unwrap_or_else(own);
            (value, name.trim_matches('"'))
        })
        .collect();
    let lists: Vec<&str> = from
        .lines()
        .filter_map(|line| line.split_once("transform(")?.1.split_once(", e ->"))
        .map(|(list, _)| list)
        .collect();
    let mut rows = Vec::new();
    for document in documents {
        let document = Value::Object(document.clone());
        let mut chains: Vec<Vec<(u64, Value)>> = vec![Vec::new()];
        for list in &lists {
            let mut longer = Vec::new();
            for chain in &chains {
                if let Value::Array(elements) = expected(list, &document, chain) {
                    let numbered = (1..).zip(elements).map(|element| [chain.clone(), vec![element]].concat());
                    longer.extend(numbered);
                }
            }
            chains = longer;
        }
        for chain in chains {
            let cell = |(value, name): &(&str, &str)| ((*name).to_owned(), expected(value, &document, &chain));
            rows.push(columns.iter().map(cell).collect());
        }
    }
    rows
}

/// Rows in an order of their own, columns without a value left out as the JSON of a query may.
fn sorted(rows: Vec<Row>) -> Vec<String> {
    let text = |row: Row| Value::Object(row.into_iter().filter(|(_, value)| !value.is_null()).collect()).to_string();
    let mut texts: Vec<String> = rows.into_iter().map(text).collect();
    texts.sort();
    texts
}

#[test]
fn the_views_of_the_demo_parse_run_and_hold_what_the_documents_hold() {
    let place = demo();
    let all = schema(&place, "demo", &["--views"]);
    let columns = parsed(&place, &all);
    let names: BTreeSet<&str> = columns.keys().map(String::as_str).collect();
    for view in [
        "hospital.facilities__flat",
        "hospital.bills__flat",
        "hospital.bills__line_items",
        "hospital.bills__line_items_tax_components",
        "hospital.bills__payer_claim_deductions",
        "hospital.prescriptions__items",
        "hospital.patients__allergies",
    ] {
        assert!(names.contains(view), "{view} is not among {names:?}");
    }
    assert_eq!(names.iter().filter(|name| name.ends_with("__flat")).count(), 10, "{names:?}");

    let (mut compared, mut elements) = (0, 0);
    for table in ["bills", "prescriptions", "patients"] {
        let documents = rows(&place, &format!("SELECT * FROM hospital.{table}"));
        let one = schema(&place, "demo", &[&format!("hospital.{table}"), "--views"]);
        assert!(all.contains(&one), "of all tables the same is printed");
        for statement in one.split_inclusive(";\n").map(|text| text.trim().trim_end_matches(';')) {
            let (head, select) = statement.split_once(" AS\n").expect("a view");
            let view = head.trim_start_matches("CREATE OR REPLACE VIEW ").replace('"', "");
            let wanted = of_documents(statement, &documents);
            let found = rows(&place, select);
            for (name, value) in found.iter().flatten() {
                assert!(!value.is_array() && !value.is_object(), "{view}.{name} is nothing for QuickSight: {value}");
                assert!(columns[&view].contains(name), "{view}.{name}");
            }
            let distinct: BTreeSet<&String> = columns[&view].iter().collect();
            assert_eq!(distinct.len(), columns[&view].len(), "{view}: {:?}", columns[&view]);
            assert!(!wanted.is_empty(), "the demo has nothing for {view}");
            assert!(!view.ends_with("__flat") || wanted.len() == documents.len());
            elements += if view.ends_with("__flat") { 0 } else { found.len() };
            let (wanted, found) = (sorted(wanted), sorted(found));
            assert_eq!(wanted.len(), found.len(), "{view}");
            for (wanted, found) in wanted.iter().zip(&found) {
                assert_eq!(wanted, found, "{view}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 10 && elements > 1_000, "{compared} views, {elements} elements");

    projections(&place);
}

/// Every partition of the demo is within what its table's statement projects.
fn projections(place: &Workplace) {
    let statement = |arguments: &[&str]| {
        let ddl = schema(place, "demo", arguments);
        Statement::parse(&ddl).unwrap_or_else(|why| panic!("{why}\n{ddl}"))
    };
    let bills = statement(&["hospital.bills", "--ddl", "--projection"]);
    assert_eq!(bills.partition_keys, ["date", "facility_id"]);
    let properties: BTreeMap<String, String> = bills.properties.into_iter().collect();
    let property = |name: &str| properties.get(name).unwrap_or_else(|| panic!("no {name} in {properties:?}"));
    assert_eq!(property("projection.enabled"), "true");
    assert_eq!(
        (property("projection.date.type").as_str(), property("projection.date.format").as_str()),
        ("date", "yyyy-MM-dd")
    );
    assert_eq!(property("projection.date.range"), "2024-01-01,NOW+1DAYS");
    assert_eq!(property("projection.facility_id.type"), "enum");
    let facilities: Vec<&str> = property("projection.facility_id.values").split(',').collect();
    let template = property("storage.location.template");
    let mut found = 0;
    for day in std::fs::read_dir(place.path().join(".demo/lake/hospital/bills")).expect("the table") {
        let day = day.expect("a day").path();
        for facility in std::fs::read_dir(&day).expect("a day") {
            let path = facility.expect("a facility").path();
            let value =
                |folder: &Path| folder.file_name()?.to_str()?.split_once('=').map(|(_, value)| value.to_owned());
            let (date, facility) = (value(&day).expect("a date"), value(&path).expect("a facility"));
            assert!(facilities.contains(&facility.as_str()) && *date >= *"2024-01-01", "{date} {facility}");
            let place = template.replace("${date}", &date).replace("${facility_id}", &facility);
            assert_eq!(place, format!("file:{}/", path.display()));
            found += 1;
        }
    }
    assert!(found > 60, "{found} partitions");
    let plain = statement(&["hospital.facilities", "--ddl", "--projection"]);
    assert!(plain.properties.iter().all(|(name, _)| !name.contains("projection")), "nothing to project");
    let all = schema(place, "demo", &["--ddl", "--projection"]);
    assert_eq!(all.matches("CREATE EXTERNAL TABLE").count(), 10);
    assert_eq!(all.matches("'projection.enabled'='true'").count(), 8, "but facilities and doctors");
}

/// What Athena would not see is told, and a key that it would look for in other folders is refused.
#[test]
fn what_cannot_be_projected_is_refused_or_named() {
    let manifest =
        "database,collection,timestamp_column,partition_by\nh,bills,at,date=day(at)/site=site\nh,odd,at,site=site\n";
    let place = Workplace::with(&Environment::of("dump:source"), manifest);
    let at = DateTime::from_millis(1_714_552_200_000);
    let bill = doc! { "_id": 1, "at": at, "site": "A" }.to_vec().expect("BSON");
    let undated = doc! { "_id": 2, "at": "never", "site": "B" }.to_vec().expect("BSON");
    place.write("source/h/bills.bson", [bill, undated].concat());
    place.write("source/h/odd.bson", doc! { "_id": 1, "at": at, "site": "secret/place" }.to_vec().expect("BSON"));
    place.run(&[], 0);

    let ended = place.lakefold(&["schema", "h.bills", "--ddl", "--projection", "--env", "test"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("h.bills: rows without a value of `date` are not seen by Athena"), "{ended}");
    assert!(ended.stdout.contains("'projection.site.values'='A,B'"), "{ended}");

    let refused = place.lakefold(&["schema", "h.odd", "--ddl", "--projection", "--env", "test"]);
    refused.refused(1, &["h.odd cannot be projected: 1 value(s) of `site` are escaped", "leave out --projection"]);
    assert!(!refused.stderr.contains("secret"), "{refused}");
    let both = place.lakefold(&["schema", "--ddl", "--projection", "--env", "test"]);
    assert_eq!((both.code, both.stdout.matches("projection.enabled").count()), (0, 1), "{both}");
    assert!(both.stderr.contains("h.odd cannot be projected"), "{both}");
}
