//! The report by SES: what arrives, and what becomes of a run whose report SES does not take.

use super::calls::{Call, record, recorded};
use super::{bills, environment, run, way};
use crate::support::answering::{Answer, Answering};
use crate::support::lakefold::{Ended, Workplace};
use crate::support::s3::S3;
use base64::Engine;
use serde_json::Value;

/// An environment that mails by SES, with more keys.
fn mails(server: &S3, more: &str) -> String {
    environment(server, "")
        + "[mail]\ntransport = \"ses\"\nfrom = \"Lake <lake@example.org>\"\n\
           to = [\"data@example.org\", \"ops@example.org\"]\nreply_to = [\"desk@example.org\"]\n"
        + more
}

/// Lets SES take mail from and to an address or domain. Only senders are checked by moto, as by AWS outside the sandbox.
async fn verify(server: &S3, identity: &str) {
    let client = aws_sdk_sesv2::Client::new(way(server).config().await);
    client.create_email_identity().email_identity(identity).send().await.expect("create an identity");
}

/// The messages SES was given: the request, and the mail as text.
fn sent(calls: &[Call]) -> Vec<(Value, String)> {
    let mails = calls.iter().filter(|call| call.path == "/v2/email/outbound-emails");
    mails
        .map(|call| {
            let request: Value = serde_json::from_slice(&call.body).expect("JSON");
            let raw = request["Content"]["Raw"]["Data"].as_str().expect("a raw message");
            let raw = base64::engine::general_purpose::STANDARD.decode(raw).expect("base64");
            (request, String::from_utf8(raw).expect("7-bit"))
        })
        .collect()
}

fn record_of(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("no record: {e}\n{ended}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_arrives_whole() {
    let server = S3::moto();
    let place = bills(3);
    verify(&server, "lake@example.org").await;
    place.write("env/test.toml", mails(&server, "configuration_set = \"lake\"\n"));
    run(&place, &server, &["run", "--env", "test", "--json"]);
    record(&server);
    // The second report has something to look back on, and so a chart.
    let ended = run(&place, &server, &["run", "--env", "test", "--json", "--full"]);
    let record = record_of(&ended);
    assert_eq!((ended.code, record["notifications"][0]["outcome"].as_str()), (0, Some("sent")), "{ended}");
    let sent = sent(&recorded(&server));
    assert_eq!(sent.len(), 1, "one call for all recipients");
    let (request, mail) = &sent[0];
    assert_eq!(request["FromEmailAddress"], "Lake <lake@example.org>");
    assert_eq!(request["Destination"]["ToAddresses"], serde_json::json!(["data@example.org", "ops@example.org"]));
    assert_eq!(request["ConfigurationSetName"], "lake");
    for part in ["Reply-To: desk@example.org", "Content-Type: text/plain", "Content-Type: text/html", "image/png"] {
        assert!(mail.contains(part), "no {part} in the mail:\n{mail}");
    }
    assert!(mail.lines().all(|line| line.len() < 1_000 && line.is_ascii()), "lines that SES takes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_too_large_is_shortened() {
    let server = S3::moto();
    let place = bills(3);
    verify(&server, "example.org").await;
    place.write("env/test.toml", mails(&server, "max_size = \"1KiB\"\n"));
    record(&server);
    let ended = run(&place, &server, &["run", "--env", "test", "--json"]);
    assert_eq!(ended.code, 0, "{ended}");
    let sent = sent(&recorded(&server));
    let link =
        format!("{}/_lakefold/runs/{}.json", server.url("lake"), record_of(&ended)["run_id"].as_str().expect("id"));
    // Long lines are folded in the message.
    let unfolded = sent[0].1.replace("=\r\n", "");
    assert!(unfolded.contains("too large to be mailed") && unfolded.contains(&link), "{unfolded}");
    let (status, stored) = server.signed("GET", link.split_once("lake-bucket/").expect("a key").1, "");
    assert!(status == 200 && stored.contains("\"collections\""), "the link leads to the record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_one_line_and_loses_no_run() {
    let server = S3::moto();
    let place = bills(3);
    place.write("env/test.toml", mails(&server, ""));
    let ended = run(&place, &server, &["run", "--env", "test", "--json"]);
    let record = record_of(&ended);
    let outcome = record["notifications"][0]["outcome"].as_str().expect("an outcome");
    assert_eq!((ended.code, record["collections"][0]["outcome"].as_str()), (1, Some("ok")), "{ended}");
    assert!(outcome.contains("SES rejects the mail") && outcome.contains("verify `from`"), "{outcome}");
    for to in ["data@example.org", "ops@example.org"] {
        assert!(outcome.contains(to), "each was tried alone: {outcome}");
    }
    let key = format!("lake/_lakefold/runs/{}.json", record["run_id"].as_str().expect("id"));
    assert!(server.signed("GET", &key, "").1.contains("SES rejects"), "the record in the lake says so too");
}

/// What moto never answers, as AWS answers it.
#[test]
fn quota_pause_and_throttling_are_told_apart() {
    let server = S3::moto();
    let place = bills(3);
    place.write("env/test.toml", mails(&server, ""));
    for (status, code, says, calls) in [
        // The SDK takes this name for throttling.
        (400, "LimitExceededException", "the account's sending quota is used up", lakefold::aws::ATTEMPTS as usize),
        (400, "SendingPausedException", "sending is paused", 1),
        (403, "AccessDeniedException", "grant ses:SendRawEmail", 1),
        (404, "NotFoundException", "check `configuration_set`", 1),
        (429, "TooManyRequestsException", "SES was asked too often", lakefold::aws::ATTEMPTS as usize),
    ] {
        let ses = Answering::start(move |_| {
            Answer::new(status, r#"{"message":"User: arn:aws:iam::123456789012:user/hunter2"}"#)
                .header("x-amzn-ErrorType", code)
        });
        let ended = run_with_ses(&place, &server, &ses);
        let record = record_of(&ended);
        let outcome = record["notifications"][0]["outcome"].as_str().expect("an outcome");
        assert!(ended.code == 1 && outcome.contains(says) && !outcome.contains('\n'), "{code}: {outcome}");
        assert!(!ended.stdout.contains("hunter2") && !ended.stderr.contains("hunter2"), "{ended}");
        assert_eq!(ses.asked().len(), calls, "{code}: repeated only where that helps");
    }
}

fn run_with_ses(place: &Workplace, server: &S3, ses: &Answering) -> Ended {
    let mut command = place.command(&["run", "--env", "test", "--json"]);
    command.envs(server.variables()).env("AWS_ENDPOINT_URL_SESV2", ses.url()).env("AWS_ENDPOINT_URL_SES", ses.url());
    Ended::of(command.output().expect("start lakefold"))
}
