//! P10: no credential and no content of a document in anything that is said, logged, recorded, mailed or kept as state.
//!
//! Everything is run at the loudest, good and bad, over documents and secrets that this test knows; then all that came
//! of it is searched for them. The lake's data, its quarantine and the rows of a query are what documents are for.

use crate::support::eml;
use crate::support::free_port;
use crate::support::lakefold::{Ended, Environment, Workplace};
use crate::support::mongod::Mongod;
use crate::support::s3::{BUCKET, S3};
use mongodb::Collection;
use mongodb::bson::{Bson, DateTime, Document, doc};
use std::fs;
use std::path::Path;

const PASSWORD: &str = "hunter2-Passw0rd";
const WRONG: &str = "wr0ng-Passw0rd";
const HASH_KEY: &str = "hash-key-9f3c";
const S3_SECRET: &str = "s3-secret-4b1d";

/// Parts of every value that documents hold; each is unlike anything else the program could say.
const CONTENT: [&str; 8] =
    ["Zebediah", "Quartermain", "zq@clinic", "patient-zq", "ward-zq", "key-zq", "4155550123", "98765432109876"];

/// What was said, and by what.
#[derive(Default)]
struct Said {
    texts: Vec<(String, String)>,
    /// Commands that did not end as they should.
    surprises: Vec<String>,
    /// Files that the test itself wrote content into.
    damaged: Vec<String>,
}

impl Said {
    fn note(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.texts.push((what.into(), text.into()));
    }

    /// Everything of a working directory but what a person wrote there and what documents are for.
    fn note_files(&mut self, place: &Workplace) {
        if place.path().join("mail").exists() {
            for mail in eml::texts(&place.path().join("mail")) {
                self.note("a mail", mail);
            }
        }
        self.note_state(&place.lake().join("_lakefold"));
    }

    fn note_state(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if !path.ends_with("quarantine") {
                    self.note_state(&path);
                }
            } else {
                let mut bytes = fs::read(&path).expect("read a file");
                if path.extension().is_some_and(|end| end == "zst") {
                    bytes = zstd::decode_all(bytes.as_slice()).expect("a compressed file");
                }
                self.note(path.display().to_string(), String::from_utf8_lossy(&bytes));
            }
        }
    }

    /// Insists that no secret stands anywhere, and no content but the folders in the state of where rows are.
    fn holds_nothing(&self) {
        let mut found = Vec::new();
        for (what, text) in &self.texts {
            if self.damaged.contains(what) {
                continue;
            }
            let places = what.contains("/_lakefold/index/") || what.contains("/_lakefold/journal/");
            // The state of a schema needs the names that older files have, keys used as data among them.
            let names = what.contains("/_lakefold/schemas/");
            let secrets = [PASSWORD, WRONG, HASH_KEY, S3_SECRET];
            for needle in secrets
                .into_iter()
                .chain(CONTENT)
                .filter(|needle| !(places && *needle == "ward-zq" || names && *needle == "key-zq"))
            {
                let lower = text.to_lowercase();
                if let Some(at) = lower.find(&needle.to_lowercase()) {
                    let around: String =
                        lower.chars().skip(lower[..at].chars().count().saturating_sub(80)).take(200).collect();
                    found.push(format!("{needle:?} in {what}: …{around}…"));
                }
            }
        }
        assert!(found.is_empty(), "{} of {}:\n{}", found.len(), self.texts.len(), found.join("\n"));
    }
}

/// A working directory whose commands are all noted.
struct Scene<'a> {
    place: Workplace,
    format: &'static str,
    said: &'a mut Said,
}

