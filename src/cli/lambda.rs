//! lakefold as the `bootstrap` of an AWS Lambda function: asks the runtime API for an invocation, carries it out as a
//! process of its own, answers, asks again.
//!
//! The event says what to do: `{"args": ["run", "--env", "s3://bucket/env/prod.toml"], "env": {"NAME": "value"}}`. Without
//! `args`, as in the event of a schedule, it is `run --json`, with the environment that `LAKEFOLD_ENV` names. The answer
//! holds the exit code and what went to stdout; every code but 0 is an error of the function, because that is what
//! alarms and retries go by, and repeating a run is safe. What goes to stderr is the function's log.
//!
//! A process per invocation, because a warm function serves many: memory, settings and the environment of one are none
//! of the next one's business. Scratch files lie in `/tmp`, the only place a function may write to, and go with it.

use super::exit;
use crate::error::{Error, Kind, Result, ResultExt};
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::process::Command;

/// Where the runtime API answers; set by Lambda alone.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// The deadline of one invocation as `run` takes it.
const DEADLINE: &str = "LAKEFOLD_DEADLINE";

/// A run stops reading this long before the function would be killed, or a tenth of the time there is, if that is less:
/// long enough to end what is being written, and for the mail.
const RESERVE: Duration = Duration::from_secs(60);

/// Lambda takes answers of 6 MB; what is longer is left to the record in the lake.
const ANSWER_MAX: usize = 5_000_000;

/// The address of the runtime API, when this process is the bootstrap of a function.
pub(super) fn runtime_api() -> Option<String> {
    std::env::var(RUNTIME_API).ok().filter(|address| !address.is_empty())
}

/// Serves invocations until the runtime API is gone.
///
/// # Errors
/// [`Kind::Unavailable`] when it does not answer, or not as documented.
pub(super) async fn serve(address: &str) -> Result<()> {
    let api = Api { base: format!("http://{address}/2018-06-01/runtime/invocation"), client: Client::new() };
    loop {
        let invocation = api.next().await?;
        let done = carry_out(&invocation).await;
        api.answer(&invocation.id, done).await?;
    }
}

struct Api {
    base: String,
    client: Client,
}

struct Invocation {
    id: String,
    /// When the function is killed.
    deadline: Option<SystemTime>,
    event: Vec<u8>,
}

/// What the event may say; other fields belong to whatever sent it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Event {
    args: Option<Vec<String>>,
    env: BTreeMap<String, String>,
}

impl Api {
    /// Waits for an invocation, however long it takes: between two the function is frozen.
    async fn next(&self) -> Result<Invocation> {
        let answer = self.client.get(format!("{}/next", self.base)).send().await;
        let answer = understood(answer, "wait for an invocation")?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let id = header("Lambda-Runtime-Aws-Request-Id")
            .ok_or_else(|| Error::new(Kind::Unavailable, "the runtime API gave an invocation no id"))?;
        let deadline = header("Lambda-Runtime-Deadline-Ms").and_then(|ms| ms.parse().ok());
        let event = answer.bytes().await.or_error(Kind::Unavailable, "read the event")?;
        Ok(Invocation {
            id,
            deadline: deadline.map(|ms| UNIX_EPOCH + Duration::from_millis(ms)),
            event: event.to_vec(),
        })
    }

    async fn answer(&self, id: &str, done: Result<Ended>) -> Result<()> {
        let (path, answer) = match done {
            Ok(ended) if ended.code == i32::from(exit::OK) => ("response", ended.answer()),
            Ok(ended) => ("error", ended.failure()),
            Err(error) => ("error", json!({"errorType": "lakefold", "errorMessage": error.to_string()})),
        };
        let url = format!("{}/{id}/{path}", self.base);
        let request = self.client.post(url).json(&answer);
        understood(request.send().await, "answer an invocation").map(|_| ())
    }
}

fn understood(answer: reqwest::Result<Response>, what: &str) -> Result<Response> {
    answer.and_then(Response::error_for_status).or_error(Kind::Unavailable, what)
}

/// How an invocation ended.
struct Ended {
    code: i32,
    stdout: Vec<u8>,
}

