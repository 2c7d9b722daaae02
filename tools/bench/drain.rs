//! The limit that `make bench` measures a full load against: reads a collection by one cursor and throws it away.
//!
//! ```text
//! drain mongodb://127.0.0.1:27017 hospital bills
//! {"documents":1000000,"bytes":984000000}
//! ```
//!
//! Nobody who reads by one `find` can be cheaper: each reply is taken from the socket and walked once to count its
//! documents, and no document is looked into. One thread, no copies, the driver's own batch size.

#![allow(clippy::print_stdout)] // It is what this program is for.

use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{RawDocumentBuf, doc};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, database, collection] = arguments.as_slice() else {
        return Err("usage: drain URI DATABASE COLLECTION".into());
    };
    let (documents, bytes) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(drain(uri, database, collection))?;
    println!(r#"{{"documents":{documents},"bytes":{bytes}}}"#);
    Ok(())
}

async fn drain(uri: &str, database: &str, collection: &str) -> Result<(u64, usize), Box<dyn Error>> {
    let client = Client::with_uri_str(uri).await?;
    let collection = client.database(database).collection::<RawDocumentBuf>(collection);
    let mut batches = collection.find(doc! {}).batch().await?;
    let (mut documents, mut bytes) = (0, 0);
    while let Some(batch) = batches.try_next().await? {
        for document in batch.doc_slices()? {
            documents += 1;
            bytes += document?.as_document().ok_or("a batch holds documents")?.as_bytes().len();
        }
    }
    Ok((documents, bytes))
}
