//! The three renderings of one run, side by side, and the mail as a file.

use super::*;
use crate::model::record::{Bytes, CatalogRecord, CollectionRecord, FORMAT, Files, Outcome, Rows, SchemaChange};
use crate::model::secret::Secret;
use crate::model::settings::{MailSettings, MailTransport, MetricsSettings};
use crate::model::status::{CollectionStatus, Growth, LastRun};
use std::time::Duration;

/// `hospital.<name>`, read a few minutes ago.
pub(super) fn collection(name: &str, outcome: Outcome) -> CollectionRecord {
    CollectionRecord {
        database: "hospital".into(),
        collection: name.into(),
        outcome,
        reason: None,
        mode: "incremental".into(),
        window_from: Some("2026-11-20T03:50:00Z".into()),
        watermark: Some("2026-11-21T04:00:00Z".into()),
        rows: Rows::default(),
        files: Files::default(),
        bytes: Bytes::default(),
        partitions_new: 0,
        seconds: 0.21,
        schema_changes: Vec::new(),
        misfits: 0,
        retries: 0,
        warnings: Vec::new(),
    }
}

/// A run of three minutes.
pub(super) fn record(exit_code: u8, collections: Vec<CollectionRecord>) -> RunRecord {
    RunRecord {
        format: FORMAT,
        run_id: "20261121T040000Z-3f9a1c".into(),
        environment: "prod".into(),
        named: None,
        started_at: "2026-11-21T04:00:02Z".into(),
        finished_at: "2026-11-21T04:03:07Z".into(),
        exit_code,
        dry_run: false,
        collections,
        catalog: Vec::new(),
        notifications: Vec::new(),
        requests: None,
    }
}

/// A morning with everything in it: large and small numbers, a failure, a busy one, changes and warnings.
pub(super) fn eventful() -> RunRecord {
    let mut bills = collection("bills", Outcome::Ok);
    bills.rows = Rows {
        read: 1_234_567,
        inserted: 1_200_000,
        updated: 30_000,
        unchanged: 4_500,
        superseded: 67,
        moved: 12,
        ..Rows::default()
    };
    bills.files = Files { written: 365, deleted: 1, retyped: 40 };
    bills.bytes = Bytes { read: 2_147_483_648, written: 312_000_000 };
    bills.seconds = 184.6;
    bills.misfits = 4;
    bills.schema_changes = vec![
        SchemaChange {
            path: "amount".into(),
            column: "amount".into(),
            from: Some("double".into()),
            to: "decimal(38,10)".into(),
            count: 812,
            example_ids: vec!["665f1c2ab1e4d3a2c0000001".into(), "17".into()],
        },
        SchemaChange {
            path: "lineItems.taxes".into(),
            column: "line_items.taxes".into(),
            from: None,
            to: "array<struct<name:string,rate:double>>".into(),
            count: 1,
            example_ids: Vec::new(),
        },
    ];
    let mut patients = collection("patients", Outcome::Failed);
    patients.watermark = Some("2026-11-20T04:00:00Z".into());
    patients.reason = Some(
        "partition_by path facility.id <script> is in no document\ncorrect partition_by of this row in collections.csv"
            .into(),
    );
    let mut stock = collection("pharmacy_stock_movements", Outcome::Busy);
    stock.reason = Some("run 20261121T035500Z-aa00bb on host etl-2 holds the lease since 03:55".into());
    let mut visits = collection("visits", Outcome::Ok);
    visits.rows = Rows { read: 3, inserted: 1, quarantined: 2, ..Rows::default() };
    visits.files.written = 1;
    visits.bytes = Bytes { read: 900, written: 5_000 };
    visits.warnings = vec![
        "no index on updated_at: every window reads the whole collection on the server; create one:\n  \
         db.getSiblingDB(\"hospital\").getCollection(\"visits\").createIndex({\"updated_at\":1})"
            .into(),
    ];
    let mut record = record(1, vec![bills, patients, stock, visits, collection("wards", Outcome::Idle)]);
    record.catalog = vec![CatalogRecord {
        crawler: "prod-hospital".into(),
        outcome: "started".into(),
        targets_added: 2,
        ..CatalogRecord::default()
    }];
    record.notifications =
        vec![NotificationRecord { channel: "mail".into(), outcome: "create folder mail: Permission denied".into() }];
    record
}

/// Every collection was looked at and nothing had changed.
pub(super) fn quiet() -> RunRecord {
    record(0, vec![collection("bills", Outcome::Idle), collection("visits", Outcome::Idle)])
}

