use super::grammar::{Statement, Type};
use super::*;
use crate::lake::Expect;
use crate::model::batch::RawBatch;
use crate::model::flat;
use crate::model::secret::Secret;
use crate::model::settings::{CatalogMode, Timestamps};
use crate::model::table::TableSettings;
use crate::publish::catalog::Place;
use crate::shape::Shaper;
use crate::{manifest, notify};
use bson::{Bson, DateTime, Document, doc};
use proptest::prelude::*;
use std::collections::HashSet;

fn ns(collection: &str) -> Namespace {
    Namespace { database: "Hospital".into(), collection: collection.into() }
}

#[tokio::test]
async fn a_table_is_found_by_its_namespace_and_placed_in_the_lake() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file:{}", folder.path().display());
    let mut settings = Settings::new("prod", Secret::new("dump:source".to_owned()), &url);
    let lake = Lake::open(&settings.lake).await.unwrap();
    let table = TableSchema::new(TableSettings { partition_keys: vec!["date".into()], ..TableSettings::default() });
    state::store(&lake, &layout::schema_key(&ns("lab.Bills")), &table, Expect::Absent).await.unwrap();

    let found = of_lake(&lake, &settings, &ns("lab.Bills")).await.unwrap().unwrap();
    assert_eq!((found.catalog_database.as_str(), found.table.as_str()), ("hospital", "lab_bills"));
    assert!(found.location.ends_with("/hospital/lab_bills/"), "{}", found.location);
    assert_eq!(found.partition_keys, ["date"]);
    assert_eq!(of_lake(&lake, &settings, &ns("bills")).await.unwrap(), None);

    // Statements name the database that the catalog is told of, whoever tells it.
    settings.catalog.database = "{env}_{database}_lake".to_owned();
    let found = of_lake(&lake, &settings, &ns("lab.Bills")).await.unwrap().unwrap();
    assert_eq!(found.catalog_database, "prod_hospital_lake");
    assert!(notify::ddl(&found, None).contains("`prod_hospital_lake`.`lab_bills`"));
    assert!(notify::views(&found).contains("prod_hospital_lake"));
    settings.catalog.mode = CatalogMode::Tables;
    let place = Place::of(&settings.catalog, &settings.environment, "Hospital").unwrap();
    assert_eq!(place.database, found.catalog_database);
}

#[test]
fn what_is_not_there_is_told_apart() {
    let context = manifest::Context { file: "c.csv", environment: "demo", hash_key: false, pins: None };
    let specs = manifest::load("database,collection\nHospital,bills\nHospital,visits\n", &context).unwrap();
    let told = |collection: &str| {
        let settings = Settings::new("demo", Secret::new("dump:source".to_owned()), "file:lake");
        let error = unknown(&ns(collection), &specs, &settings);
        format!("{error}; {}", error.hint_text().unwrap_or("no hint"))
    };
    assert_eq!(
        told("bills"),
        "Hospital.bills has no table yet; fold it first with lakefold run:\n  lakefold run --env demo --collection Hospital.bills"
    );
    assert_eq!(
        told("bill"),
        "`Hospital.bill` is neither in the lake nor in the manifest of environment `demo`; did you mean `Hospital.bills`?"
    );
}

/// The collection whose manifest row is `row`, shaped from `documents`.
fn shaped(row: &str, documents: &[Document]) -> TableDescription {
    let context = manifest::Context { file: "c.csv", environment: "demo", hash_key: false, pins: None };
    let header = "database,collection,timestamp_column,partition_by";
    let spec = manifest::load(&format!("{header}\n{row}\n"), &context).unwrap().remove(0);
    let table = TableSchema::new(TableSettings::of(&spec, chrono_tz::UTC, Timestamps::Utc, None));
    let mut shaper = Shaper::new(spec.clone(), chrono_tz::UTC, Timestamps::Utc, None, table).unwrap();
    let documents = documents.iter().map(|document| document.to_vec().unwrap().into()).collect();
    shaper.shape(&RawBatch { documents }).unwrap();
    describe(shaper.table(), &spec.namespace, "s3://lake/prefix", "hospital".to_owned())
}

/// Everything a catalog asks of the table's statement; the statement itself must parse.
fn agrees_with_athena(table: &TableDescription) {
    let ddl = notify::ddl(table, None);
    let statement = Statement::parse(&ddl).unwrap_or_else(|why| panic!("{why}\n{ddl}"));
    has_views(table);
    assert_eq!((statement.database, statement.table), (table.catalog_database.clone(), table.table.clone()));
    assert_eq!(statement.properties[0], ("classification".to_owned(), "parquet".to_owned()));
    assert_eq!(statement.partition_keys, table.partition_keys);
    let mut names: HashSet<String> = statement.partition_keys.into_iter().collect();
    assert_eq!(statement.columns.len(), table.columns.len());
    for (parsed, column) in statement.columns.iter().zip(&table.columns) {
        assert_eq!(parsed.name, column.name);
        assert!(parsed.name.len() <= 255 && names.insert(parsed.name.clone()), "{}", parsed.name);
        let spelled = column.kind.to_string();
        assert!(spelled.len() <= 131_072, "{} characters of type", spelled.len());
        assert_eq!(Type::parse(&spelled).unwrap_or_else(|why| panic!("{why}")), parsed.kind, "{spelled}");
        assert!(parsed.comment.chars().count() <= 255 && !parsed.comment.contains(char::is_control));
        if !column.original_names.is_empty() && parsed.comment.chars().count() < 255 {
            assert_eq!(parsed.comment.replace(' ', ""), spaced(&column.original_names.join(", ")));
        }
    }
}

