//! Names that try to climb out of the lake's folder or into a query: databases, collections, fields, values.

use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use mongodb::bson::{DateTime, Document, doc};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Collections a server lets in.
fn collections() -> Vec<String> {
    let names = [
        "x/../../escape",
        "/etc/passwd",
        "a/../../b",
        "%2e%2e%2fup",
        "quo\"te",
        "it's",
        "back\\slash",
        "sp ace",
        "tab\there",
        "ünï-¢ode",
        "-rf",
        "C:drive",
        "a..b",
        "lakefold.journal",
        "_lakefold",
        "where(1)",
        "`tick`",
        "{brace}",
        "x;y",
        "*",
    ];
    names.iter().map(|name| (*name).to_owned()).chain(["long".repeat(40)]).collect()
}

/// Texts that become folders.
fn values() -> Vec<String> {
    let values =
        ["..", ".", "../../up", "/etc", "%2e%2e", "a\0b", "new\nline", "=", "a=b/c=d", "", " ", "ünï", "\u{202e}rtl"];
    values.iter().map(|value| (*value).to_owned()).chain(["deep/".repeat(500)]).collect()
}

fn fields(n: usize) -> Document {
    let mut document = doc! { "updated_at": DateTime::now(), "_id": n as i64 };
    for field in
        ["..", "../up", "a/b", "%2e", "quo\"te", "it's", "$where", "$gt", "dot.ted", "__proto__", "new\nline", "", " "]
    {
        document.insert(field, 1);
    }
    document.insert("f".repeat(3000), 1);
    document
}

fn manifest(rows: &[[&str; 4]]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["database", "collection", "timestamp_column", "partition_by"]).expect("a header");
    for row in rows {
        writer.write_record(row).expect("a row");
    }
    writer.into_inner().expect("the text")
}

/// Every file below a folder, relative to it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut pending = vec![folder.to_owned()];
    let mut found = BTreeSet::new();
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(next).expect("list a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.insert(path.strip_prefix(folder).expect("below the folder").to_owned());
            }
        }
    }
    found
}

#[tokio::test]
async fn no_name_climbs_out_of_the_lake() {
    let database = format!("{}%2e'-", fresh_database("names"));
    let client = Mongod::shared().client().await;
    let names = collections();
    for name in &names {
        let collection = client.database(&database).collection::<Document>(name);
        let documents = (0..).zip(values()).map(|(n, value)| {
            let mut document = fields(n);
            document.insert("site", value);
            document
        });
        collection.insert_many(documents).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let rows: Vec<[&str; 4]> =
        names.iter().map(|name| [database.as_str(), name.as_str(), "updated_at", "site=site"]).collect();
    let place = Workplace::new();
    place.environment(&Environment::of(Mongod::shared().uri()));
    place.write("collections.csv", manifest(&rows));
    for _ in 0..2 {
        let record = place.run(&[], 0);
        for collection in record["collections"].as_array().expect("collections") {
            assert!(["ok", "idle"].contains(&collection["outcome"].as_str().expect("text")), "{collection:#}");
        }
    }

    let folder = lakefold::model::names::fold(&database);
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-=%".contains(&byte));
    for file in files(place.path()) {
        let parts: Vec<&str> = file.iter().map(|part| part.to_str().expect("UTF-8")).collect();
        assert!(["lake", "mail", "env", "collections.csv"].contains(&parts[0]), "{}", file.display());
        assert!(parts[0] != "lake" || [folder.as_str(), "_lakefold"].contains(&parts[1]), "{}", file.display());
        assert!(parts.iter().all(|part| plain(part) && part.len() <= 255 && *part != ".."), "{}", file.display());
    }
    for name in &names {
        let namespace = lakefold::model::collection::Namespace { database: database.clone(), collection: name.clone() };
        let table = read_table(&place.lake(), &namespace.folder());
        assert_eq!(table.rows.len(), values().len(), "{name}");
        assert!(
            table.files.keys().all(|partition| !partition.contains('/')),
            "one level for one key: {:?}",
            table.files
        );
        // Two values never share a folder, and those without a value have their own.
        assert_eq!(table.files.len(), values().len(), "{name}: {:?}", table.files.keys());
    }
    client.database(&database).drop().await.expect("drop");
}

/// A path that a query would take for an operator is refused before anything is asked; a field of such a name is data.
#[tokio::test]
async fn no_path_climbs_into_a_query() {
    let database = fresh_database("names");
    let documents = Mongod::shared().client().await.database(&database).collection::<Document>("c");
    documents.insert_one(doc! { "_id": 1, "a\"t": DateTime::now(), "$where": 7, "sleep": "x" }).await.expect("insert");
    let place = Workplace::new();
    place.environment(&Environment::of(Mongod::shared().uri()));
    for path in ["$where", "$expr", "$comment", "a.$where", "a.$", "$or.0"] {
        place.write("collections.csv", manifest(&[[&database, "c", path, ""]]));
        place.lakefold(&["run", "--env", "test"]).refused(2, &["timestamp_column", "operator"]);
        place.write(
            "collections.csv",
            format!("database,collection,timestamp_column,exclude\n{database},c,at,{path}\n"),
        );
        place.lakefold(&["run", "--env", "test"]).refused(2, &["exclude", "operator"]);
    }
    place.write("collections.csv", manifest(&[[&database, "c", "a\"t", "site=$where"]]));
    for read in [1, 0] {
        let record = place.run(&[], 0);
        assert_eq!(record["collections"][0]["rows"]["read"], read, "{record:#}");
    }
    assert_eq!(read_table(&place.lake(), &format!("{database}/c")).files.keys().collect::<Vec<_>>(), ["site=7"]);
    for (database, collection) in
        [("a/b", "c"), ("..", "c"), ("a.b", "c"), ("a\0b", "c"), ("_lakefold", "c"), ("h", "$cmd"), ("h", "a\0b")]
    {
        place.write("collections.csv", manifest(&[[database, collection, "at", ""]]));
        assert_eq!(place.lakefold(&["run", "--env", "test"]).code, 2, "{database:?}.{collection:?}");
    }
}