/// A month of mornings before [`eventful`]: a first load, ordinary days, some in which patients failed.
pub(super) fn mornings() -> Vec<RunRecord> {
    let morning = |day: u32| {
        let mut run = eventful();
        run.run_id = format!("202610{day:02}T040000Z-000000");
        run.started_at = format!("2026-10-{day:02}T04:00:02Z");
        run.finished_at = format!("2026-10-{day:02}T04:0{}:{:02}Z", day % 4, 10 + day);
        run.exit_code = 0;
        for c in &mut run.collections {
            (c.outcome, c.reason, c.schema_changes, c.warnings) = (Outcome::Ok, None, Vec::new(), Vec::new());
        }
        let bills = if day == 2 { 2_000_000 } else { 9_000 + u64::from(day * 7_919 % 5_000) };
        run.collections[0].rows.inserted = bills;
        run.collections[0].bytes.written = bills * 250;
        if day > 28 {
            run.collections[1].outcome = Outcome::Failed;
        }
        run
    };
    (1..=30).map(morning).collect()
}

#[tokio::test]
async fn an_eventful_run_is_told_in_full() {
    insta::assert_snapshot!("eventful_summary_80", summary(&eventful(), 80));
    insta::assert_snapshot!("eventful_summary_160", summary(&eventful(), 160));
    let mail = mail::render(&eventful(), &mornings()).await.unwrap();
    insta::assert_snapshot!("eventful_subject", mail.subject);
    insta::assert_snapshot!("eventful_text", mail.text);
    insta::assert_snapshot!("eventful_html", mail.html);
    insta::assert_snapshot!("eventful_page", page(&eventful(), &mornings()).unwrap());
    let names: Vec<&str> = mail.pictures.iter().map(|picture| picture.name).collect();
    assert_eq!(names, ["rows", "minutes"]);
    for picture in &mail.pictures {
        assert!(mail.html.contains(&format!("cid:{}", picture.cid())), "{}", picture.name);
    }
}

/// A person who looks at the pages calls it with a folder in `LAKEFOLD_PAGES`; without, only that they render.
#[tokio::test]
async fn pages_of_all_kinds_stand_alone() {
    let mut first = eventful();
    first.collections.truncate(1);
    first.exit_code = 0;
    let mut refused = record(3, (0..60).map(|n| collection(&format!("c{n}"), Outcome::Failed)).collect());
    for c in &mut refused.collections {
        c.reason = Some("connect to MongoDB: MongoDB refuses the user or the password\ncheck user and password".into());
    }
    let kinds = [("eventful", eventful()), ("quiet", quiet()), ("first", first), ("refused", refused)];
    for (name, run) in kinds {
        let history = if name == "first" { Vec::new() } else { mornings() };
        let page = page(&run, &history).unwrap();
        assert!(page.len() < 100_000, "Gmail cuts {name}: {}", page.len());
        assert!(
            !page.contains("<script") && !page.contains("cid:") && !page.contains("http://") || page.contains("w3.org")
        );
        let mail = mail::render(&run, &history).await.unwrap();
        if let Some(folder) = std::env::var_os("LAKEFOLD_PAGES") {
            let file = |ending: &str| std::path::Path::new(&folder).join(format!("{name}{ending}"));
            std::fs::write(file(".html"), &page).unwrap();
            std::fs::write(file(".txt"), &mail.text).unwrap();
            let mut html = mail.html.clone();
            for picture in &mail.pictures {
                let png = format!("{name}-{}.png", picture.name);
                std::fs::write(std::path::Path::new(&folder).join(&png), &picture.png).unwrap();
                html = html.replace(&format!("cid:{}", picture.cid()), &png);
            }
            std::fs::write(file(".mail.html"), html).unwrap();
        }
    }
}

#[tokio::test]
async fn a_manifest_of_hundreds_stays_below_what_mail_programs_show() {
    let run = record(0, (0..300).map(|n| collection(&format!("c{n}"), Outcome::Ok)).collect());
    let mail = mail::render(&run, &[]).await.unwrap();
    assert!(mail.html.len() < 100_000, "{}", mail.html.len());
    assert!(mail.html.contains("250 more landed") && mail.text.contains("250 more landed"));
}

#[tokio::test]
async fn collections_that_fail_for_one_reason_stand_together() {
    let mut run = record(3, (0..60).map(|n| collection(&format!("c{n}"), Outcome::Failed)).collect());
    for c in &mut run.collections {
        c.reason = Some("MongoDB refuses the user or the password".into());
    }
    let text = mail::render(&run, &[]).await.unwrap().text;
    assert_eq!(text.matches("MongoDB refuses").count(), 1, "{text}");
    let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flowing.contains("and 55 more failed") && text.contains("      lakefold run --env prod\n"), "{text}");
    assert!(text.contains("10 more not up to date"), "{text}");
    run.collections.push(collection("fine", Outcome::Ok));
    run.collections.drain(2..60);
    let text = mail::render(&run, &[]).await.unwrap().text;
    let command = "lakefold run --env prod --collection hospital.c0 --collection hospital.c1\n";
    assert!(text.contains(command), "{text}");
}

