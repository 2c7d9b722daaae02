//! Whole and damaged dump folders.

use super::*;
use bson::{DateTime, RawDocument, doc};
use flate2::{Compression, write::GzEncoder};
use futures::TryStreamExt;
use std::io::Write;
use tempfile::TempDir;

fn bson(count: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..count {
        doc! { "_id": n, "at": DateTime::from_millis(n * 1000) }.to_writer(&mut bytes).unwrap();
    }
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn dump(files: &[(&str, &[u8])]) -> (TempDir, Dump) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let dump = Dump::new(folder.path().into());
    (folder, dump)
}

fn request(collection: &str, scope: Scope) -> ReadRequest {
    ReadRequest {
        namespace: Namespace::parse(collection).unwrap(),
        scope,
        timestamp: FieldPath::parse("at"),
        timezone: chrono_tz::UTC,
        exclude: Vec::new(),
        not_before: None,
        batch_bytes: 100,
        batch_documents: 3,
        ranges: 1,
    }
}

async fn read(dump: &Dump, collection: &str, scope: Scope) -> Result<Vec<i64>> {
    let batches: Vec<RawBatch> = dump.read(request(collection, scope)).try_collect().await?;
    assert!(batches.iter().all(|batch| (1..=3).contains(&batch.documents.len())));
    let documents = batches.iter().flat_map(|batch| &batch.documents);
    Ok(documents.map(|bytes| RawDocument::from_bytes(bytes).unwrap().get_i64("_id").unwrap()).collect())
}

#[tokio::test]
async fn plain_and_gzipped_files_give_the_same() {
    let bytes = bson(10);
    let (_folder, dump) = dump(&[("h/plain.bson", &bytes), ("h/packed.bson.gz", &gzip(&bytes))]);
    for collection in ["h.plain", "h.packed"] {
        assert_eq!(read(&dump, collection, Scope::Whole).await.unwrap(), (0..10).collect::<Vec<_>>());
        assert_eq!(read(&dump, collection, Scope::Since { from_ms: 7000 }).await.unwrap(), [7, 8, 9]);
        assert!(read(&dump, collection, Scope::Since { from_ms: 70_000 }).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_collection_in_two_files_is_refused() {
    let (old, new) = (bson(2), gzip(&bson(3)));
    let (folder, dump) = dump(&[("h/c.bson", &old), ("h/c.bson.gz", &new)]);
    let error = read(&dump, "h.c", Scope::Full).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Source);
    let text = error.explained();
    assert!(text.contains("h/c.bson and ") && text.contains("h/c.bson.gz are") && text.contains("remove"), "{text}");
    assert_eq!(dump.describe(&Namespace::parse("h.c").unwrap(), None).await.unwrap_err().explained(), text);
    assert_eq!(dump.collections().await.unwrap().len(), 1);
    std::fs::remove_file(folder.path().join("h/c.bson")).unwrap();
    assert_eq!(read(&dump, "h.c", Scope::Full).await.unwrap(), [0, 1, 2]);
}

#[tokio::test]
async fn damage_is_named_by_file_and_byte() {
    let bytes = bson(3);
    let each = bytes.len() / 3;
    let mut long = bytes.clone();
    long[each] = 200;
    let mut huge = bytes.clone();
    huge[each + 3] = 0x7f;
    let mut short = bytes.clone();
    // Its last byte is now the `t` of a key; had it been a zero, the next document's length would have been none.
    short[each] -= 10;
    let packed = gzip(&bytes);
    let (_folder, dump) = dump(&[
        ("h/cut.bson", &bytes[..each * 2 - 5]),
        ("h/length.bson", &bytes[..each + 2]),
        ("h/long.bson", &long),
        ("h/huge.bson", &huge),
        ("h/short.bson", &short),
        ("h/packed.bson.gz", &packed[..packed.len() - 12]),
    ]);
    for collection in ["cut", "length", "long", "huge", "short"] {
        let error = read(&dump, &format!("h.{collection}"), Scope::Full).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Source);
        let text = error.to_string();
        assert!(text.contains(&format!("{collection}.bson")) && text.contains(&format!("at byte {each} ")), "{text}");
    }
    let text = read(&dump, "h.packed", Scope::Full).await.unwrap_err().to_string();
    assert!(text.contains("packed.bson.gz ends inside its gzip stream"), "{text}");
}

#[tokio::test]
async fn what_lies_before_the_damage_is_not_kept_back_forever() {
    let bytes = bson(8);
    let (_folder, dump) = dump(&[("h/cut.bson", &bytes[..bytes.len() - 1])]);
    let mut stream = dump.read(request("h.cut", Scope::Full));
    assert_eq!(stream.next().await.unwrap().unwrap().documents.len(), 3);
    assert_eq!(stream.next().await.unwrap().unwrap().documents.len(), 3);
    stream.next().await.unwrap().unwrap_err();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn missing_refused_and_oddly_named_collections() {
    let (_folder, dump) = dump(&[
        ("h/a%2Fb%3Ac.bson", &bson(1)),
        ("h/sensors.bson", &bson(1)),
        ("h/sensors.metadata.json", br#"{"options":{},"type":"timeseries"}"#),
        ("h/system.views.bson", &bson(1)),
        ("secret.bson", &bson(1)),
    ]);
    assert_eq!(read(&dump, "h.a/b:c", Scope::Full).await.unwrap(), [0]);
    let fails = async |collection| {
        let namespace = Namespace::parse(collection).unwrap();
        let error = dump.describe(&namespace, None).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Source);
        assert_eq!(read(&dump, collection, Scope::Full).await.unwrap_err().to_string(), error.to_string());
        error.to_string()
    };
    assert!(fails("h.nothing").await.contains("h.nothing does not exist"));
    assert!(fails("nowhere.nothing").await.contains("does not exist"));
    assert!(fails("h.../secret").await.contains("does not exist"));
    assert!(fails("h.sensors").await.contains("time-series"));
    assert!(fails("h.system.views").await.contains("MongoDB's own"));
}

#[tokio::test]
async fn the_clock_of_a_dump() {
    let (_folder, bare) = dump(&[("h/a.bson", b"")]);
    assert_eq!(bare.bound().await.unwrap(), Bound { time_ms: None, operation_time: None });
    let (_folder, dated) = dump(&[("dump.json", br#"{"started_at":"1970-01-01T00:00:01Z"}"#)]);
    assert_eq!(dated.bound().await.unwrap().time_ms, Some(1000));
    let (_folder, damaged) = dump(&[("dump.json", b"{}")]);
    assert_eq!(damaged.bound().await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(Dump::new("/nonexistent/dump".into()).bound().await.unwrap_err().kind(), Kind::Unavailable);
}
