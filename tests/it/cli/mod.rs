//! The real binary as an operator or a scheduler meets it: what it says, how it ends, what it leaves.

mod failed;
mod input;
mod runs;
mod sources;
mod times;
mod unavailable;

use crate::support::lakefold::Workplace;
use crate::support::mongod::Mongod;
use mongodb::Collection;
use mongodb::bson::{DateTime, Document};

/// A manifest of one collection.
pub fn manifest(row: &str) -> String {
    format!("database,collection,timestamp_column,partition_by\n{row}\n")
}

/// Writes `source/<database>/<collection>.bson` as mongodump does.
pub fn dump(place: &Workplace, database: &str, collection: &str, documents: &[Document]) {
    let bytes: Vec<u8> = documents.iter().flat_map(|document| document.to_vec().expect("a document is BSON")).collect();
    place.write(&format!("source/{database}/{collection}.bson"), bytes);
}

/// A collection of the shared server.
async fn collection(database: &str, name: &str) -> Collection<Document> {
    Mongod::shared().client().await.database(database).collection(name)
}

/// `"2024-05-01T00:00:00Z"` as BSON has it.
pub fn at(text: &str) -> DateTime {
    DateTime::parse_rfc3339_str(text).expect("a time")
}
