//! Every command where it is met: in a pipe, on a terminal of 80 columns and on one of 160, with its exit code. One
//! snapshot a command holds the three, so that what differs between them stands side by side.

use super::screen::{fits, shown};
use super::{documents, hospital, manifest, seen};
use crate::cli::{at, dump};
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::Mongod;
use mongodb::bson::doc;
use std::fmt::Write as _;

/// What a command shows in the three places, where every line was meant to be as long as it is: texts for programs and
/// files are not broken for the terminal.
fn three(place: &Workplace, arguments: &[&str], code: i32) -> String {
    let piped = place.lakefold(arguments);
    assert_eq!(piped.code, code, "{piped}");
    let mut text = format!("lakefold {}\n\n===== in a pipe\n{piped}\n", arguments.join(" "));
    for columns in [80, 160] {
        let shown = shown(place, arguments, columns);
        assert_eq!(shown.code, u32::try_from(code).expect("a code"), "{shown}");
        if !arguments.iter().any(|flag| ["--json", "--ddl", "--views", "init", "query"].contains(flag)) {
            fits(&shown.lines, usize::from(columns));
        }
        let _ = write!(text, "\n===== on {columns} columns\n{shown}\n");
    }
    text
}

/// A lake that has seen two runs, the second one with a failure, and a manifest with a row that never ran.
fn folded() -> Workplace {
    let place = hospital();
    place.run(&[], 0);
    place.write("collections.csv", manifest(&["hospital,gone,updated_at,"]));
    place.run(&["--collection", "hospital.gone"], 1);
    place.write("collections.csv", manifest(&["hospital,gone,updated_at,", "hospital,never,updated_at,"]));
    place
}

#[test]
fn the_reading_commands_in_three_places() {
    let place = folded();
    seen!("three_status", three(&place, &["status", "--env", "test"], 0));
    seen!("three_plan", three(&place, &["plan", "--env", "test"], 0));
    seen!("three_check", three(&place, &["check", "--env", "test"], 1));
    seen!("three_schema", three(&place, &["schema", "hospital.bills", "--env", "test"], 0));
    seen!("three_schema_ddl", three(&place, &["schema", "hospital.bills", "--env", "test", "--ddl"], 0));
    let projected = ["schema", "hospital.bills", "--env", "test", "--ddl", "--projection"];
    seen!("three_schema_projection", three(&place, &projected, 0));
    seen!("three_schema_views", three(&place, &["schema", "hospital.bills", "--env", "test", "--views"], 0));
    let sql = "SELECT date, count(*) AS bills, sum(amount) AS amount FROM hospital.bills GROUP BY date ORDER BY date";
    seen!("three_query", three(&place, &["query", "--env", "test", "-e", sql], 0));
    for format in ["csv", "json"] {
        let name = format!("three_query_{format}");
        seen!(name.as_str(), three(&place, &["query", "--env", "test", "--format", format, "-e", sql], 0));
    }
    seen!("three_report_json", three(&place, &["report", "--env", "test", "--json"], 0));
    seen!("three_report_out", three(&place, &["report", "--env", "test", "--out", "page.html"], 0));
    seen!("three_report_send", three(&place, &["report", "--env", "test", "--send"], 0));
    seen!("three_version", three(&place, &["--version"], 0));
    place.write("collections.csv", "database,collection,max_lag\nhospital,bills,1d\nhospital,never,1d\n");
    seen!("three_status_late", three(&place, &["status", "--env", "test"], 1));
    // The last one that asks: a row less, because it looks at the source.
    place.write("collections.csv", manifest(&[]));
    seen!("three_check_well", three(&place, &["check", "--env", "test", "-v"], 0));
    seen!("three_init", three(&place, &["init", "--env", "test"], 0));
}

/// The page of the last run, wherever it is printed, is the same.
#[test]
fn the_page_of_a_run_does_not_depend_on_where_it_goes() {
    let place = folded();
    let piped = place.lakefold(&["report", "--env", "test"]);
    assert_eq!((piped.code, piped.stderr.as_str()), (0, ""), "{piped}");
    let kept = place.lakefold(&["report", "--env", "test", "--out", "page.html"]);
    assert_eq!((kept.code, kept.stdout.as_str(), kept.stderr.as_str()), (0, "", ""), "{kept}");
    assert_eq!(std::fs::read_to_string(place.path().join("page.html")).expect("the page"), piped.stdout);
    let on_terminal = shown(&place, &["report", "--env", "test"], 160);
    assert_eq!(on_terminal.raw.replace("\r\n", "\n"), piped.stdout);
}

