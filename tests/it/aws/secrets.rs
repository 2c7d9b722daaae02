//! `${aws-secret:NAME#key}` and `${aws-ssm:NAME}`: fetched once, never shown, and missing in a way that says where.

use super::calls::{record, recorded};
use super::{bills, environment, run, way};
use crate::support::lakefold::Ended;
use crate::support::s3::S3;
use aws_sdk_ssm::types::ParameterType;

/// An environment that wants the two fields of one secret and a parameter.
fn wants(server: &S3) -> String {
    environment(server, "region = \"${aws-ssm:/lake/region}\"\n").replace("dump:source", "${aws-secret:prod/lake#uri}")
        + "[privacy]\nhash_key = \"${aws-secret:prod/lake#hash_key}\"\n"
}

async fn store(server: &S3, secret: &str) {
    let aws = way(server);
    let client = aws_sdk_secretsmanager::Client::new(aws.config().await);
    client.create_secret().name("prod/lake").secret_string(secret).send().await.expect("create a secret");
    let client = aws_sdk_ssm::Client::new(aws.config().await);
    let parameter = client.put_parameter().name("/lake/region").value("us-east-1").r#type(ParameterType::SecureString);
    parameter.send().await.expect("put a parameter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_fetched_once_and_never_shown() {
    let server = S3::moto();
    let place = bills(3);
    store(&server, r#"{"uri":"dump:source","hash_key":"hunter2-the-key"}"#).await;
    place.write("env/test.toml", wants(&server));
    record(&server);
    let ended = run(&place, &server, &["run", "--env", "test", "--json", "-vv"]);
    assert_eq!(ended.code, 0, "{ended}");
    let calls = recorded(&server);
    let fetched = |service: &str| calls.iter().filter(|call| call.service() == service).count();
    assert_eq!((fetched("secretsmanager"), fetched("ssm")), (1, 1), "each once, however often it is named");
    for (what, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        assert!(!text.contains("hunter2"), "{what} shows the secret\n{ended}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_not_there_is_told_at_its_key() {
    let server = S3::moto();
    let place = bills(3);
    place.write("env/test.toml", wants(&server));
    let told = [
        "env/test.toml:2: source.uri: there is no secret `prod/lake`",
        "env/test.toml:6: lake.region: there is no parameter `/lake/region`",
        "env/test.toml:8: privacy.hash_key: there is no secret `prod/lake`",
    ];
    run(&place, &server, &["run", "--env", "test"]).refused(2, &told);

    store(&server, r#"{"url":"hunter2","hash_key":"hunter2"}"#).await;
    let ended = run(&place, &server, &["run", "--env", "test"]);
    ended.refused(2, &["env/test.toml:2: source.uri: secret `prod/lake` has no `uri`"]);
    assert!(!ended.stderr.contains("hunter2"), "{ended}");

    // Nothing is wrong with the file when nobody answers: as with a source that is down, it may be right next time.
    let mut command = place.command(&["run", "--env", "test"]);
    command.envs(server.variables()).env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").env("AWS_MAX_ATTEMPTS", "1");
    let ended = Ended::of(command.output().expect("start lakefold"));
    ended.refused(3, &["env/test.toml:2: source.uri: secret `prod/lake` could not be read: no answer from AWS"]);
    assert!(
        server.plain("GET", "/lake-bucket?list-type=2", "").1.contains("<KeyCount>0</KeyCount>"),
        "nothing touched"
    );
}
