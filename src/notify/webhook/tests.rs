use super::super::mail;
use super::super::tests::{eventful, mornings, quiet};
use super::*;
use crate::model::record::RunRecord;

async fn of(record: &RunRecord, history: &[RunRecord], body: impl Fn(&Report<'_>) -> serde_json::Value) -> String {
    let mail = mail::render(record, history).await.unwrap();
    serde_json::to_string_pretty(&body(&Report { record, history, mail })).unwrap()
}

#[tokio::test]
async fn slack_is_told_in_blocks() {
    insta::assert_snapshot!("eventful_slack", of(&eventful(), &mornings(), slack::body).await);
    let quiet = of(&quiet(), &[], slack::body).await;
    assert!(quiet.contains(":large_green_circle: prod: OK"), "{quiet}");
}

#[tokio::test]
async fn telegram_is_told_in_html() {
    insta::assert_snapshot!("eventful_telegram", of(&eventful(), &mornings(), |r| telegram::body(r, "-100")).await);
}

#[tokio::test]
async fn programs_get_the_whole_record() {
    let body = of(&eventful(), &[], json::body).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((body["format"].as_u64(), body["mood"].as_str()), (Some(1), Some("bad")));
    let record: RunRecord = serde_json::from_value(body["record"].clone()).unwrap();
    assert_eq!(record, eventful());
}

/// Slack takes 50 blocks of 3,000 characters, Telegram 4,096 characters in all.
#[tokio::test]
async fn messages_stay_within_their_bounds() {
    let mut run = eventful();
    let failed = run.collections[1].clone();
    for n in 0..200 {
        let mut one = failed.clone();
        one.collection = format!("patients_{n}");
        one.reason = Some(format!("{n} {}", "why ".repeat(2_000)));
        run.collections.push(one);
    }
    let slack: serde_json::Value = serde_json::from_str(&of(&run, &[], slack::body).await).unwrap();
    let blocks = slack["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for block in blocks {
        let text = block["text"]["text"].as_str().unwrap_or_default();
        assert!(text.chars().count() <= 3_000, "{}", text.chars().count());
    }
    let telegram: serde_json::Value = serde_json::from_str(&of(&run, &[], |r| telegram::body(r, "1")).await).unwrap();
    let text = telegram["text"].as_str().unwrap();
    assert!(text.chars().count() <= 4_096 && text.contains("patients_0"), "{}", text.chars().count());
    assert_eq!(text.matches("<b>").count(), text.matches("</b>").count(), "no tag is cut");
}
