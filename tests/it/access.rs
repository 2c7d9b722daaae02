//! Who is let in, and how: the least privilege the README names, a private certificate authority, certificates as users.

use crate::support::authority::{Authority, option};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::Mongod;
use mongodb::IndexModel;
use mongodb::bson::{DateTime, Document, doc};
use std::os::unix::fs::PermissionsExt;

fn document(id: i32) -> Document {
    doc! { "_id": id, "updated_at": DateTime::now() }
}

fn manifest(rows: &str) -> String {
    format!("database,collection,timestamp_column\n{rows}\n")
}

/// A user with `read` on one database and nothing else: all of a run's questions are allowed, none is asked in vain.
#[tokio::test]
async fn the_role_read_on_one_database_is_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, "bGFrZWZvbGQ".repeat(8)).expect("write a key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("nobody else's");
    let key = key.to_str().expect("UTF-8");
    let mut server = Mongod::start_as(&["--replSet", "rs0", "--oplogSize", "64", "--auth", "--keyFile", key], "");
    let host = format!("127.0.0.1:{}", server.port());
    let config = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": &host }] };
    server.command(doc! { "replSetInitiate": config }).expect("initiate");
    server.await_primary();
    server.sign_in("admin", "p@ss:w/rd", "");
    let client = server.client().await;
    // Enough for ranges of _id, which need a sample.
    let documents = client.database("h").collection::<Document>("c");
    documents.insert_many((0..10_100).map(document)).await.expect("insert");
    documents.create_index(IndexModel::builder().keys(doc! { "updated_at": 1 }).build()).await.expect("index");
    client.database("other").collection::<Document>("c").insert_one(document(1)).await.expect("insert");
    let reader = doc! { "createUser": "reader", "pwd": "s3cret/ä", "roles": [{ "role": "read", "db": "h" }] };
    server.command(reader).expect("create a user");

    let mut uri = url::Url::parse(&format!("mongodb://{host}/?replicaSet=rs0&authSource=admin")).expect("a URI");
    uri.set_username("reader").expect("a user");
    uri.set_password(Some("s3cret/ä")).expect("a password");
    let place = Workplace::with(&Environment::of(uri.as_str()), &manifest("h,c,updated_at"));
    let refusals = || server.log().matches("Checking authorization failed").count();
    let before = refusals();
    for read in [10_100, 100] {
        let record = place.run(&[], 0);
        let collection = &record["collections"][0];
        assert_eq!(collection["rows"]["read"], read, "{record:#}");
        assert_eq!(collection["retries"], 0, "{record:#}");
        assert_eq!(collection.get("warnings"), None, "an index that cannot be seen would be missed: {record:#}");
        let change = doc! { "$set": { "updated_at": DateTime::now() } };
        documents.update_many(doc! { "_id": { "$lt": 100 } }, change).await.expect("update");
    }
    assert_eq!(refusals(), before, "something was asked that the role does not allow");

    // What the role does not cover fails by itself, and says what to do.
    place.write("collections.csv", manifest("h,c,updated_at\nother,c,updated_at"));
    let record = place.run(&[], 1);
    assert_eq!(record["collections"][0]["outcome"], "ok", "{record:#}");
    let reason = record["collections"][1]["reason"].as_str().expect("a reason");
    assert!(reason.contains("other.c") && reason.contains("grant the user the role read"), "{reason}");
    let checked = place.lakefold(&["check", "--env", "test", "--json"]);
    let refused = checked.finding("other.c", "collection");
    assert_eq!((checked.code, &refused["mark"]), (1, &"failed".into()), "{checked}");
    assert!(refused["hint"].to_string().contains("grant the user the role read"), "{checked}");
    assert!(checked.marks("h.c").iter().all(|(_, mark)| *mark == "ok"), "{checked}");
}

/// A server whose certificate a private authority signed is read with `tlsCAFile`, and only with it; a certificate can
/// stand for user and password.
#[tokio::test]
async fn a_private_certificate_authority_and_certificates_as_users() {
    let authority = Authority::new();
    let (ca, certificate) = (authority.file(), authority.server());
    let flags = ["--nojournal", "--auth", "--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"];
    let files =
        ["--tlsCAFile", ca.to_str().expect("UTF-8"), "--tlsCertificateKeyFile", certificate.to_str().expect("UTF-8")];
    let trusting = format!("&tls=true&{}", option("tlsCAFile", &ca));
    let mut server = Mongod::start_as(&[&flags[..], &files[..]].concat(), &trusting);
    server.sign_in("admin", "right", &trusting);
    let client = server.client().await;
    client.database("h").collection::<Document>("c").insert_many((0..5).map(document)).await.expect("insert");
    let role = doc! { "role": "read", "db": "h" };
    let by_certificate = doc! { "createUser": "CN=reader,OU=people,O=lakefold", "roles": [role.clone()] };
    server.command_on("$external", by_certificate).expect("create a user");
    server.command(doc! { "createUser": "reader", "pwd": "hunter2", "roles": [role] }).expect("create a user");

    let host = format!("127.0.0.1:{}", server.port());
    let by_password = format!("mongodb://reader:hunter2@{host}/?directConnection=true&serverSelectionTimeoutMS=2000");
    let by_certificate = |person: &str| {
        let key = option("tlsCertificateKeyFile", &authority.person(person));
        format!("mongodb://{host}/?directConnection=true&authMechanism=MONGODB-X509{trusting}&{key}")
    };
    for uri in [format!("{by_password}{trusting}"), by_certificate("reader")] {
        let place = Workplace::with(&Environment::of(&uri), &manifest("h,c,updated_at"));
        place.run(&[], 0);
        assert_eq!(read_table(&place.lake(), "h/c").rows.len(), 5);
    }

    let nowhere = ca.with_file_name("nowhere.pem");
    for (uri, says) in [
        (format!("{by_password}&tls=true"), "certificate"),
        (by_password.clone(), "no suitable MongoDB server answers"),
        (format!("{by_password}&tls=true&{}", option("tlsCAFile", &nowhere)), "tlsCAFile"),
        (by_certificate("stranger"), "refuses the user"),
    ] {
        let place = Workplace::with(&Environment::of(&uri), &manifest("h,c,updated_at"));
        let ended = place.lakefold(&["run", "--env", "test"]);
        ended.refused(3, &[says]);
        assert!(!ended.stderr.contains("hunter2"), "{ended}");
    }
}