/// The page of charts goes where it is told; nothing else is said.
#[test]
fn the_page_of_charts_is_made_without_a_word() {
    let place = folded();
    let sql = "SELECT date, count(*) AS bills FROM hospital.bills GROUP BY 1 ORDER BY 1";
    let front =
        "-- title: Bills\n-- subject: financial\n-- question: How many?\n-- chart: bar\n-- x: date\n-- y: bills\n";
    place.write("asked/bills.sql", format!("{front}{sql}\n"));
    let dashboard = ["report", "--env", "test", "--dashboard", "--queries", "asked", "--out", "charts.html"];
    seen!("three_dashboard", three(&place, &dashboard, 0));
    let page = std::fs::read_to_string(place.path().join("charts.html")).expect("the page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("2024-05-03"), "{page}");

    let nowhere = ["report", "--env", "test", "--dashboard", "--queries", "askde"];
    seen!("three_error_dashboard_folder", three(&place, &nowhere, 1));
    place.write("asked/bills.sql", format!("-- titel: Bills\n{sql}\n"));
    seen!("three_error_dashboard_query", three(&place, &dashboard, 1));
}

/// Runs change the lake, so that each place has one of its own; what stands before differs by the bars alone.
#[test]
fn runs_in_three_places() {
    let mut text = String::new();
    let failing = || {
        let place = hospital();
        place.write("collections.csv", manifest(&["hospital,gone,updated_at,"]));
        place
    };
    let _ = write!(text, "===== in a pipe\n{}\n", failing().lakefold(&["run", "--env", "test"]));
    for columns in [80, 160] {
        let shown = shown(&failing(), &["run", "--env", "test"], columns);
        fits(&shown.lines, usize::from(columns));
        let _ = write!(text, "\n===== on {columns} columns\n{shown}\n");
    }
    seen!("three_run", text);

    let place = hospital();
    place.run(&[], 0);
    seen!("three_run_idle", three(&place, &["run", "--env", "test"], 0));
    let mut changed = documents(1..=50);
    for bill in &mut changed[40..] {
        bill.insert("updated_at", at("2024-06-01T12:00:00Z"));
    }
    dump(&place, "hospital", "bills", &changed);
    place.write("source/dump.json", r#"{"started_at": "2024-06-02T00:00:00Z"}"#);
    seen!("three_run_dry", three(&place, &["run", "--env", "test", "--dry-run"], 0));
}

#[test]
fn writing_a_hospital_in_three_places() {
    let place = hospital();
    let made = ["synth", "--out", "made", "--seed", "3", "--scale", "0.05"];
    let mut text = format!("===== in a pipe\n{}\n", place.lakefold(&made));
    for (columns, folder) in [(80, "narrow"), (160, "wide")] {
        let made = ["synth", "--out", folder, "--seed", "3", "--scale", "0.05"];
        let _ = write!(text, "\n===== on {columns} columns\n{}\n", shown(&place, &made, columns));
    }
    seen!("three_synth", text);

    // A table with long names, deep ones, and values of several kinds.
    let environment = std::fs::read_to_string(place.path().join("env/test.toml")).expect("the environment");
    place.write("env/test.toml", environment.replace("dump:source", "dump:made"));
    place.write("collections.csv", crate::cli::manifest("hospital,pharmacy_stock,updated_at,"));
    place.run(&[], 0);
    seen!("three_schema_deep", three(&place, &["schema", "hospital.pharmacy_stock", "--env", "test"], 0));
}

/// What somebody gets who mistypes, has the wrong password, or starts in the wrong folder.
#[test]
fn errors_in_three_places() {
    let place = folded();
    for arguments in [
        &["run", "--env", "test", "--collection", "hospital.bill"][..],
        &["plan", "--env", "test", "--collection", "hospital.bill"],
        &["status", "--env", "tset"],
        &["status"],
        &["staus", "--env", "test"],
    ] {
        let name = format!("three_error_{}_{}", arguments[0], arguments.len());
        seen!(name.as_str(), three(&place, arguments, 2));
    }
    for (name, arguments) in [
        ("three_error_no_command", &[][..]),
        ("three_error_run_full_since", &["run", "--env", "test", "--full", "--since", "3d"]),
        ("three_error_run_memory", &["run", "--env", "test", "--memory", "1MiB"]),
        ("three_error_run_since", &["run", "--env", "test", "--since", "yesterday"]),
        ("three_error_schema_unnamed", &["schema", "--env", "test"]),
        ("three_error_init", &["init", "--env", "tset"]),
        ("three_error_query_file", &["query", "--env", "test", "asked.sql"]),
        ("three_error_query_parquet", &["query", "--env", "test", "-e", "SELECT 1", "--format", "parquet"]),
        ("three_error_completions", &["completions", "tcsh"]),
        ("three_error_synth_scale", &["synth", "--out", "made", "--scale", "0"]),
        ("three_error_synth_unnamed", &["synth"]),
    ] {
        seen!(name, three(&place, arguments, 2));
    }
    for (name, arguments) in [
        ("three_error_schema", &["schema", "hospital.bill", "--env", "test"][..]),
        ("three_error_schema_never", &["schema", "hospital.never", "--env", "test"]),
        ("three_error_report", &["report", "--env", "test", "--run", "20200101T000000Z-000000"]),
        ("three_error_query", &["query", "--env", "test", "-e", "SELECT amont FROM hospital.bills"]),
        ("three_error_query_empty", &["query", "--env", "test", "-e", " "]),
        ("three_error_query_table", &["query", "--env", "test", "-e", "SELECT * FROM hospital.bill"]),
    ] {
        seen!(name, three(&place, arguments, 1));
    }
    place.write("asked.sql", "WITH params AS (SELECT '2024-05-01' AS from_date) SELECT params.from_date FROM params");
    let mistyped = ["query", "--env", "test", "asked.sql", "--param", "form_date=2024-05-02"];
    seen!("three_error_query_param", three(&place, &mistyped, 1));
    place.write("in_the_way", "a file");
    seen!("three_error_synth_file", three(&place, &["synth", "--out", "in_the_way"], 3));
    place.write(
        "env/broken.toml",
        "[source]\nuri = \"dump:source\"\n[lake]\nurl = \"file:lake\"\n[run]\nmemry = \"1GiB\"\n",
    );
    place.write("collections.csv", "database,colection\nhospital,bills\n");
    seen!("three_error_files", three(&place, &["check", "--env", "broken"], 2));
}

#[test]
fn a_wrong_password_in_three_places() {
    let server = Mongod::start_with_auth("root", "hunter2");
    let uri = server.uri_of("root", "hunter3");
    let place = Workplace::with(&Environment::of(&uri), &manifest(&[]));
    seen!("three_password_check", three(&place, &["check", "--env", "test"], 3));
    seen!("three_password_run", three(&place, &["run", "--env", "test", "--quiet"], 3));
    seen!("three_password_init", three(&place, &["init", "--env", "test"], 3));
    seen!("three_password_plan", three(&place, &["plan", "--env", "test"], 1));
    let status = three(&place, &["status", "--env", "test"], 0);
    assert!(!status.contains("hunter3"), "{status}");
    seen!("three_password_status", status);
}

/// Commands that only print a text say the same everywhere, the help wrapped to the terminal.
#[test]
fn help_completions_and_man_page_in_three_places() {
    let place = hospital();
    let commands =
        ["run", "plan", "check", "status", "schema", "report", "query", "init", "synth", "completions", "man"];
    let mut text = String::new();
    for command in commands {
        let narrow = shown(&place, &[command, "--help"], 80);
        assert_eq!(narrow.code, 0, "{narrow}");
        fits(&narrow.lines, 80);
        let _ = write!(text, "===== lakefold {command} --help\n{}\n\n", narrow.lines);
        // A pipe is as wide as the help ever gets.
        let (wide, piped) = (shown(&place, &[command, "--help"], 160), place.lakefold(&[command, "--help"]));
        assert_eq!((piped.code, piped.stderr.as_str()), (0, ""), "{piped}");
        let bare = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned();
        assert_eq!(bare(&wide.lines), bare(&piped.stdout));
    }
    seen!("help_of_every_command", text);
    for arguments in [&["completions", "bash"][..], &["man"]] {
        let piped = place.lakefold(arguments);
        assert_eq!((piped.code, piped.stderr.as_str()), (0, ""), "{piped}");
        for columns in [80, 160] {
            let shown = shown(&place, arguments, columns);
            assert_eq!((shown.code, shown.raw.replace("\r\n", "\n")), (0, piped.stdout.clone()));
        }
    }
    seen!("man_page", place.lakefold(&["man"]));
}

/// A report of nothing, and a lake of nobody.
#[test]
fn nothing_there_yet() {
    let place = hospital();
    place.write("source/hospital/never.bson", doc! { "_id": 1 }.to_vec().expect("BSON"));
    seen!("three_nothing_status", three(&place, &["status", "--env", "test"], 0));
    seen!("three_nothing_report", three(&place, &["report", "--env", "test"], 1));
    let sql = ["query", "--env", "test", "-e", "SELECT * FROM hospital.bills"];
    seen!("three_nothing_query", three(&place, &sql, 1));
}
