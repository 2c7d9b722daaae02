//! Mongodump folders, written document by document: a source as large as a test wants, without a server.

use mongodb::bson::Document;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes `documents` as `folder/<database>/<collection>.bson`, whatever was there.
pub fn write_dump(folder: &Path, database: &str, collection: &str, documents: impl IntoIterator<Item = Document>) {
    let folder = folder.join(database);
    fs::create_dir_all(&folder).expect("make a folder");
    let file = File::create(folder.join(format!("{collection}.bson"))).expect("create a dump");
    let mut out = BufWriter::with_capacity(1 << 20, file);
    for document in documents {
        document.to_writer(&mut out).expect("BSON");
    }
    out.flush().expect("write a dump");
}
