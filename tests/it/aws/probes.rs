//! What `check` finds out of AWS before the first run, by calls that change nothing and send nothing.

use super::calls::{record, recorded};
use super::{bills, environment, run, way};
use crate::catalog::stand::{Stand, at};
use crate::support::lakefold::Ended;
use crate::support::s3::S3;
use aws_sdk_glue::types::{DeleteBehavior, RecrawlBehavior, RecrawlPolicy, SchemaChangePolicy, UpdateBehavior};
use serde_json::{Value, json};

/// `check --json` of a stand.
fn check(stand: &Stand, code: i32) -> Ended {
    let mut command = stand.place.command(&["check", "--env", "test", "--json"]);
    let ended = Ended::of(command.envs(stand.s3.variables()).output().expect("start lakefold"));
    assert_eq!(ended.code, code, "{ended}");
    ended
}

fn stand(catalog: &str) -> Stand {
    let stand = Stand::new(catalog);
    stand.manifest(&["clinic,visits,updated_at,"]);
    stand.source("clinic", "visits", &[at(1, "a", 0)]);
    stand
}

/// The actions of Glue that were called since the last look.
fn called(stand: &Stand) -> Vec<String> {
    stand.counts().into_keys().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crawler_is_looked_at_and_left_as_it_is() {
    let stand = stand("mode = \"crawler\"");
    let ended = check(&stand, 1);
    assert_eq!(ended.marks("catalog"), [("crawler", "failed")], "{ended}");
    let hint = ended.finding("catalog", "crawler")["hint"].as_str().expect("a hint").to_owned();
    let command = "\n  aws glue create-crawler --name 'test-clinic' --role 'ROLE' --database-name 'clinic' --targets ";
    assert!(hint.contains(command) && hint.contains(&stand.location("clinic/visits")), "{hint}");

    stand.crawler("test-clinic", "clinic", Vec::new()).await;
    stand.calls();
    let ended = check(&stand, 0);
    assert_eq!(ended.marks("catalog"), [("crawler", "ok"), ("recrawl", "ok"), ("state", "ok")], "{ended}");
    assert_eq!(called(&stand), ["GetCrawler"]);

    let recrawl = RecrawlPolicy::builder().recrawl_behavior(RecrawlBehavior::CrawlNewFoldersOnly).build();
    let changes =
        SchemaChangePolicy::builder().update_behavior(UpdateBehavior::Log).delete_behavior(DeleteBehavior::Log).build();
    let update = stand.glue.update_crawler().name("test-clinic").recrawl_policy(recrawl).schema_change_policy(changes);
    update.send().await.expect("change the crawler");
    let ended = check(&stand, 1);
    let marks = [("crawler", "ok"), ("recrawl", "failed"), ("columns", "warning"), ("state", "ok")];
    assert_eq!(ended.marks("catalog"), marks, "{ended}");
    let hint = ended.finding("catalog", "recrawl")["hint"].to_string();
    assert!(hint.contains("aws glue update-crawler --name test-clinic --recrawl-policy RecrawlBehavior=CRAWL_EVERY"));

    let recrawl = RecrawlPolicy::builder().recrawl_behavior(RecrawlBehavior::CrawlEverything).build();
    stand.glue.update_crawler().name("test-clinic").recrawl_policy(recrawl).send().await.expect("change the crawler");
    stand.crawls_take(600.0);
    stand.glue.start_crawler().name("test-clinic").send().await.expect("start the crawler");
    let ended = check(&stand, 0);
    let state = ended.finding("catalog", "state");
    assert!(state["mark"] == "ok" && state["says"].to_string().contains("is at work"), "{ended}");

    // A run asks the same, so that it would fail too.
    stand.refuse(json!([{ "action": "GetCrawler", "code": "AccessDeniedException" }]));
    let ended = check(&stand, 1);
    let crawler = ended.finding("catalog", "crawler");
    assert_eq!(
        (&crawler["mark"], &crawler["hint"]),
        (&json!("failed"), &json!("allow glue:GetCrawler to the role of this process")),
        "{ended}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_would_create_is_not_tried() {
    let stand = stand("mode = \"crawler\"\ncreate = true\nrole = \"crawler\"");
    let ended = check(&stand, 0);
    assert_eq!(ended.marks("catalog"), [("crawler", "skipped"), ("database", "skipped")], "{ended}");
    assert_eq!(called(&stand), ["GetCrawler", "GetDatabase"]);

    stand.catalog("mode = \"tables\"");
    let ended = check(&stand, 0);
    assert_eq!(ended.marks("catalog"), [("database", "skipped")], "{ended}");
    stand.run(&[], 0);
    stand.calls();
    let ended = check(&stand, 0);
    assert_eq!(ended.marks("catalog"), [("database", "ok")], "{ended}");
    assert_eq!(called(&stand), ["GetDatabase"]);
    stand.refuse(json!([{ "action": "GetDatabase", "code": "AccessDeniedException" }]));
    let ended = check(&stand, 1);
    assert_eq!(ended.marks("catalog"), [("database", "failed")], "{ended}");
    assert!(ended.finding("catalog", "database")["hint"].to_string().contains("glue:GetDatabase"), "{ended}");
}

/// Tells the stand-in how it is to answer.
fn tell(server: &S3, what: &str, value: &Value) {
    assert_eq!(server.plain("POST", &format!("/stand-in/{what}"), &value.to_string()).0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mail_identity_and_the_account_are_looked_at() {
    let server = S3::aws();
    let place = bills(3);
    let mail = "[mail]\ntransport = \"ses\"\nfrom = \"Lake <lake@mail.example.org>\"\n\
                to = [\"data@example.org\", \"ops@elsewhere.org\"]\n";
    place.write("env/test.toml", environment(&server, "") + mail);
    let check = |code: i32| {
        let ended = run(&place, &server, &["check", "--env", "test", "--json"]);
        assert_eq!(ended.code, code, "{ended}");
        ended
    };
    let ended = check(1);
    assert_eq!(ended.marks("mail"), [("sender", "failed"), ("account", "ok")], "{ended}");
    let hint = ended.finding("mail", "sender")["hint"].to_string();
    let command = "\\n  aws sesv2 create-email-identity --email-identity lake@mail.example.org --region us-east-1";
    assert!(hint.contains(command), "{hint}");

    // The domain above it is enough, once it is verified.
    let ses = aws_sdk_sesv2::Client::new(way(&server).config().await);
    ses.create_email_identity().email_identity("example.org").send().await.expect("create an identity");
    let ended = check(1);
    assert!(ended.finding("mail", "sender")["says"].to_string().contains("example.org is known to SES"), "{ended}");
    tell(&server, "verified", &json!(["example.org"]));
    record(&server);
    let ended = check(0);
    assert_eq!(ended.marks("mail"), [("sender", "ok"), ("account", "ok")], "{ended}");
    let calls = recorded(&server);
    assert!(calls.iter().filter(|call| call.service() == "ses").all(|call| call.method == "GET"), "{calls:#?}");

    tell(&server, "account", &json!({ "ProductionAccessEnabled": false }));
    let ended = check(1);
    let marks = [("sender", "ok"), ("account", "warning"), ("recipient", "failed")];
    assert_eq!(ended.marks("mail"), marks, "data@example.org is verified by its domain: {ended}");
    assert!(ended.finding("mail", "recipient")["says"].to_string().contains("ops@elsewhere.org"), "{ended}");
    tell(&server, "account", &json!({ "SendingEnabled": false }));
    assert_eq!(check(1).marks("mail"), [("sender", "ok"), ("account", "failed")]);

    // Runs need neither call: without the permission nothing is known, and nothing is wrong.
    tell(&server, "account", &json!({}));
    let denied = |action: &str| json!({ "action": action, "code": "AccessDeniedException", "status": 403 });
    tell(&server, "faults", &json!([denied("GetEmailIdentity"), denied("GetAccount")]));
    let ended = check(0);
    assert_eq!(ended.marks("mail"), [("sender", "skipped"), ("account", "skipped")], "{ended}");
    assert!(ended.finding("mail", "sender")["says"].to_string().contains("may not call ses:GetEmailIdentity"));
}
