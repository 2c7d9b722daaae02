//! The three renderings of one run, side by side, and the mail as a file.

use super::*;
use crate::model::record::{Bytes, CatalogRecord, CollectionRecord, FORMAT, Files, Outcome, Rows, SchemaChange};
use crate::model::status::{CollectionStatus, Growth, LastRun};

fn collection(name: &str, outcome: Outcome) -> CollectionRecord {
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

fn record(exit_code: u8, collections: Vec<CollectionRecord>) -> RunRecord {
    RunRecord {
        format: FORMAT,
        run_id: "20261121T040000Z-3f9a1c".into(),
        environment: "prod".into(),
        started_at: "2026-11-21T04:00:02Z".into(),
        finished_at: "2026-11-21T04:03:07Z".into(),
        exit_code,
        dry_run: false,
        collections,
        catalog: Vec::new(),
        notifications: Vec::new(),
    }
}

/// A morning with everything in it: large and small numbers, a failure, a busy one, changes and warnings.
fn eventful() -> RunRecord {
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
        "no index on updated_at: every window reads the whole collection; create it with \
         db.visits.createIndex({updated_at: 1})"
            .into(),
    ];
    let mut record = record(1, vec![bills, patients, stock, visits, collection("wards", Outcome::Idle)]);
    record.catalog =
        vec![CatalogRecord { crawler: "prod-hospital".into(), outcome: "started".into(), targets_added: 2 }];
    record.notifications =
        vec![NotificationRecord { channel: "mail".into(), outcome: "create folder mail: Permission denied".into() }];
    record
}

/// Every collection was looked at and nothing had changed.
fn quiet() -> RunRecord {
    record(0, vec![collection("bills", Outcome::Idle), collection("visits", Outcome::Idle)])
}

#[test]
fn an_eventful_run_is_told_in_full() {
    insta::assert_snapshot!("eventful_summary_80", summary(&eventful(), 80));
    insta::assert_snapshot!("eventful_summary_160", summary(&eventful(), 160));
    let mail = mail::render(&eventful()).unwrap();
    insta::assert_snapshot!("eventful_subject", mail.subject);
    insta::assert_snapshot!("eventful_text", mail.text);
    insta::assert_snapshot!("eventful_html", mail.html);
}

#[test]
fn a_run_with_nothing_new_says_so() {
    let said = "nothing new: no data file was written";
    assert!(summary(&quiet(), 80).trim_end().ends_with(said), "{}", summary(&quiet(), 80));
    let mail = mail::render(&quiet()).unwrap();
    for part in [&mail.subject, &mail.text, &mail.html] {
        assert!(part.contains(said), "{part}");
    }
    insta::assert_snapshot!("quiet_text", mail.text);
}

#[test]
fn summaries_fit_eighty_columns_but_for_commands() {
    let text = summary(&eventful(), 80);
    for line in text.lines().filter(|line| !line.trim_start().starts_with("rerun:")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn what_comes_from_outside_is_escaped_in_html() {
    let html = mail::render(&eventful()).unwrap().html;
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

fn settings(dir: &std::path::Path) -> MailSettings {
    MailSettings {
        transport: MailTransport::File,
        dir: dir.to_owned(),
        from: Some("lakefold <lake@example.org>".into()),
        to: vec!["data@example.org".into(), "Asha Rao <asha@example.org>".into()],
    }
}

#[test]
fn the_mail_is_one_whole_file_named_after_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("mail"));
    assert_eq!(notify(&settings, &eventful()), [NotificationRecord { channel: "mail".into(), outcome: SENT.into() }]);
    let names: Vec<_> = std::fs::read_dir(&settings.dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["20261121T040000Z-3f9a1c.eml"], "nothing is left aside");
    let first = std::fs::read(settings.dir.join(&names[0])).unwrap();
    let text = String::from_utf8(first.clone()).unwrap();
    for header in [
        "From: lakefold <lake@example.org>\r\n",
        "To: data@example.org, \"Asha Rao\" <asha@example.org>\r\n",
        "Date: Sat, 21 Nov 2026 04:03:07 +0000\r\n",
        "Message-ID: <20261121T040000Z-3f9a1c@lakefold>\r\n",
        "multipart/alternative",
    ] {
        assert!(text.contains(header), "{header} is missing in\n{text}");
    }
    assert!(text.find("text/plain") < text.find("text/html"), "readers show the last part they can");
    notify(&settings, &eventful());
    assert_eq!(std::fs::read(settings.dir.join(&names[0])).unwrap(), first, "one record, one file");
}

#[test]
fn a_channel_that_fails_is_recorded_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let told = notify(&settings(&dir.path().join("file/mail")), &quiet());
    assert!(told[0].outcome.starts_with("create folder "), "{told:?}");

    let mut anonymous = settings(dir.path());
    anonymous.from = None;
    assert_eq!(
        notify(&anonymous, &quiet())[0].outcome,
        "no sender; set `from` in the [mail] section of the environment file"
    );

    anonymous.transport = MailTransport::None;
    assert_eq!(notify(&anonymous, &quiet()), []);
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
    insta::assert_snapshot!("status_80", status_table(&[fine, late, never, littered, failed], 80));
}
