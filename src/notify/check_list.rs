//! What `check` found, as the terminal shows it: a mark for everything, then one verdict.

use super::words::{several, wrap};
use crate::model::finding::{CheckReport, Finding, Mark};
use std::fmt::Write as _;

/// Width of the column that says what was looked at.
const WHAT: usize = 16;

/// The findings by subject in lines of at most `width` characters, and the verdict.
///
/// A subject of which everything is fine takes one line, and so do all that were not looked at for the same reason,
/// unless `all` asks for every finding.
pub fn check_list(report: &CheckReport, width: usize, all: bool) -> String {
    let mut out = String::new();
    let groups: Vec<&[Finding]> = report.findings.chunk_by(|a, b| a.subject == b.subject).collect();
    for alike in groups.chunk_by(|a, b| !all && skipped(a).is_some() && skipped(a) == skipped(b)) {
        match alike {
            [first, _, ..] => {
                let (finding, others) = (&first[0], several(alike.len() as u64 - 1, "other"));
                let line = format!("{} {} and {others}: {}", sign(finding.mark), finding.subject, finding.says);
                let _ = writeln!(out, "{}", wrap(&line, width, 4));
            }
            only => only.iter().for_each(|subject| group(&mut out, subject, width, all)),
        }
    }
    let _ = writeln!(out, "\n{}", wrap(&verdict(report), width, 2));
    out
}

/// Why a subject was not looked at.
fn skipped(findings: &[Finding]) -> Option<&str> {
    let [only] = findings else { return None };
    (only.mark == Mark::Skipped && only.hint.is_none()).then_some(only.says.as_str())
}

fn group(out: &mut String, findings: &[Finding], width: usize, all: bool) {
    let Some(first) = findings.first() else { return };
    if !all && findings.iter().all(|finding| finding.mark == Mark::Ok) {
        let whats: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
        let mut unique: Vec<&str> = Vec::with_capacity(whats.len());
        whats.into_iter().for_each(|what| {
            if !unique.contains(&what) {
                unique.push(what);
            }
        });
        let line = format!("{} {}: {}", sign(Mark::Ok), first.subject, unique.join(", "));
        let _ = writeln!(out, "{}", wrap(&line, width, 4));
        return;
    }
    let worst = findings.iter().map(|finding| finding.mark).max().unwrap_or(Mark::Ok);
    let _ = writeln!(out, "{} {}", sign(worst), first.subject);
    for finding in findings {
        let indent = 4 + WHAT + 2;
        let head = format!("  {} {:WHAT$}  ", sign(finding.mark), finding.what);
        let says = wrap(&finding.says, width.saturating_sub(indent), 0).replace('\n', &format!("\n{:indent$}", ""));
        let _ = writeln!(out, "{head}{says}");
        if let Some(hint) = &finding.hint {
            let _ = writeln!(out, "{}", hinted(hint, indent, width));
        }
    }
}

/// The hint below its finding. Commands keep their line: a break of the terminal's can be copied, one of ours cannot.
fn hinted(hint: &str, indent: usize, width: usize) -> String {
    let mut out = String::new();
    for (at, line) in hint.lines().enumerate() {
        let line = if at == 0 { format!("hint: {line}") } else { line.to_owned() };
        let command = ["lakefold ", "db.", "aws "]
            .iter()
            .any(|start| line.trim_start_matches("hint:").trim_start().starts_with(start));
        let wrapped = if command { line } else { wrap(&line, width.saturating_sub(indent), 2) };
        for part in wrapped.lines() {
            let separator = if out.is_empty() { "" } else { "\n" };
            let _ = write!(out, "{separator}{:indent$}{part}", "");
        }
    }
    out
}

/// Understood without colour.
fn sign(mark: Mark) -> char {
    match mark {
        Mark::Ok => '✔',
        Mark::Skipped => '-',
        Mark::Warning => '!',
        Mark::Failed => '✖',
    }
}

fn verdict(report: &CheckReport) -> String {
    let warnings = match report.warnings {
        0 => String::new(),
        n => format!(", {}", several(n as u64, "warning")),
    };
    match report.exit_code {
        0 if report.warnings == 0 => format!("{} is ready to run", report.environment),
        0 => format!("{} can run{warnings}", report.environment),
        3 => format!("{} cannot run: source or lake cannot be used{warnings}", report.environment),
        _ => format!("{} is not ready: {} failed{warnings}", report.environment, report.failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: Vec<Finding>, unreachable: bool) -> CheckReport {
        CheckReport::of("prod", findings, unreachable)
    }

    #[test]
    fn what_is_fine_takes_a_line_and_what_is_not_says_why() {
        let fine = |what: &str| Finding::new(Mark::Ok, "lake", what, "so it is");
        let report = report(
            vec![
                fine("connect"),
                fine("write"),
                Finding::new(Mark::Ok, "hospital.bills", "collection", "12 documents"),
                Finding::new(Mark::Failed, "hospital.bills", "index", "no index on at: every window reads all")
                    .hint("make one"),
            ],
            false,
        );
        assert_eq!(
            check_list(&report, 60, false),
            "✔ lake: connect, write\n\
             ✖ hospital.bills\n  ✔ collection        12 documents\n  ✖ index             no index on at: every window reads all\n                      hint: make one\n\
             \nprod is not ready: 1 failed\n"
        );
        assert!(check_list(&report, 60, true).contains("  ✔ write             so it is\n"));
    }

    /// A manifest may have hundreds of rows, and one server that cannot be reached is one thing to know.
    #[test]
    fn what_was_not_looked_at_for_one_reason_takes_a_line() {
        let row = |name: &str, why: &str| Finding::new(Mark::Skipped, name, "row", why);
        let found =
            vec![row("h.a", "no source"), row("h.b", "no source"), row("h.c", "no source"), row("h.d", "no lake")];
        let report = report(found, true);
        let shown = check_list(&report, 60, false);
        assert!(shown.starts_with("- h.a and 2 others: no source\n- h.d\n"), "{shown}");
        let all = check_list(&report, 60, true);
        assert_eq!(all.matches("no source").count(), 3, "{all}");
    }

    #[test]
    fn hints_are_broken_and_commands_in_them_are_not() {
        let hint =
            "take the change back, or build the table anew:\n  lakefold run --env prod --collection hospital.bills";
        assert_eq!(
            hinted(hint, 4, 40),
            "    hint: take the change back, or build\n      the table anew:\n      lakefold run --env prod --collection \
             hospital.bills"
        );
        assert_eq!(hinted("db.x.createIndex({a: 1})", 2, 10), "  hint: db.x.createIndex({a: 1})");
    }

    #[test]
    fn the_verdict_says_whether_to_run() {
        let of = |mark, unreachable| verdict(&report(vec![Finding::new(mark, "source", "connect", "")], unreachable));
        assert_eq!(of(Mark::Ok, false), "prod is ready to run");
        assert_eq!(of(Mark::Warning, false), "prod can run, 1 warning");
        assert_eq!(of(Mark::Failed, false), "prod is not ready: 1 failed");
        assert_eq!(of(Mark::Failed, true), "prod cannot run: source or lake cannot be used");
    }
}
