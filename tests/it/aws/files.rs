//! Manifest, pins and environment at `s3://`: read as from disk, and wrong as clearly.

use super::{MANIFEST, bills, environment, run};
use crate::support::s3::{BUCKET, S3};

fn put(server: &S3, key: &str, body: &str) {
    assert_eq!(server.signed("PUT", key, body).0, 200, "{key}");
}

#[test]
fn an_environment_and_its_manifest_may_lie_in_s3() {
    let server = S3::seaweed();
    let place = bills(3);
    let manifest = format!("s3://{BUCKET}/config/collections.csv");
    let env = format!("s3://{BUCKET}/config/prod.toml");
    let environment = format!("manifest = \"{manifest}\"\n{}", environment(&server, ""));
    put(&server, "config/prod.toml", &environment);
    put(&server, "config/collections.csv", MANIFEST);
    let ended = run(&place, &server, &["run", "--env", &env, "--json"]);
    assert_eq!(ended.code, 0, "{ended}");
    let record: serde_json::Value = serde_json::from_str(&ended.stdout).expect("a record");
    assert_eq!(
        (record["environment"].as_str(), &record["collections"][0]["rows"]["inserted"]),
        (Some("prod"), &3.into())
    );
    // The limits that were set, and what was asked under them.
    let requests = &record["requests"];
    assert_eq!(
        (&requests["at_once"], &requests["repeats"], &requests["repeats_within"]),
        (&64.into(), &10.into(), &180.into())
    );
    assert!(requests["writes"].as_u64() > Some(2) && requests["reads"].as_u64() > Some(2), "{requests}");

    // Pins lie beside the manifest, there as here.
    put(&server, "config/pins.csv", "database,collection,path,type\nhospital,bills,n,sideways\n");
    let pins = format!("s3://{BUCKET}/config/pins.csv:2");
    run(&place, &server, &["run", "--env", &env]).refused(2, &[&pins, "sideways"]);
    put(&server, "config/collections.csv", "database,collection,colour\nhospital,bills,red\n");
    run(&place, &server, &["run", "--env", &env]).refused(2, &[&format!("{manifest}:1"), "colour"]);
    assert_eq!(server.signed("DELETE", "config/collections.csv", "").0, 204);
    run(&place, &server, &["run", "--env", &env]).refused(2, &[&format!("{manifest}: no such file")]);

    let missing = format!("s3://{BUCKET}/config/dev.toml");
    run(&place, &server, &["run", "--env", &missing]).refused(2, &[&format!("{missing}: no such file")]);
    let bucket = format!("s3://{BUCKET}/");
    run(&place, &server, &["run", "--env", &bucket]).refused(2, &["names no object", "s3://bucket/key"]);
    run(&place, &server, &["run", "--env", "s3://no-such-bucket/prod.toml"])
        .refused(3, &["s3://no-such-bucket/prod.toml", "the bucket does not exist"]);
    let mut command = place.command(&["run", "--env", &env]);
    let ended = command.envs(server.variables()).env("AWS_SECRET_ACCESS_KEY", "hunter2").output().expect("start");
    let ended = crate::support::lakefold::Ended::of(ended);
    ended.refused(3, &[&env, "no permission"]);
    assert!(!ended.stderr.contains("hunter2"), "{ended}");
}
