//! Other readers agree: DuckDB, pyarrow and Spark see the rows, values and types of a lake that DataFusion sees, each file
//! alone and all together; and Athena's grammar takes the statement of every table.
//!
//! `readers.py` compares everything, value by value and by sums of the columns; it runs in `.tools/readers`.

mod lakes;

use crate::support::grammar::{Statement, Type};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::Workplace;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;

#[test]
fn duckdb_pyarrow_and_spark_read_what_datafusion_reads() {
    let lakes = [lakes::instants(), lakes::wall_clocks()];
    let mut requests = Vec::new();
    let mut files = 0;
    for place in &lakes {
        for table in lakes::TABLES.iter().filter(|table| place.lake().join("t").join(table).exists()) {
            let request = request(place, table);
            files += request["files"].as_object().expect("files").len();
            requests.push(request);
        }
    }
    assert!(requests.len() >= 5 && files >= 10, "the torture is gone: {} tables, {files} files", requests.len());
    let tools = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tools.join(".tools/readers/bin/python");
    assert!(python.exists(), "{} is missing: make test-servers", python.display());
    lakes[0].write("request.json", Value::Array(requests).to_string());
    let output = Command::new(python)
        .arg(tools.join("tests/it/readers/readers.py"))
        .arg(lakes[0].path().join("request.json"))
        .current_dir(lakes[0].path())
        .env_remove("JAVA_HOME")
        .output()
        .expect("start the readers");
    let (said, told) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{said}");
    let complaints: Vec<String> = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}\n{said}"));
    assert!(complaints.is_empty(), "the readers do not agree:\n{}", complaints.join("\n"));
}

/// What `readers.py` has to know of a table: its files, its types, and its rows as DataFusion reads them.
fn request(place: &Workplace, table: &str) -> Value {
    let rows = place.path().join(format!("{table}.json"));
    let sql = format!("SELECT * FROM t.{table}");
    let out = rows.to_str().expect("UTF-8");
    let ended = place.lakefold(&["query", "--env", "test", "-e", &sql, "--format", "json", "--out", out]);
    assert_eq!(ended.code, 0, "{ended}");
    let ended = place.lakefold(&["schema", &format!("t.{table}"), "--env", "test", "--json"]);
    assert_eq!(ended.code, 0, "{ended}");
    let schema: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    takes_the_statement(place, table, &schema);
    let columns = schema["columns"].as_array().expect("columns").iter();
    let local =
        std::fs::read_to_string(place.path().join("env/test.toml")).expect("the environment").contains("\"local\"");
    let types: Map<String, Value> = columns
        .map(|column| {
            // The catalog's word is the same for both kinds of time; the files tell them apart.
            let kind = text(&column["type"]);
            let kind = if local { kind.replace("timestamp", "wall_clock") } else { kind };
            (text(&column["name"]), kind.into())
        })
        .collect();
    let files = read_table(&place.lake(), &format!("t/{table}")).files;
    json!({
        "name": format!("{}.{table}", if local { "wall_clocks" } else { "instants" }),
        "root": place.lake().join("t").join(table),
        "files": files,
        "keys": schema["partition_keys"],
        "rows": rows,
        "types": types,
    })
}

/// Athena's grammar takes the table's statement, which says what the schema says.
fn takes_the_statement(place: &Workplace, table: &str, schema: &Value) {
    let ddl = place.lakefold(&["schema", &format!("t.{table}"), "--env", "test", "--ddl"]).stdout;
    let statement = Statement::parse(&ddl).unwrap_or_else(|why| panic!("{why}\n{ddl}"));
    assert_eq!((statement.database.as_str(), statement.table.as_str()), ("t", table));
    assert!(statement.properties.contains(&("classification".to_owned(), "parquet".to_owned())));
    assert_eq!(json!(statement.partition_keys), schema["partition_keys"]);
    let columns = schema["columns"].as_array().expect("columns");
    assert_eq!(statement.columns.len(), columns.len());
    for (declared, column) in statement.columns.iter().zip(columns) {
        let kind = column["type"].as_str().expect("a type");
        assert_eq!(column["name"], declared.name);
        assert_eq!(Type::parse(kind), Ok(declared.kind.clone()), "{kind}");
        assert!(declared.name.len() <= 255 && kind.len() <= 131_072 && declared.comment.chars().count() <= 255);
    }
}
