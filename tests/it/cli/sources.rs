//! A server and a dump of it give the same lake.

use super::{at, collection, dump, manifest};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use futures::TryStreamExt;
use mongodb::bson::{Decimal128, Document, doc, oid::ObjectId};

fn untidy() -> Vec<Document> {
    let now = at("2024-05-01T10:00:00.123Z");
    vec![
        doc! { "_id": ObjectId::from_bytes([1; 12]), "updated_at": now, "age": 45, "tags": ["a", "b"] },
        doc! { "_id": "P-1", "updated_at": "2024-05-01T12:00:00Z", "age": "45 yrs", "tags": [{ "code": 1 }, "c"] },
        doc! { "_id": 7_i64, "age": 45.5, "nested": { "Deep Name": { "x": [1, 2.5] } }, "tags": "alone" },
        doc! { "_id": 2.5, "updated_at": 1_714_550_000, "age": "1.10".parse::<Decimal128>().expect("a number") },
        doc! { "_id": { "part": 1, "of": "two" }, "updated_at": [now, at("2024-06-01T00:00:00Z")], "nested": null },
    ]
}

#[tokio::test]
async fn a_server_and_its_dump_give_the_same_lake() {
    let database = fresh_database("sources");
    let rows = manifest(&format!("{database},people,updated_at,month=month(updated_at)"));
    let target = collection(&database, "people").await;
    target.insert_many(untidy()).await.expect("insert");
    let live = Workplace::with(&Environment::of(Mongod::shared().uri()), &rows);
    live.run(&[], 0);

    let copied = Workplace::with(&Environment::of("dump:source"), &rows);
    let documents: Vec<Document> = target.find(doc! {}).await.expect("find").try_collect().await.expect("read");
    dump(&copied, &database, "people", &documents);
    let record = copied.run(&[], 0);
    assert_eq!(record["collections"][0]["mode"], "dump");

    let table = format!("{database}/people");
    let (from_server, from_dump) = (read_table(&live.lake(), &table), read_table(&copied.lake(), &table));
    assert_eq!(from_server.types, from_dump.types);
    assert_eq!(from_server.rows, from_dump.rows);
    assert_eq!(from_server.rows.len(), untidy().len());

    // A dump that equals the lake changes nothing.
    let record = copied.run(&[], 0);
    assert_eq!(record["collections"][0]["rows"]["unchanged"], untidy().len() as u64);
    assert_eq!(record["collections"][0]["files"]["written"], 0);
}

/// Among readings of one dump, and against the lake, the latest modified time wins (P1).
#[test]
fn an_older_dump_takes_nothing_back() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("hospital,bills,updated_at,"));
    let reading = |day: &str, amount: i32| doc! { "_id": 1, "updated_at": at(day), "amount": amount };
    let (old, new) = (reading("2024-05-01T00:00:00Z", 1), reading("2024-05-02T00:00:00Z", 2));
    dump(&place, "hospital", "bills", &[new.clone(), old.clone()]);
    let record = place.run(&[], 0);
    assert_eq!(record["collections"][0]["rows"]["superseded"], 1, "{record:#}");
    dump(&place, "hospital", "bills", &[old]);
    let record = place.run(&[], 0);
    assert_eq!(record["collections"][0]["rows"]["superseded"], 1, "{record:#}");
    let rows = read_table(&place.lake(), "hospital/bills").rows;
    assert_eq!((rows.len(), &rows[0].columns["amount"]), (1, &2.into()));
}