impl Scene<'_> {
    /// Runs a command at its loudest; its end must be one of `codes`.
    fn lakefold(&mut self, arguments: &[&str], codes: &[i32]) -> Ended {
        let mut command = self.place.command(arguments);
        command.args(["--env", "test", "-vv", "--log", self.format]);
        command.env("HASH_KEY", HASH_KEY).env("AWS_ACCESS_KEY_ID", "somebody").env("AWS_SECRET_ACCESS_KEY", S3_SECRET);
        let ended = Ended::of(command.output().expect("start lakefold"));
        if !codes.contains(&ended.code) {
            self.said.surprises.push(format!("{arguments:?}, not {codes:?}\n{ended}"));
        }
        self.said.note(format!("stderr of {arguments:?}"), &ended.stderr);
        if arguments[0] != "query" {
            self.said.note(format!("stdout of {arguments:?}"), &ended.stdout);
        }
        ended
    }

    fn environment(&self, uri: &str, lake: &str) {
        self.place.environment(&Environment::of(uri));
        let path = self.place.path().join("env/test.toml");
        let text = fs::read_to_string(&path).expect("the environment").replace("file:lake", lake);
        self.place.write("env/test.toml", text + "[privacy]\nhash_key = \"${HASH_KEY}\"\n");
    }

    fn manifest(&self, partition: &str) {
        let header = "database,collection,timestamp_column,partition_by,hash\n";
        self.place.write("collections.csv", format!("{header}h,patients,updated_at,{partition},email\n"));
    }
}

fn patient(n: i32) -> Document {
    doc! {
        "_id": format!("patient-zq-{n}"), "name": "Zebediah Quartermain", "email": "zq@clinic.example",
        "site": format!("ward-zq-{}", n % 3), "age": n, "phone": "4155550123", "updated_at": DateTime::now(),
        "amount": "1.5".parse::<mongodb::bson::Decimal128>().expect("a decimal"),
    }
}

/// Values that change types, do not fit, cannot be placed, and one document of too many keys.
fn untidy() -> Vec<Document> {
    let keys: Document = (0..700).map(|n| (format!("key-zq-{n}"), Bson::String("Zebediah".to_owned()))).collect();
    let mut nan = patient(101);
    nan.insert("amount", "NaN".parse::<mongodb::bson::Decimal128>().expect("a decimal"));
    let mut old = patient(102);
    old.insert("updated_at", Bson::Array(vec![DateTime::now().into(), DateTime::from_millis(i64::MAX).into()]));
    let mut strange = patient(103);
    strange.insert("age", "Zebediah's age");
    strange.insert("phone", doc! { "home": ["4155550123", 4.5] });
    strange.insert("Name", "Quartermain");
    let mut unplaced = patient(104);
    unplaced.insert("site", doc! { "name": "ward-zq" });
    let mut blind = patient(105);
    blind.insert("updated_at", "Zebediah o'clock");
    let mut many = patient(106);
    many.insert("scores", keys);
    vec![nan, old, strange, unplaced, blind, many]
}

/// Keys that are data, once the guard of keys has tripped: new ones, and values that make JSON text of the map.
fn more_keys() -> Document {
    let value = |n: i32| if n % 2 == 0 { Bson::Int32(n) } else { Bson::Document(doc! { "key-zq-below": "Zebediah" }) };
    let mut many = patient(107);
    many.insert("scores", (700..1400).map(|n| (format!("key-zq-{n}"), value(n))).collect::<Document>());
    many
}

async fn write(documents: &Collection<Document>, all: impl IntoIterator<Item = Document>) {
    for document in all {
        let id = doc! { "_id": document.get("_id").expect("an _id") };
        documents.replace_one(id, document).upsert(true).await.expect("write");
    }
}

/// Replaces the start of the first file below `folder` whose path holds `part`; says which.
fn damage(folder: &Path, part: &str) -> String {
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).expect("list a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.to_str().expect("UTF-8").contains(part) {
                let mut bytes = fs::read(&path).expect("read a file");
                if path.extension().is_some_and(|end| end == "zst") {
                    bytes = zstd::decode_all(bytes.as_slice()).expect("a compressed file");
                }
                let half = bytes.len() / 2;
                fs::write(&path, [&b"Zebediah"[..], &bytes[half..]].concat()).expect("damage a file");
                return path.display().to_string();
            }
        }
    }
    panic!("no file with {part}");
}

