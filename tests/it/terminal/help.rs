//! Help, completions and man page, and the commands that answer from the lake.

use super::screen::{fits, shown};
use super::{hospital, seen};

#[test]
fn help_fits_a_terminal() {
    let place = hospital();
    let help = shown(&place, &["--help"], 80);
    assert_eq!(help.code, 0, "{help}");
    fits(&help.screen, 80);
    seen!("help_on_80_columns", help);
    for command in ["run", "plan", "check", "status", "schema", "query", "init", "synth"] {
        let help = shown(&place, &[command, "--help"], 80);
        assert_eq!(help.code, 0, "{help}");
        fits(&help.screen, 80);
    }
}

#[test]
fn completions_and_man_page_are_made_for_every_command() {
    let place = hospital();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = place.lakefold(&["completions", shell]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended}");
        for word in ["forget-schema", "completions", "check"] {
            assert!(ended.stdout.contains(word), "{shell} lacks {word}");
        }
    }
    // What bash is given, it takes.
    let script = place.lakefold(&["completions", "bash"]).stdout + "\ncomplete -p lakefold\n";
    let bash = std::process::Command::new("bash").args(["--norc", "-c", &script]).output().expect("start bash");
    assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
    let man = place.lakefold(&["man"]);
    assert_eq!(man.code, 0, "{man}");
    assert!(man.stdout.contains(".TH lakefold 1") && man.stdout.contains(".SH \"LAKEFOLD PLAN\""), "{man}");
}

#[test]
fn the_reading_commands() {
    let place = hospital();
    let made = place.lakefold(&["synth", "--out", "made", "--seed", "3", "--scale", "0.05", "--quiet"]);
    assert_eq!(made.code, 0, "{made}");
    seen!("synth_in_a_pipe", made);
    place.run(&[], 0);
    // Its first line holds the path of the lake, which is as long as this machine wants it.
    let schema = shown(&place, &["schema", "hospital.bills", "--env", "test"], 160);
    assert_eq!(schema.code, 0, "{schema}");
    seen!("schema_on_a_wide_terminal", schema);
    let sql = "SELECT date, count(*) AS bills, sum(amount) AS amount FROM hospital.bills GROUP BY date ORDER BY date";
    let query = shown(&place, &["query", "--env", "test", "-e", sql], 80);
    assert_eq!(query.code, 0, "{query}");
    seen!("query_on_80_columns", query);
}