impl Ended {
    /// stdout is one JSON document with `--json`, and given as such.
    fn output(&self) -> Value {
        if self.stdout.len() > ANSWER_MAX {
            return Value::Null;
        }
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&self.stdout).into_owned()))
    }

    fn answer(&self) -> Value {
        json!({"exit_code": self.code, "output": self.output()})
    }

    fn failure(&self) -> Value {
        let meaning = exit::HELP.lines().find_map(|line| {
            let (code, meaning) = line.trim_start().split_once("  ")?;
            (code.trim() == self.code.to_string()).then(|| meaning.trim())
        });
        json!({
            "errorType": format!("lakefold.exit.{}", self.code),
            "errorMessage": meaning.unwrap_or("ended by a signal"),
            "exit_code": self.code,
            "output": self.output(),
        })
    }
}

async fn carry_out(invocation: &Invocation) -> Result<Ended> {
    let event = event(&invocation.event)?;
    let args = event.args.unwrap_or_else(|| vec!["run".to_owned(), "--json".to_owned()]);
    let mut command = Command::new(program()?);
    command.args(args).envs(event.env).env_remove(RUNTIME_API);
    if let Some(left) = invocation.deadline.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default()) {
        command.env(DEADLINE, format!("{}ms", usable(left).as_millis()));
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let child = child.spawn().or_error(Kind::Unavailable, "start lakefold")?;
    let output = child.wait_with_output().await.or_error(Kind::Unavailable, "wait for lakefold")?;
    Ok(Ended { code: output.status.code().unwrap_or(-1), stdout: output.stdout })
}

/// An event that is no object, such as `null`, says nothing.
fn event(bytes: &[u8]) -> Result<Event> {
    let wrong = |_| {
        Error::new(Kind::Input, "the event is not understood")
            .hint("send {\"args\": [\"run\", \"--env\", \"NAME\"], \"env\": {\"NAME\": \"value\"}}, both optional")
    };
    let value: Value = serde_json::from_slice(bytes).map_err(wrong)?;
    if value.is_object() { serde_json::from_value(value).map_err(wrong) } else { Ok(Event::default()) }
}

/// What a run may take of the time left.
fn usable(left: Duration) -> Duration {
    left.saturating_sub(RESERVE.min(left / 10)).max(Duration::from_millis(1))
}

/// This program. Without `/proc` it cannot be asked for, but Lambda starts the bootstrap by its whole path.
fn program() -> Result<PathBuf> {
    let named = || std::env::args_os().next().map(PathBuf::from);
    std::env::current_exe().ok().or_else(named).ok_or_else(|| Error::new(Kind::Unavailable, "this program has no name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_what_to_do_or_nothing() {
        let schedule = br#"{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}"#;
        assert_eq!(event(schedule).unwrap(), Event::default());
        assert_eq!(event(b"null").unwrap(), Event::default());
        let told = event(br#"{"args":["status"],"env":{"LAKEFOLD_ENV":"prod"}}"#).unwrap();
        assert_eq!(told.args, Some(vec!["status".to_owned()]));
        assert_eq!(told.env.get("LAKEFOLD_ENV").map(String::as_str), Some("prod"));
        assert_eq!(event(br#"{"args":"status"}"#).unwrap_err().kind(), Kind::Input);
        assert_eq!(event(b"").unwrap_err().kind(), Kind::Input);
    }

    #[test]
    fn a_run_ends_before_the_function_is_killed() {
        assert_eq!(usable(Duration::from_secs(900)), Duration::from_secs(840));
        assert_eq!(usable(Duration::from_secs(60)), Duration::from_secs(54));
        assert_eq!(usable(Duration::ZERO), Duration::from_millis(1));
    }

    #[test]
    fn an_error_says_what_its_code_means() {
        let failure = Ended { code: 1, stdout: b"{\"run_id\":\"R\"}".to_vec() }.failure();
        assert_eq!(failure["errorType"], "lakefold.exit.1");
        assert!(failure["errorMessage"].as_str().unwrap().starts_with("some collection failed"), "{failure}");
        assert_eq!(failure["output"]["run_id"], "R");
    }
}
