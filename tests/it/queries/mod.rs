//! Every query of `queries/` says what the hospital's own documents say, and is Trino's SQL.
//!
//! The oracles (a file a subject) fold the documents of the dump with loops and maps. They share nothing with what they
//! judge: no SQL, no lake, no schema. A query without an oracle fails here, and so does one that finds nothing.

mod administrative;
mod answer;
mod clinical;
mod current;
mod demo;
mod dialect;
mod documents;
mod financial;
mod inventory;
mod operational;
mod reading;

use answer::Answer;
use demo::{Demo, queries};
use documents::{Hospital, Window};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// A query's name and the answer to its question for the days that count.
type Oracle = (&'static str, fn(&Hospital, &Window) -> Answer);

fn oracles() -> impl Iterator<Item = &'static Oracle> {
    [administrative::ORACLES, clinical::ORACLES, financial::ORACLES, inventory::ORACLES, operational::ORACLES]
        .into_iter()
        .flatten()
}

/// Some weeks in the middle of the two months.
const WEEKS: Window = Window { from: "2024-03-20", to: "2024-04-07" };

#[test]
fn every_query_has_an_oracle() {
    let asked: BTreeSet<String> = queries().into_iter().map(|(name, _)| name).collect();
    let answered: BTreeSet<String> = oracles().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(asked, answered, "queries (left) and their oracles (right)");
}

#[test]
fn every_query_says_what_the_documents_say() {
    let asked = queries();
    compare(&asked, &Window::EVER, &[]);
}

/// Parameters are put where the query has its defaults, so every query that has them is asked with others.
#[test]
fn other_days_give_their_own_answer() {
    let mut asked = queries();
    asked.retain(|(_, sql)| sql.contains("WITH params AS"));
    assert!(asked.len() >= 25, "{} queries take days", asked.len());
    let demo = Demo::shared();
    for (name, oracle) in oracles().filter(|(name, _)| asked.iter().any(|(asked, _)| asked == name)) {
        let (some, all) = (oracle(&demo.hospital, &WEEKS), oracle(&demo.hospital, &Window::EVER));
        assert!(some != all, "{name}: the days make no difference");
    }
    compare(&asked, &WEEKS, &[("from_date", WEEKS.from), ("to_date", WEEKS.to)]);
}

/// Asks the queries, two at a time, and tells of all that are wrong.
fn compare(asked: &[(String, String)], window: &Window, params: &[(&str, &str)]) {
    let demo = Demo::shared();
    let wrong = &Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for half in asked.chunks(asked.len().div_ceil(2)) {
            scope.spawn(move || {
                for (name, sql) in half {
                    let rows = demo.rows(sql, params);
                    let Some((_, oracle)) = oracles().find(|(oracle, _)| oracle == name) else { continue };
                    let complaint = match oracle(&demo.hospital, window) {
                        answer if answer.is_empty() => Some("there is nothing to find".to_owned()),
                        answer => answer.complaint(&rows),
                    };
                    let mut wrong = wrong.lock().expect("no test panicked here");
                    wrong.extend(complaint.map(|complaint| format!("{name}: {complaint}")));
                }
            });
        }
    });
    let wrong = wrong.lock().expect("no test panicked here");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