/// Views have names and columns of their own, whatever the documents look like.
fn has_views(table: &TableDescription) {
    let views = flat::views(table);
    let mut names = HashSet::new();
    for view in &views {
        assert!(view.name.len() <= 255 && names.insert(&view.name), "{}", view.name);
        let mut columns = HashSet::new();
        for column in &view.columns {
            assert!(column.name.len() <= 255 && columns.insert(&column.name), "{}: {}", view.name, column.name);
        }
    }
    assert_eq!(notify::views(table).matches("CREATE OR REPLACE VIEW").count(), views.len());
}

/// Control characters of names are shown as spaces.
fn spaced(name: &str) -> String {
    name.replace(|c: char| c.is_control() || c == ' ', "")
}

#[test]
fn a_statement_speaks_of_renamed_columns_partitions_and_own_columns() {
    let documents = [doc! { "_id": 1, "Site's": "a", "at": DateTime::now(), "date": { "_x": [1, { "order": 2 }] } }];
    let table = shaped("Hospital,my.bills,at,date=day(at)", &documents);
    agrees_with_athena(&table);
    let ddl = notify::ddl(&table, None);
    for line in [
        "CREATE EXTERNAL TABLE `hospital`.`my_bills` (",
        "  `_modified_ms` bigint,",
        "  `site_s` string COMMENT 'Site\\'s',",
        "  `date_field` struct<`_x`:array<struct<`order`:bigint,`value_`:bigint>>> COMMENT 'date'",
        "PARTITIONED BY (`date` string)",
        "LOCATION 's3://lake/prefix/hospital/my_bills/'",
    ] {
        assert!(ddl.lines().any(|found| found == line), "{line}\n{ddl}");
    }
}

#[test]
fn a_prefix_of_any_letters_is_told_as_its_objects_have_it() {
    let table = TableSchema::new(TableSettings { partition_keys: vec!["date".into()], ..TableSettings::default() });
    // As `Lake::url` has it.
    let lake = "s3://bucket/Cl%C3%ADnica%20Norte";
    let table = describe(&table, &ns("bills"), lake, "hospital".to_owned());
    let range = projection::Range::Injected;
    let keys = vec![projection::ProjectedKey { name: "date".into(), range }];
    let ddl = notify::ddl(&table, Some(&Projection { keys, warnings: Vec::new() }));
    let location = "s3://bucket/Clínica Norte/hospital/bills/";
    assert!(ddl.contains(&format!("LOCATION '{location}'")), "{ddl}");
    assert!(ddl.contains(&format!("'storage.location.template'='{location}date=${{date}}/'")), "{ddl}");
}

/// Any name a document can have, and those that make catalogs stumble.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["", "_id", "_misfits", "date", "Date", "a-b", "a.b", "$x", "2nd", "order", "value_"])
            .prop_map(str::to_owned),
        "[a-cA-C_' \"`\\\\<>:,;()/]{1,4}",
        "[^\0]{0,12}",
        "[xyü]{190,300}",
    ]
}

fn value() -> impl Strategy<Value = Bson> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(Bson::Int64),
        any::<f64>().prop_map(Bson::Double),
        Just(Bson::Decimal128("1.5".parse().unwrap())),
        any::<bool>().prop_map(Bson::Boolean),
        (0..2_000_000_000_000_i64).prop_map(|ms| Bson::DateTime(DateTime::from_millis(ms))),
        Just(Bson::String("text".into())),
        Just(Bson::Null),
    ];
    scalar.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::vec((name(), inner), 0..6)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_table_has_a_statement_that_athena_can_read(
        documents in prop::collection::vec(prop::collection::vec((name(), value()), 1..8), 1..6),
    ) {
        let documents: Vec<Document> = documents.into_iter().enumerate().map(|(at, fields)| {
            let fields = fields.into_iter().filter(|(name, _)| name != "_id");
            [("_id".to_owned(), Bson::Int64(at as i64))].into_iter().chain(fields).collect()
        }).collect();
        agrees_with_athena(&shaped("h,torture,,date=day(at)", &documents));
    }
}

#[test]
fn guarded_tables_have_a_statement_too() {
    let keyed: Document = (0..600).map(|key| (format!("key <{key}>"), Bson::Int64(1))).collect();
    let wide: Document = (0..2_100).map(|key| (format!("field {key}"), Bson::Int64(1))).collect();
    let deep = (0..60).fold(Bson::Int64(1), |below, _| Bson::Document(doc! { "below": below }));
    let table =
        shaped("h,torture,,date=day(at)", &[doc! { "_id": 1, "keyed": keyed, "wide": { "a": wide }, "deep": deep }]);
    agrees_with_athena(&table);
    assert!(notify::ddl(&table, None).contains("`keyed` map<string,bigint>"));
    assert!(!format!("{table:?}").contains("<17>"), "keys used as data are never listed");
}