async fn at_a_server(server: &Mongod, said: &mut Said, format: &'static str) {
    let documents = server.client().await.database("h").collection::<Document>("patients");
    documents.drop().await.expect("start anew");
    write(&documents, (0..30).map(patient)).await;
    let mut scene = Scene { place: Workplace::new(), format, said };
    scene.environment(&server.uri_of("reader", PASSWORD), "file:lake");
    scene.manifest("site=site");
    scene.lakefold(&["run"], &[0]);
    scene.place.write("pins.csv", "database,collection,path,type\n");
    write(&documents, untidy()).await;
    let moved = doc! { "$set": { "site": "ward-zq-moved", "updated_at": DateTime::now() } };
    documents.update_many(doc! { "age": { "$lt": 5 } }, moved).await.expect("update");
    scene.lakefold(&["run", "--dry-run", "--json"], &[0]);
    scene.lakefold(&["run"], &[0]);
    scene.lakefold(&["schema", "h.patients"], &[0]);
    write(&documents, [more_keys()]).await;
    scene.lakefold(&["run", "--json"], &[0]);
    for command in ["status", "check", "plan"] {
        scene.lakefold(&[command], &[0, 1]);
        scene.lakefold(&[command, "--json"], &[0, 1]);
    }
    scene.lakefold(&["init"], &[0]);
    scene.lakefold(&["report"], &[0, 2]);
    for arguments in
        [&["schema", "h.patients"][..], &["schema", "h.patients", "--json"], &["schema", "h.patients", "--ddl"]]
    {
        scene.lakefold(arguments, &[0]);
    }
    scene.lakefold(&["query", "-e", "SELECT * FROM h.patients"], &[0]);
    for sql in [
        "SELECT CAST(name AS BIGINT) FROM h.patients",
        "SELECT CAST(phone AS TIMESTAMP) FROM h.patients",
        "SELECT arrow_cast(name, 'Date32') FROM h.patients",
        "SELECT nothing FROM h.patients",
    ] {
        scene.lakefold(&["query", "-e", sql], &[1]);
    }

    views_that_fail(server, &mut scene).await;

    // A pin that refuses, another way to partition, a table that shrinks.
    scene.place.write("pins.csv", "database,collection,path,type\nh,patients,name,bigint\n");
    scene.lakefold(&["run"], &[1]);
    scene.lakefold(&["run", "--full", "--strict"], &[0, 1]);
    scene.place.write("pins.csv", "database,collection,path,type\n");
    scene.manifest("place=name");
    scene.lakefold(&["run"], &[1]);
    scene.manifest("site=site");
    documents.delete_many(doc! { "age": { "$gte": 3 } }).await.expect("delete");
    scene.lakefold(&["run", "--full"], &[1]);

    // Damage in the lake: a data file, then the state.
    let damaged = damage(&scene.place.lake().join("h/patients"), "ward-zq-moved");
    scene.said.damaged.push(damaged);
    let change = doc! { "$set": { "updated_at": DateTime::now(), "name": "Quartermain" } };
    documents.update_many(doc! {}, change).await.expect("update");
    scene.lakefold(&["run"], &[1]);
    scene.lakefold(&["status"], &[0, 1]);
    scene.lakefold(&["query", "-e", "SELECT max(name) FROM h.patients"], &[1]);
    let damaged = damage(&scene.place.lake().join("_lakefold/schemas"), "patients");
    scene.said.damaged.push(damaged);
    scene.lakefold(&["run"], &[1, 3]);
    scene.lakefold(&["schema", "h.patients"], &[1]);
    let damaged = damage(&scene.place.lake().join("_lakefold/watermarks"), "patients");
    scene.said.damaged.push(damaged);
    scene.lakefold(&["run"], &[1, 3]);

    // Nobody is let in, or nobody is there.
    for uri in [
        server.uri_of("reader", WRONG),
        format!("mongodb://reader:{PASSWORD}@127.0.0.1:{}/?serverSelectionTimeoutMS=200", free_port()),
        format!("mongodb://reader:{PASSWORD}@[::1/"),
        // A `?` that is not percent-encoded ends what could be a host with its port.
        format!("mongodb://reader:{PASSWORD}?@127.0.0.1/"),
        format!("mongodb://reader:27017?{PASSWORD}=@127.0.0.1/"),
        format!("mongodb://reader:{PASSWORD}@127.0.0.1/?tls=true&tlsCertificateKeyFilePassword={WRONG}&nonsense=1"),
    ] {
        scene.environment(&uri, "file:lake");
        for command in ["run", "check", "plan"] {
            scene.lakefold(&[command], &[1, 2, 3]);
        }
    }
    scene.environment(&format!("mongo://reader:{PASSWORD}@h/"), "file:lake");
    scene.lakefold(&["run"], &[2]);
    scene.environment(&server.uri_of("reader", PASSWORD), &format!("s3://key:{S3_SECRET}@bucket/lake"));
    scene.lakefold(&["run"], &[2]);
    let Scene { place, said, .. } = scene;
    said.note_files(&place);
}

