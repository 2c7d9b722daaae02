//! Clocks that disagree: this machine's, the source's, the store's.

use crate::model::finding::{Finding, Mark};
use crate::model::settings::Settings;

/// The word for clocks in findings.
const SUBJECT: &str = "clocks";

/// Differences below this are those of any network.
const WARN_FROM_MS: u64 = 5_000;

/// From here on AWS refuses signatures, and leases of two machines give way too early or too late.
const FAIL_FROM_MS: u64 = 240_000;

/// How far a clock is ahead of this machine's, milliseconds: it was asked between `before` and `after`.
pub fn ahead(theirs: i64, before: i64, after: i64) -> i64 {
    match () {
        () if theirs < before => theirs - before,
        () if theirs > after => theirs - after,
        () => 0,
    }
}

/// A finding for each clock there is; `source` and `store` are milliseconds ahead of this machine.
pub fn compare(source: Option<i64>, store: Option<i64>, settings: &Settings) -> Vec<Finding> {
    let overlap = u64::try_from(settings.source.overlap.as_millis()).unwrap_or(u64::MAX);
    let mut findings = Vec::new();
    for (what, ahead) in [("source", source), ("lake", store)] {
        let Some(ahead) = ahead else { continue };
        let mark = match ahead.unsigned_abs() {
            0..WARN_FROM_MS => Mark::Ok,
            WARN_FROM_MS..FAIL_FROM_MS => Mark::Warning,
            _ => Mark::Failed,
        };
        let mut finding = Finding::new(mark, SUBJECT, what, said(what, ahead));
        if mark != Mark::Ok {
            finding = finding
                .hint("set this machine's clock by NTP (chrony, systemd-timesyncd), and theirs if theirs is wrong");
        }
        findings.push(finding);
    }
    if source.is_some_and(|ahead| ahead.unsigned_abs() > overlap && ahead.unsigned_abs() >= WARN_FROM_MS) {
        let says = format!("the clocks differ by more than [source] overlap, {}s", overlap / 1_000);
        findings.push(Finding::new(Mark::Warning, SUBJECT, "overlap", says).hint(
            "if the programs that stamp documents go as wrong as this machine, windows miss changes: raise the overlap",
        ));
    }
    findings
}

fn said(what: &str, ahead: i64) -> String {
    let seconds = ahead.unsigned_abs() as f64 / 1_000.0;
    match ahead {
        0 => format!("the {what}'s clock agrees with this machine's"),
        1.. => format!("the {what}'s clock is {seconds:.1}s ahead of this machine's"),
        _ => format!("the {what}'s clock is {seconds:.1}s behind this machine's"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::test_lake::TestLake;

    #[test]
    fn an_answer_between_question_and_return_is_no_difference() {
        assert_eq!((ahead(15, 10, 20), ahead(25, 10, 20), ahead(4, 10, 20)), (0, 5, -6));
    }

    #[test]
    fn small_differences_are_fine_larger_ones_are_not() {
        let settings = TestLake::new().settings();
        let marks = |source, store| -> Vec<(String, Mark)> {
            compare(source, store, &settings).into_iter().map(|f| (f.what, f.mark)).collect()
        };
        assert_eq!(marks(None, Some(-300)), [("lake".to_owned(), Mark::Ok)]);
        assert_eq!(
            marks(Some(60_000), Some(-900_000)),
            [
                ("source".to_owned(), Mark::Warning),
                ("lake".to_owned(), Mark::Failed),
                ("overlap".to_owned(), Mark::Warning)
            ],
            "the overlap of these settings is zero"
        );
    }
}