#[tokio::test]
async fn a_run_with_nothing_new_says_so() {
    let said = "nothing new: no data file was written";
    assert!(summary(&quiet(), 80).trim_end().ends_with(said), "{}", summary(&quiet(), 80));
    let mail = mail::render(&quiet(), &[]).await.unwrap();
    for part in [&mail.subject, &mail.text, &mail.html] {
        assert!(part.contains(said), "{part}");
    }
    insta::assert_snapshot!("quiet_text", mail.text);
}

#[test]
fn summaries_fit_eighty_columns_but_for_commands() {
    let text = summary(&eventful(), 80);
    let command = |line: &&str| ["rerun:", "db."].iter().any(|start| line.trim_start().starts_with(start));
    for line in text.lines().filter(|line| !command(line)) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn what_comes_from_outside_is_escaped_in_html() {
    let html = page(&eventful(), &[]).unwrap();
    assert!(html.contains("facility.id &lt;script&gt;") && !html.contains("<script"), "{html}");
}

#[test]
fn the_verdict_names_interruption_dry_runs_and_runs_that_touched_nothing() {
    let line = |record: &RunRecord| verdict::of(record).line;
    let mut interrupted = quiet();
    interrupted.exit_code = 143;
    assert_eq!(line(&interrupted), "interrupted; 2 collections: 2 idle, 0 rows new, 0 updated");
    let mut dry = eventful();
    dry.dry_run = true;
    assert_eq!(
        line(&dry),
        "dry run, nothing was written; 5 collections: 2 would land, 1 idle, 1 failed, 1 busy, \
         1,200,001 rows new, 30,000 updated"
    );
    assert_eq!(line(&record(3, Vec::new())), "no collection was attempted");
    assert_eq!(verdict::subject(&record(3, Vec::new())), "[prod] lakefold FAILED: no collection was attempted");
    assert_eq!(verdict::subject(&quiet()), "[prod] lakefold OK: 2 collections: nothing new: no data file was written");
}

fn settings(dir: &std::path::Path) -> Settings {
    Settings {
        mail: MailSettings {
            transport: MailTransport::File,
            dir: dir.to_owned(),
            from: Some("lakefold <lake@example.org>".into()),
            to: vec!["data@example.org".into(), "Asha Rao <asha@example.org>".into()],
            ..MailSettings::default()
        },
        metrics: MetricsSettings { textfile: Some(dir.join("lakefold.prom")), pushgateway: None },
        ..Settings::new("prod", Secret::new("dump:none".into()), "file:lake")
    }
}

fn sent(channel: &str) -> NotificationRecord {
    NotificationRecord { channel: channel.into(), outcome: SENT.into() }
}

#[tokio::test]
async fn the_mail_is_one_whole_file_named_after_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir.path().join("mail"));
    settings.metrics.textfile = None;
    assert_eq!(notify(&settings, &eventful(), &mornings()).await, [sent("mail")]);
    let names: Vec<_> = std::fs::read_dir(&settings.mail.dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["20261121T040000Z-3f9a1c.eml"], "nothing is left aside");
    let first = std::fs::read(settings.mail.dir.join(&names[0])).unwrap();
    let text = String::from_utf8(first.clone()).unwrap();
    for header in [
        "From: lakefold <lake@example.org>\r\n",
        "To: data@example.org, \"Asha Rao\" <asha@example.org>\r\n",
        "Date: Sat, 21 Nov 2026 04:03:07 +0000\r\n",
        "Message-ID: <20261121T040000Z-3f9a1c@lakefold>\r\n",
        "multipart/alternative",
        "multipart/related",
        "Content-ID: <rows@lakefold>\r\n",
        "Content-ID: <minutes@lakefold>\r\n",
        "Content-Type: image/png\r\n",
    ] {
        assert!(text.contains(header), "{header} is missing in\n{text}");
    }
    assert!(text.find("text/plain") < text.find("text/html"), "readers show the last part they can");
    notify(&settings, &eventful(), &mornings()).await;
    assert_eq!(std::fs::read(settings.mail.dir.join(&names[0])).unwrap(), first, "one record, one file");
}

