//! The report by SMTP, in the open and protected, to mailboxes that have room and one that has not.

use super::{environment, outcome, place, run};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::next_second;
use crate::support::receivers::{LOGIN, Receivers};

fn smtp(receivers: &Receivers, more: &str) -> String {
    format!(
        "[mail]\ntransport = \"smtp\"\nhost = \"localhost\"\nfrom = \"Lake <lake@example.org>\"\n\
         to = [\"data@example.org\", \"Ops <ops@example.org>\"]\n{}",
        if more.is_empty() { format!("tls = \"none\"\nport = {}\n", receivers.smtp) } else { more.to_owned() }
    )
}

fn login(tls: &str, port: u16, password: &str) -> String {
    format!("tls = \"{tls}\"\nport = {port}\nuser = \"{}\"\npassword = \"{password}\"\n", LOGIN.0)
}

#[test]
fn every_recipient_gets_the_report() {
    let receivers = Receivers::start();
    let place = place(&smtp(&receivers, ""));
    let (_, record) = run(&place, 0);
    assert_eq!(outcome(&record, "mail"), "sent");
    let mails = receivers.mails();
    let to: Vec<_> = mails.iter().map(|mail| mail["to"][0].as_str().expect("a recipient")).collect();
    assert_eq!(to, ["data@example.org", "ops@example.org"]);
    let content = mails[0]["content"].as_str().expect("content");
    for part in ["Subject: [test] lakefold OK", "text/plain", "text/html", "To: data@example.org, "] {
        assert!(content.contains(part), "{part} is missing in\n{content}");
    }
    // From the second run on there is something to look back on, and to draw.
    next_second();
    run(&place, 0);
    let content = receivers.mails()[2]["content"].as_str().expect("content").to_owned();
    assert!(content.contains("Content-ID: <rows@lakefold>") && content.contains("image/png"), "{content}");
}

#[test]
fn a_connection_is_protected_and_the_login_given() {
    let receivers = Receivers::with_login();
    for (tls, port) in [("starttls", receivers.starttls), ("tls", receivers.tls)] {
        let place = place(&smtp(&receivers, &login(tls, port, LOGIN.1)));
        let mut command = place.command(&["run", "--env", "test"]);
        command.env("SSL_CERT_FILE", receivers.certificate());
        assert!(command.status().expect("start lakefold").success(), "{tls}");
        let mail = receivers.mails().pop().expect("a mail");
        assert_eq!((mail["secure"].as_bool(), mail["user"].as_str()), (Some(true), Some(LOGIN.0)), "{tls}");
    }
}

#[test]
fn a_server_nobody_vouches_for_gets_neither_password_nor_mail() {
    let receivers = Receivers::with_login();
    let place = place(&smtp(&receivers, &login("starttls", receivers.starttls, LOGIN.1)));
    let (ended, record) = run(&place, 1);
    assert!(outcome(&record, "mail").contains("the server's certificate"), "{record:#}");
    assert!(!ended.stderr.contains(LOGIN.1) && receivers.mails().is_empty(), "{ended}");
}

#[test]
fn a_wrong_password_is_named_and_never_shown() {
    let receivers = Receivers::with_login();
    let place = place(&smtp(&receivers, &login("none", receivers.smtp, "hunter3")));
    let (ended, record) = run(&place, 1);
    let said = outcome(&record, "mail");
    assert!(said.contains("refuses the login") && said.contains("`user` and `password` of [mail]"), "{said}");
    assert!(!ended.stderr.contains("hunter3") && !ended.stdout.contains("hunter3"), "{ended}");
    assert_eq!(read_table(&place.lake(), "hospital/bills").rows.len(), 3, "the data has landed");
}

#[test]
fn a_full_mailbox_keeps_nobody_elses_report_back_and_is_told_again() {
    for code in [452, 552] {
        let receivers = Receivers::start();
        receivers.fill("data@example.org", code);
        let place = place(&smtp(&receivers, ""));
        let (_, record) = run(&place, 1);
        let said = outcome(&record, "mail");
        assert!(
            said.contains("the mailbox data@example.org has no room") && said.contains(&code.to_string()),
            "{said}"
        );
        assert_eq!(receivers.mails().len(), 1);
        assert_eq!(receivers.mails()[0]["to"][0], "ops@example.org");

        receivers.make_room();
        let run_id = record["run_id"].as_str().expect("a run");
        let again = place.lakefold(&["report", "--env", "test", "--run", run_id, "--send"]);
        assert_eq!((again.code, again.stdout.as_str()), (0, "mail: sent\n"), "{again}");
        assert_eq!(receivers.mails()[1]["to"][0], "data@example.org");
        let kept = place.lakefold(&["report", "--env", "test", "--run", run_id, "--json"]);
        let kept: serde_json::Value = serde_json::from_str(&kept.stdout).expect("the record");
        assert_eq!(outcome(&kept, "mail"), "sent", "the record knows");
    }
}

#[test]
fn a_mail_server_that_is_down_is_named() {
    let receivers = Receivers::start();
    let place = place(&smtp(&receivers, ""));
    drop(receivers);
    let (_, record) = run(&place, 1);
    let said = outcome(&record, "mail");
    assert!(said.starts_with("mail by localhost:") && said.contains("check `host`, `port` and `tls`"), "{said}");
}

/// Nothing was read, and whoever waits for the mail hears so.
#[test]
fn a_run_that_could_not_begin_is_told_as_well() {
    let receivers = Receivers::start();
    let place = place(&smtp(&receivers, ""));
    std::fs::remove_dir_all(place.path().join("source")).expect("remove the dump");
    let ended = place.lakefold(&["run", "--env", "test"]);
    assert_eq!(ended.code, 3, "{ended}");
    let text = receivers.mails()[0]["text"].as_str().expect("a text").to_owned();
    assert!(text.starts_with("FAILED: ") && text.contains("hospital.bills failed"), "{text}");
    let status = place.lakefold(&["status", "--env", "test", "--json"]);
    assert!(status.stdout.contains("\"failed\""), "{status}");
}

#[test]
fn rules_say_which_runs_are_mailed() {
    let receivers = Receivers::start();
    let when = |rules: &str| format!("{}when = [{rules}]\n", smtp(&receivers, ""));
    let place = place(&when("\"failure\""));
    let (_, record) = run(&place, 0);
    assert_eq!(record["notifications"], serde_json::json!([]));
    environment(&place, &when("\"failure\", \"schema_change\""));
    run(&place, 0);
    assert!(receivers.mails().is_empty(), "nothing has changed");
    super::write_bills(&place, 0);
    let ended = place.lakefold(&["run", "--env", "test", "--full"]);
    assert_eq!((ended.code, receivers.mails().len()), (1, 2), "a table must not lose all of its rows\n{ended}");
}
