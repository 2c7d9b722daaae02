//! `check` tries the channels without telling anybody anything.

use super::place;
use crate::support::lakefold::{Ended, Workplace};
use crate::support::receivers::{LOGIN, Receivers};

fn smtp(tls: &str, port: u16, password: &str) -> String {
    format!(
        "[mail]\ntransport = \"smtp\"\nhost = \"localhost\"\nfrom = \"lake@example.org\"\nto = [\"data@example.org\"]\n\
         tls = \"{tls}\"\nport = {port}\nuser = \"{}\"\npassword = \"{password}\"\n",
        LOGIN.0
    )
}

/// `check --json` by a process that trusts the receivers' certificate, or does not.
fn check(place: &Workplace, receivers: &Receivers, trusts: bool) -> Ended {
    let mut command = place.command(&["check", "--env", "test", "--json"]);
    if trusts {
        command.env("SSL_CERT_FILE", receivers.certificate());
    }
    Ended::of(command.output().expect("start lakefold"))
}

#[test]
fn a_mail_server_is_greeted_and_given_the_login() {
    let receivers = Receivers::with_login();
    for (tls, port) in [("starttls", receivers.starttls), ("tls", receivers.tls), ("none", receivers.smtp)] {
        let good = check(&place(&smtp(tls, port, LOGIN.1)), &receivers, true);
        assert_eq!((good.code, good.marks("mail")), (0, vec![("server", "ok")]), "{tls}: {good}");
        let refused = check(&place(&smtp(tls, port, "hunter3")), &receivers, true);
        assert_eq!((refused.code, refused.marks("mail")), (1, vec![("server", "failed")]), "{tls}: {refused}");
        let server = refused.finding("mail", "server");
        assert!(server["says"].to_string().contains("refuses the login"), "{refused}");
        assert_eq!(server["hint"], "check `user` and `password` of [mail]");
        assert!(!format!("{refused}").contains("hunter3"), "{refused}");
    }
    let stranger = check(&place(&smtp("starttls", receivers.starttls, LOGIN.1)), &receivers, false);
    assert!(stranger.finding("mail", "server")["hint"].to_string().contains("certificate"), "{stranger}");
    assert!(receivers.mails().is_empty(), "nothing is sent");

    let place = place(&smtp("none", receivers.smtp, LOGIN.1));
    let gone = {
        drop(receivers);
        place.lakefold(&["check", "--env", "test", "--json"])
    };
    assert!(gone.finding("mail", "server")["hint"].to_string().contains("`host`, `port` and `tls`"), "{gone}");
}

#[test]
fn a_webhook_is_looked_up_and_gets_nothing() {
    let receivers = Receivers::start();
    let hooks = format!(
        "[[webhook]]\nkind = \"slack\"\nname = \"chat\"\nurl = \"{}\"\n\
         [[webhook]]\nkind = \"json\"\nname = \"pager\"\nurl = \"https://pager.invalid/hunter4\"\n\
         [metrics]\npushgateway = \"{}\"\n",
        receivers.url("/services/hunter4"),
        receivers.url("")
    );
    let ended = check(&place(&hooks), &receivers, true);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(ended.marks("webhook"), [("chat", "ok"), ("pager", "failed")], "{ended}");
    assert_eq!(ended.marks("metrics"), [("pushgateway", "ok")], "{ended}");
    assert!(ended.finding("webhook", "pager")["says"].to_string().contains("pager.invalid has no address"), "{ended}");
    assert!(!format!("{ended}").contains("hunter4"), "a webhook's path is its password: {ended}");
    assert!(receivers.posts().is_empty(), "nothing is posted");
}