#[tokio::test]
async fn a_channel_that_fails_is_recorded_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let told = notify(&settings(&dir.path().join("file/mail")), &quiet(), &[]).await;
    assert!(told[0].outcome.starts_with("create folder "), "{told:?}");
    assert_eq!(told[1].channel, "textfile");
    assert!(told[1].outcome.contains("give this user the right to write there"), "{told:?}");

    let mut anonymous = settings(dir.path());
    anonymous.mail.from = None;
    let told = notify(&anonymous, &quiet(), &[]).await;
    assert_eq!(told[0].outcome, "no sender; set `from` in the [mail] section of the environment file");
    assert_eq!(told[1], sent("textfile"));
    let metrics = std::fs::read_to_string(dir.path().join("lakefold.prom")).unwrap();
    assert!(metrics.contains("lakefold_notification_failed{channel=\"mail\",environment=\"prod\"} 1"), "{metrics}");

    anonymous.mail.transport = MailTransport::None;
    anonymous.metrics.textfile = None;
    assert_eq!(notify(&anonymous, &quiet(), &[]).await, []);
}

#[tokio::test]
async fn channels_are_told_of_the_runs_their_rules_name_and_metrics_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.mail.when.always = false;
    settings.mail.when.failure = true;
    assert_eq!(notify(&settings, &quiet(), &[]).await, [sent("textfile")]);
    assert_eq!(notify(&settings, &eventful(), &[]).await, [sent("mail"), sent("textfile")]);
}

#[tokio::test]
async fn who_was_not_told_is_told_again_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    let mut run = quiet();
    run.notifications = vec![sent("mail"), NotificationRecord { channel: "slack".into(), outcome: "refused".into() }];
    assert_eq!(tell_again(&settings, &run, &[]).await, [sent("mail")], "slack is no channel any more");
    run.notifications = vec![NotificationRecord { channel: "mail".into(), outcome: "full".into() }];
    assert_eq!(tell_again(&settings, &run, &[]).await, [sent("mail")]);
}

/// One that never answers.
struct Silent;

#[async_trait::async_trait]
impl Channel for Silent {
    fn name(&self) -> &str {
        "silent"
    }
    fn rules(&self) -> &crate::model::settings::Rules {
        &channels::EVERY_RUN
    }
    async fn send(&self, _: &Report<'_>) -> crate::error::Result<()> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_channel_that_never_answers_costs_a_bounded_time() {
    let dir = tempfile::tempdir().unwrap();
    let mail = channels::people(&settings(dir.path()));
    let record = quiet();
    let report = Report { record: &record, history: &[], mail: mail::render(&record, &[]).await.unwrap() };
    let told = tell(&[&Silent, mail[0].as_ref()], &report, Duration::from_millis(50)).await;
    assert_eq!(told[0].outcome, "no answer within 0.05 s; see whether the server answers from this machine");
    assert_eq!(told[1], sent("mail"));
}

#[test]
fn status_shows_the_worst_first() {
    let status = |name: &str, outcome: Option<Outcome>, lag: i64| CollectionStatus {
        database: "hospital".into(),
        collection: name.into(),
        watermark: Some("2026-11-21T04:00:00Z".into()),
        lag_seconds: Some(lag),
        rows: 1_234_567_890,
        files: 365,
        bytes: 312_000_000,
        last: outcome.map(|outcome| LastRun { run_id: "20261121T040000Z-3f9a1c".into(), outcome, reason: None }),
        recent: outcome.map(|outcome| vec![outcome, Outcome::Ok, Outcome::Idle]).unwrap_or_default(),
        growth: None,
        litter: Vec::new(),
        lease: None,
    };
    let fine = status("appointments", Some(Outcome::Ok), 60);
    let late = status("visits", Some(Outcome::Idle), 200_000);
    let mut never = status("beds", None, 0);
    (never.watermark, never.lag_seconds, never.rows, never.files, never.bytes) = (None, None, 0, 0, 0);
    let mut littered = status("lab_results_from_external_labs", Some(Outcome::Ok), 61);
    littered.litter = (0..7).map(|n| format!("hospital/lab_results/part-{n}.parquet")).collect();
    littered.lease = Some("20261121T050000Z-77aa00 on etl-2".into());
    let mut failed = status("bills", Some(Outcome::Failed), 90_000);
    failed.last.as_mut().unwrap().reason = Some("the source refused the password".into());
    failed.growth = Some(Growth { rows: 987_654, usual: Some(1_200) });
    insta::assert_snapshot!("status_80", status_table(&[fine, late, never, littered, failed], "prod", 80));
}

/// Records of past runs are read for somebody, or not at all.
#[test]
fn nobody_looks_back_on_a_run_that_nobody_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.metrics = MetricsSettings::default();
    assert!(looks_back(&settings, &quiet()));
    settings.mail.when =
        crate::model::settings::Rules { always: false, failure: true, schema_change: false, lag: None };
    assert!(!looks_back(&settings, &quiet()) && looks_back(&settings, &eventful()));
    settings.metrics.textfile = Some(dir.path().join("lakefold.prom"));
    assert!(looks_back(&settings, &quiet()), "metrics count collections that this run did not look at");
}
