//! The binary as the bootstrap of a Lambda function, against a server that speaks the runtime API.

use super::{MANIFEST, bills};
use crate::support::answering::{Answer, Answering, Asked};
use crate::support::lakefold::Ended;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// Serves the events once each, then is gone, which ends the bootstrap.
fn runtime(events: &[(&'static str, u64)]) -> Answering {
    let events: Mutex<VecDeque<(String, u64)>> =
        Mutex::new(events.iter().map(|(event, seconds)| ((*event).to_owned(), *seconds)).collect());
    let served = std::sync::atomic::AtomicUsize::new(0);
    Answering::start(move |asked| {
        if asked.method == "POST" {
            return Answer::new(202, "{}");
        }
        assert_eq!(asked.path, "/2018-06-01/runtime/invocation/next");
        let Some((event, seconds)) = events.lock().expect("events").pop_front() else {
            return Answer::new(410, "no more");
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as u64;
        let number = served.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Answer::new(200, event)
            .header("Lambda-Runtime-Aws-Request-Id", format!("request-{number}"))
            .header("Lambda-Runtime-Deadline-Ms", (now + seconds * 1000).to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:fold")
    })
}

fn answers(runtime: &Answering) -> Vec<(String, Value)> {
    let posted = |asked: &&Asked| asked.method == "POST";
    let answer = |asked: &Asked| (asked.path.clone(), serde_json::from_slice(&asked.body).expect("JSON"));
    runtime.asked().iter().filter(posted).map(answer).collect()
}

#[test]
fn a_function_folds_what_its_events_say() {
    let place = bills(3);
    place.write("env/test.toml", "[source]\nuri = \"dump:source\"\n[lake]\nurl = \"file:lake\"\n");
    place.write("wrong.csv", MANIFEST.replace("timestamp_column", "colour"));
    place.write(
        "env/wrong.toml",
        "manifest = \"wrong.csv\"\n[source]\nuri = \"dump:source\"\n[lake]\nurl = \"file:lake\"\n",
    );
    let runtime = runtime(&[
        // What a schedule sends has no arguments; the function's own environment says which environment it is.
        (r#"{"version":"0","detail-type":"Scheduled Event","source":"aws.events"}"#, 900),
        (r#"{"args":["status","--json"],"env":{"LAKEFOLD_ENV":"test"}}"#, 900),
        (r#"{"args":["run","--env","wrong"]}"#, 900),
        (r#"{"args":"run"}"#, 900),
        // So little time that the run ends before it begins.
        (r#"{"args":["run","--json","--full"]}"#, 0),
    ]);
    let mut command = place.command(&[]);
    let ended = Ended::of(
        command.env("AWS_LAMBDA_RUNTIME_API", runtime.address()).env("LAKEFOLD_ENV", "test").output().expect("start"),
    );
    ended.refused(3, &["wait for an invocation"]);

    let answers = answers(&runtime);
    let paths: Vec<&str> = answers.iter().map(|(path, _)| path.rsplit_once("invocation/").expect("a path").1).collect();
    assert_eq!(
        paths,
        ["request-0/response", "request-1/response", "request-2/error", "request-3/error", "request-4/error"],
        "{answers:#?}\n{ended}"
    );
    let folded = &answers[0].1;
    assert_eq!(folded["exit_code"], 0);
    assert_eq!(folded["output"]["collections"][0]["rows"]["inserted"], 3, "{folded:#}");
    assert_eq!(answers[1].1["output"][0]["collection"], "bills", "one function, many invocations: {answers:#?}");
    assert_eq!(answers[2].1["errorType"], "lakefold.exit.2");
    assert!(ended.stderr.contains("wrong.csv:1"), "what a command says to people is the function's log\n{ended}");
    assert!(answers[3].1["errorMessage"].as_str().expect("a text").contains("the event is not understood"));
    assert_eq!(answers[4].1["errorType"], "lakefold.exit.1");
    assert!(ended.stderr.contains("the deadline of the run has passed"), "{ended}");
}
