//! Source or lake cannot be used at all: one message, exit 3, and no credential in it (P10).

use super::{dump, manifest};
use crate::support::free_port;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::Mongod;
use crate::support::s3::{BUCKET, S3};
use mongodb::bson::doc;

#[test]
fn nobody_listens_at_the_source() {
    let port = free_port();
    let uri = format!("mongodb://reader:hunter2@127.0.0.1:{port}/?serverSelectionTimeoutMS=300");
    let place = Workplace::with(&Environment::of(&uri), &manifest("hospital,bills,updated_at,"));
    let ended = place.lakefold(&["run", "--env", "test"]);
    ended.refused(3, &[&format!("127.0.0.1:{port}")]);
    assert!(!ended.stderr.contains("hunter2"), "{ended}");
}

#[test]
fn the_password_is_wrong() {
    let server = Mongod::start_with_auth("reader", "right");
    let place =
        Workplace::with(&Environment::of(&server.uri_of("reader", "hunter2")), &manifest("hospital,bills,updated_at,"));
    let ended = place.lakefold(&["run", "--env", "test"]);
    ended.refused(3, &["refuses the user or the password"]);
    assert!(!ended.stderr.contains("hunter2"), "{ended}");
}

#[test]
fn the_dump_does_not_exist() {
    let place = Workplace::with(&Environment::of("dump:nowhere"), &manifest("hospital,bills,updated_at,"));
    place.lakefold(&["run", "--env", "test"]).refused(3, &["nowhere"]);
}

#[test]
fn the_lake_is_a_file() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("hospital,bills,updated_at,"));
    dump(&place, "hospital", "bills", &[doc! { "_id": 1 }]);
    place.write("lake", "not a folder");
    place.lakefold(&["run", "--env", "test"]).refused(3, &["lake"]);
}

/// A bucket that does not exist and keys that nobody knows; with the right ones the same place works.
#[test]
fn the_bucket_is_missing_or_forbidden() {
    let server = S3::seaweed();
    let place = Workplace::new();
    dump(&place, "hospital", "bills", &[doc! { "_id": 1, "updated_at": super::at("2024-05-01T00:00:00Z") }]);
    place.write("collections.csv", manifest("hospital,bills,updated_at,"));
    let run = |bucket: &str, secret: Option<&str>| {
        place.write(
            "env/test.toml",
            format!("[source]\nuri = \"dump:source\"\n[lake]\nurl = \"s3://{bucket}/prefix\"\npath_style = true\n"),
        );
        let mut command = place.command(&["run", "--env", "test"]);
        command.envs(server.variables());
        if let Some(secret) = secret {
            command.env("AWS_SECRET_ACCESS_KEY", secret);
        }
        crate::support::lakefold::Ended::of(command.output().expect("start lakefold"))
    };
    run("no-such-bucket", None).refused(3, &["no-such-bucket"]);
    let forbidden = run(BUCKET, Some("hunter2"));
    forbidden.refused(3, &[BUCKET]);
    assert!(!forbidden.stderr.contains("hunter2"), "{forbidden}");
    let ended = run(BUCKET, None);
    assert_eq!(ended.code, 0, "{ended}");
}
