//! Slack, Telegram and plain JSON.

use super::{outcome, place, run};
use crate::support::receivers::Receivers;
use serde_json::Value;

fn body(post: &Value) -> Value {
    serde_json::from_str(post["body"].as_str().expect("a body")).expect("JSON")
}

#[test]
fn each_is_told_in_its_own_words() {
    let receivers = Receivers::start();
    let url = |path: &str| receivers.url(path);
    let place = place(&format!(
        "[[webhook]]\nkind = \"slack\"\nurl = \"{}\"\n\
         [[webhook]]\nkind = \"telegram\"\nurl = \"{}\"\ntoken = \"1:abc\"\nchat = \"-100\"\n\
         [[webhook]]\nkind = \"json\"\nname = \"pager\"\nurl = \"{}\"\ntoken = \"s3cret\"\n",
        url("/services/T/B/x"),
        url(""),
        url("/page"),
    ));
    let (_, record) = run(&place, 0);
    for channel in ["slack", "telegram", "pager"] {
        assert_eq!(outcome(&record, channel), "sent");
    }
    let posts = receivers.posts();
    let post =
        |path: &str| posts.iter().find(|post| post["path"] == path).unwrap_or_else(|| panic!("{path}: {posts:?}"));
    let slack = body(post("/services/T/B/x"));
    assert!(slack["text"].as_str().expect("text").starts_with("[test] lakefold OK"), "{slack:#}");
    assert_eq!(slack["blocks"][0]["text"]["text"], ":large_green_circle: test: OK");
    let telegram = body(post("/bot1:abc/sendMessage"));
    assert_eq!((telegram["chat_id"].as_str(), telegram["parse_mode"].as_str()), (Some("-100"), Some("HTML")));
    let pager = post("/page");
    assert_eq!(pager["headers"]["authorization"], "Bearer s3cret");
    assert_eq!(body(pager)["record"]["run_id"], record["run_id"]);
}

#[test]
fn one_that_is_down_costs_nothing_else_and_betrays_nothing() {
    let receivers = Receivers::start();
    let dead = crate::support::free_port();
    let place = place(&format!(
        "[[webhook]]\nkind = \"slack\"\nurl = \"{}\"\n\
         [[webhook]]\nkind = \"telegram\"\nurl = \"{}\"\ntoken = \"1:abc\"\nchat = \"nobody\"\n\
         [[webhook]]\nkind = \"json\"\nname = \"moved\"\nurl = \"{}\"\n\
         [[webhook]]\nkind = \"json\"\nname = \"dead\"\nurl = \"http://u:s3cret@127.0.0.1:{dead}/x\"\n\
         [[webhook]]\nkind = \"json\"\nname = \"fine\"\nurl = \"{}\"\n",
        receivers.url("/status/404"),
        receivers.url(""),
        receivers.url("/status/301"),
        receivers.url("/ok"),
    ));
    let (ended, record) = run(&place, 1);
    let said = outcome(&record, "slack");
    assert!(said.contains("404 Not Found") && said.contains("the webhook may have been removed"), "{said}");
    assert!(outcome(&record, "telegram").contains("chat not found"), "{record:#}");
    assert!(outcome(&record, "moved").contains("301"), "{record:#}");
    assert!(outcome(&record, "dead").contains("the way to it from this machine"), "{record:#}");
    assert_eq!(outcome(&record, "fine"), "sent");
    assert_eq!(record["collections"][0]["outcome"], "ok");
    for secret in ["1:abc", "s3cret", "u:p@h"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{secret}\n{ended}");
    }
}