/// Views whose pipelines fail on what documents hold: the server quotes it, in quotes that it holds itself and without.
async fn views_that_fail(server: &Mongod, scene: &mut Scene<'_>) {
    let database = server.client().await.database("h");
    let notes = database.collection::<Document>("notes");
    let account = "98765432109876".parse::<mongodb::bson::Decimal128>().expect("a decimal");
    let all = [doc! { "_id": 1, "note": "O'Brien 12 Zebediah" }, doc! { "_id": 2, "account": account }];
    notes.insert_many(all).await.expect("insert");
    let mut manifest = "database,collection,timestamp_column,partition_by,hash\n".to_owned();
    for (name, field) in [("of_texts", "$note"), ("of_numbers", "$account")] {
        let pipeline = [doc! { "$addFields": { "n": { "$toInt": field } } }];
        let view = doc! { "create": name, "viewOn": "notes", "pipeline": &pipeline[..] };
        database.run_command(view).await.expect("create a view");
        manifest += &format!("h,{name},,,\n");
    }
    scene.place.write("collections.csv", manifest);
    let ended = scene.lakefold(&["run", "--json"], &[1]);
    for words in ["MongoDB answers with error 241 (ConversionFailure)", r#"getCollection(\"of_texts\").find()"#] {
        assert!(ended.stdout.contains(words), "{words}\n{ended}");
    }
    for command in ["check", "plan", "init"] {
        scene.lakefold(&[command], &[0, 1]);
    }
    for name in ["of_texts", "of_numbers", "notes"] {
        database.collection::<Document>(name).drop().await.expect("drop");
    }
    scene.manifest("site=site");
}

fn at_a_dump(said: &mut Said, format: &'static str) {
    let mut scene = Scene { place: Workplace::new(), format, said };
    scene.environment("dump:source", "file:lake");
    scene.manifest("site=site");
    let raw = |n| patient(n).to_vec().expect("BSON");
    // A text that is no UTF-8 in a document that is whole otherwise.
    let mut damaged = raw(50);
    let at = damaged.windows(8).position(|bytes| bytes == b"Zebediah").expect("the name");
    damaged[at + 3] = 0xff;
    let whole: Vec<u8> = (0..5).flat_map(raw).chain(damaged).collect();
    scene.place.write("source/h/patients.bson", &whole);
    scene.lakefold(&["run"], &[0]);
    scene.lakefold(&["run", "--strict", "--full"], &[1]);
    let mut cut = whole;
    cut.truncate(cut.len() - 9);
    scene.place.write("source/h/patients.bson", &cut);
    scene.lakefold(&["run"], &[1]);
    let Scene { place, said, .. } = scene;
    said.note_files(&place);
}

fn at_s3(server: &S3, said: &mut Said, format: &'static str) {
    let mut scene = Scene { place: Workplace::new(), format, said };
    scene.manifest("site=site");
    let bytes: Vec<u8> = (0..5).flat_map(|n| patient(n).to_vec().expect("BSON")).collect();
    scene.place.write("source/h/patients.bson", bytes);
    // The wrong keys, and no such bucket.
    let endpoint = server.variables().into_iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").expect("an endpoint").1;
    for bucket in [BUCKET, "no-such-bucket"] {
        let lake = format!("s3://{bucket}/lake\"\nregion = \"us-east-1\"\nendpoint = \"{endpoint}");
        scene.environment("dump:source", &lake);
        scene.lakefold(&["run"], &[3]);
        scene.lakefold(&["status"], &[1, 3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_holds_a_secret_or_a_document() {
    let server = Mongod::start_with_auth("reader", PASSWORD);
    let s3 = S3::seaweed();
    let mut said = Said::default();
    for format in ["text", "json"] {
        at_a_server(&server, &mut said, format).await;
        at_a_dump(&mut said, format);
        at_s3(&s3, &mut said, format);
    }
    assert!(said.texts.len() > 100, "{} outputs", said.texts.len());
    assert!(said.surprises.is_empty(), "{}", said.surprises.join("\n\n"));
    said.holds_nothing();
}
