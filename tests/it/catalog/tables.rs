//! Tables and partitions that lakefold writes without a crawler.

use super::stand::{LAKE, Stand, at, columns_of, reasons, told};
use mongodb::bson::{Bson, Document, doc};
use serde_json::json;

const TABLES: &str = "mode = \"tables\"";

/// More than one batch of Glue's, and several of its pages.
const SITES: i32 = 120;

fn site(n: i32) -> String {
    // Some of them are escaped in their folders, and none of them in the catalog.
    if n % 10 == 0 { format!("ward {n}/é") } else { format!("w{n}") }
}

fn documents(n: i32) -> Vec<Document> {
    (0..n).map(|id| at(id, &site(id), 0)).collect()
}

async fn agree(stand: &Stand, database: &str, table: &str) {
    let columns = stand.columns(database, table).await;
    for (values, partition) in stand.partitions(database, table).await {
        assert_eq!(columns_of(partition.storage_descriptor()), columns, "{values:?}");
    }
}

#[tokio::test]
async fn database_table_and_partitions_are_written_and_only_what_changed() {
    let stand = Stand::new(TABLES);
    stand.manifest(&["Clinic,patientVisits,updated_at,site=place"]);
    let mut all = documents(SITES);
    all[0].insert("lineItems", vec![doc! { "unitPrice": 1.5 }]);
    stand.source("Clinic", "patientVisits", &all);
    let record = stand.run(&[], 0);
    assert_eq!(told(&record)["clinic"]["partitions"], SITES);
    assert_eq!(told(&record)["clinic"]["tables"], json!(["clinic.patientvisits"]));
    let counts = stand.counts();
    assert_eq!((counts["CreateDatabase"], counts["CreateTable"], counts["BatchCreatePartition"]), (1, 1, 2));

    let table = stand.table("clinic", "patientvisits").await.expect("the table");
    assert_eq!(table.table_type(), Some("EXTERNAL_TABLE"));
    let parameters = table.parameters().expect("parameters");
    for (key, value) in [("classification", "parquet"), ("compressionType", "none"), ("parquet.compression", "ZSTD")] {
        assert_eq!(parameters[key], value);
    }
    let storage = table.storage_descriptor().expect("storage");
    assert_eq!(storage.location(), Some(stand.location("clinic/patientvisits").as_str()));
    assert!(storage.input_format().is_some_and(|format| format.ends_with("MapredParquetInputFormat")));
    let serde = storage.serde_info().and_then(|serde| serde.serialization_library());
    assert_eq!(serde, Some("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"));
    let items = storage.columns().iter().find(|column| column.name() == "lineitems").expect("a column");
    assert_eq!(items.r#type(), Some("array<struct<unitprice:double>>"));
    assert_eq!(items.comment(), Some("lineItems; unitprice: lineItems.unitPrice"));
    let keys: Vec<_> = table.partition_keys().iter().map(|key| (key.name(), key.r#type())).collect();
    assert_eq!(keys, [("site", Some("string"))]);
    let partitions = stand.partitions("clinic", "patientvisits").await;
    assert_eq!(partitions.len(), SITES as usize);
    let escaped = &partitions[&vec!["ward 10/é".to_owned()]];
    let location = escaped.storage_descriptor().and_then(|storage| storage.location());
    let folder = stand.location("clinic/patientvisits/site=ward%2010%2F%C3%A9");
    assert_eq!(location, Some(folder.as_str()));
    agree(&stand, "clinic", "patientvisits").await;
    stand.calls();

    stand.run(&[], 0);
    assert!(stand.counts().is_empty(), "nothing new calls nobody");

    all.push(at(SITES, "new", 1));
    stand.source("Clinic", "patientVisits", &all);
    stand.run(&[], 0);
    let calls = stand.calls();
    let writes: Vec<_> = calls.iter().filter(|(action, _)| !action.starts_with("Get")).collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(writes[0].0, "BatchCreatePartition");
    assert_eq!(writes[0].1["PartitionInputList"].as_array().map(Vec::len), Some(1));

    // A new column reaches the table and every partition, old ones too.
    let mut wider = at(SITES + 1, "new", 2);
    wider.insert("ward", 7);
    all.push(wider);
    stand.source("Clinic", "patientVisits", &all);
    stand.run(&[], 0);
    let columns = stand.columns("clinic", "patientvisits").await;
    assert!(columns.contains(&("ward".to_owned(), "bigint".to_owned())), "{columns:?}");
    agree(&stand, "clinic", "patientvisits").await;
    let update = stand.calls().into_iter().find(|(action, _)| action == "UpdateTable").expect("an update").1;
    assert_eq!(update["SkipArchive"], true);
}

#[tokio::test]
async fn what_is_gone_retyped_or_cut_anew_is_so_in_the_catalog() {
    let stand = Stand::new(TABLES);
    stand.manifest(&["clinic,visits,updated_at,site=place"]);
    let number = |id: i32, site: &str| {
        let mut document = at(id, site, 0);
        document.insert("n", 7);
        document
    };
    stand.source("clinic", "visits", &[number(1, "a"), number(2, "b"), number(3, "b"), number(4, "c")]);
    stand.run(&[], 0);
    let sites = async || stand.partitions("clinic", "visits").await.into_keys().flatten().collect::<Vec<_>>();
    assert_eq!(sites().await, ["a", "b", "c"]);

    let mut text = at(1, "b", 3);
    text.insert("n", "seven");
    stand.source("clinic", "visits", &[text.clone(), number(2, "b"), number(3, "b"), number(4, "c")]);
    stand.run(&[], 0);
    assert_eq!(sites().await, ["b", "c"], "a partition without rows is no partition");
    assert!(stand.columns("clinic", "visits").await.contains(&("n".to_owned(), "string".to_owned())));
    agree(&stand, "clinic", "visits").await;

    // Somebody dropped the table: the next change brings it back with every partition it has.
    stand.glue.delete_table().database_name("clinic").name("visits").send().await.expect("drop");
    stand.source("clinic", "visits", &[text.clone(), number(2, "b"), number(3, "b"), number(4, "c"), number(5, "d")]);
    stand.run(&[], 0);
    assert_eq!(sites().await, ["b", "c", "d"]);
    // All of it was owed from the moment it was found missing; the next run finds it paid.
    stand.run(&[], 0);
    assert!(stand.owed("clinic").is_empty());

    // Other partition keys are another table to Glue.
    stand.manifest(&["clinic,visits,updated_at,shard=n"]);
    stand.run(&["--full"], 0);
    assert_eq!(sites().await, ["7", "seven"]);
    let table = stand.table("clinic", "visits").await.expect("the table");
    assert_eq!(table.partition_keys().iter().map(|key| key.name()).collect::<Vec<_>>(), ["shard"]);
}

/// Nobody knows any more which columns the catalog was told of.
#[tokio::test]
async fn a_table_built_anew_without_its_schema_state_is_compared_with_the_catalog() {
    let stand = Stand::new(TABLES);
    stand.manifest(&["clinic,visits,updated_at,site=place"]);
    let with_n = |id: i32, site: &str, n: Bson| {
        let mut document = at(id, site, 0);
        document.insert("n", n);
        document
    };
    let kind_of_n = async || {
        let columns = stand.columns("clinic", "visits").await;
        columns.into_iter().find(|(name, _)| name == "n").expect("the column").1
    };
    stand.source("clinic", "visits", &[with_n(1, "a", Bson::Int32(7)), with_n(2, "b", Bson::Int32(7))]);
    stand.run(&[], 0);
    assert_eq!(kind_of_n().await, "bigint");

    let (status, said) = stand.s3.signed("DELETE", &format!("{LAKE}/_lakefold/schemas/clinic/visits.json"), "");
    assert!((200..300).contains(&status), "{status}: {said}");
    stand.source("clinic", "visits", &[with_n(1, "a", "seven".into()), with_n(2, "b", "eight".into())]);
    let refused = stand.run(&[], 1);
    let reason = refused["collections"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("schema state is gone") && reason.contains("--full"), "{reason}");
    stand.run(&["--full"], 0);
    assert_eq!(kind_of_n().await, "string");
    assert_eq!(stand.partitions("clinic", "visits").await.len(), 2);
    agree(&stand, "clinic", "visits").await;
    assert!(stand.owed("clinic").is_empty());
}

#[tokio::test]
async fn a_refusal_leaves_the_rest_of_the_database_and_the_debt() {
    let stand = Stand::new(TABLES);
    // By name, which is the order they are told in, the refused table is the first.
    stand.manifest(&["clinic,visits,updated_at,site=place", "clinic,wards,updated_at,"]);
    stand.source("clinic", "visits", &[at(1, "a", 0)]);
    stand.source("clinic", "wards", &[at(1, "a", 0)]);
    stand.refuse(json!([
        { "action": "BatchCreatePartition", "code": "AccessDeniedException", "message": "no" },
        { "action": "CreateTable", "code": "ThrottlingException", "times": 2 },
    ]));
    let record = stand.run(&[], 1);
    for part in ["allow glue:BatchCreatePartition", "MSCK REPAIR TABLE `clinic`.`visits`"] {
        assert!(reasons(&record).contains(part), "{}", reasons(&record));
    }
    assert!(stand.table("clinic", "wards").await.is_some());
    assert_eq!(stand.owed("clinic").into_keys().collect::<Vec<_>>(), ["visits"]);

    stand.refuse(json!([]));
    stand.run(&[], 0);
    assert_eq!(stand.partitions("clinic", "visits").await.len(), 1);
    assert!(stand.owed("clinic").is_empty());

    // A table of this name that is somebody else's is left alone.
    stand.as_crawled("ward", "wards", &[("a", "int")], "k", &[]).await;
    stand.catalog("mode = \"tables\"\ndatabase = \"ward\"");
    let record = stand.run(&[], 1);
    assert!(reasons(&record).contains("is of another place"), "{}", reasons(&record));
    assert_eq!(stand.columns("ward", "wards").await, [("a".to_owned(), "int".to_owned())]);
}
