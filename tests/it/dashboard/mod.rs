//! The page of charts in a real browser: it asks nobody for anything, fits a phone, prints, and shows what the queries give.
//!
//! `LAKEFOLD_PAGES=FOLDER` keeps the page and pictures of it; `LAKEFOLD_WRITE_DOCS=1` writes the picture of the README anew.

mod figures;

use crate::support::browser::Browser;
use crate::support::demo::demo;
use crate::support::lakefold::Workplace;
use figures::{Answer, Filters, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Bars that are drawn, at most, where their order is that of their size.
const BARS: usize = 12;

const DATES: Filters<'_> = Filters { from: Some("2024-03-20"), to: Some("2024-04-10"), facility: None };

/// Width and height of a laptop's window and of a phone's.
const LAPTOP: (u32, u32) = (1440, 980);
const PHONE: (u32, u32) = (390, 844);

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What every query of `queries/` gives, asked one by one, by its name.
fn answers(place: &Workplace) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    for subject in std::fs::read_dir(repository("queries")).expect("queries") {
        for file in std::fs::read_dir(subject.expect("a subject").path()).expect("a subject") {
            let path = file.expect("a query").path();
            let file = path.to_str().expect("UTF-8");
            let ended = place.lakefold(&["query", "--env", "demo", "--format", "json", file]);
            assert_eq!(ended.code, 0, "{file}\n{ended}");
            let rows = serde_json::from_str(&ended.stdout).expect("rows");
            let sql = std::fs::read_to_string(&path).expect("a query");
            let name = path.strip_prefix(repository("queries")).expect("below").with_extension("");
            answers.insert(name.to_str().expect("UTF-8").to_owned(), Answer::new(&sql, rows));
        }
    }
    answers
}

/// What the page shows of each chart: what is drawn, and the table below it.
const SHOWN: &str = r##"(() => {
  const value = (id) => document.getElementById(id).value;
  const filters = { from: value("from"), to: value("to"), facility: value("facility") };
  return lakefold.data.charts.filter((chart) => chart.kind !== "table").map((chart) => {
    const some = lakefold.figures(chart, filters), all = lakefold.figures(chart, filters, Infinity, Infinity);
    const { labels, datasets } = lakefold.drawn.get(chart.name).data;
    const card = document.getElementById(chart.name);
    return {
      name: chart.name, labels, keys: some.keys, series: some.datasets.map((set) => set.key),
      drawn: datasets.map((set) => set.data), blank: card.querySelector("canvas").hidden,
      allKeys: all.keys, allSeries: all.datasets.map((set) => set.key),
      table: [...card.querySelectorAll("details tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent)),
    };
  });
})()"##;

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

/// Whether two numbers are equal but for how they were added up, or for how they are written.
fn alike(found: Option<f64>, expected: Option<f64>, rounding: f64) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= rounding + 1e-9 * expected.abs(),
        (found, expected) => found == expected,
    }
}

/// A number of a table: `1,234.5`, `12.34 %`, `–`.
fn written(cell: &str) -> (Option<f64>, f64) {
    let plain = cell.replace(',', "");
    match plain.strip_suffix(" %") {
        Some(percent) => (percent.parse::<f64>().ok().map(|value| value / 100.0), 0.000_051),
        None => (plain.parse().ok(), 0.005_1),
    }
}

/// The chart shows what the rows of its query give.
fn agrees(chart: &Value, answer: &Answer, filters: &Filters<'_>) {
    let name = chart["name"].as_str().expect("a name");
    let expected = answer.figures(filters);
    let keys: BTreeSet<&String> = expected.keys().map(|(_, key)| key).collect();
    assert_eq!(chart["blank"], expected.values().all(Option::is_none), "{name} {filters:?}");

    let (shown, series) = (texts(&chart["keys"]), list(&chart["series"]));
    let named: Vec<String> = series.iter().filter(|one| !one.is_null()).map(text).collect();
    for (at, key) in shown.iter().enumerate() {
        for (one, drawn) in series.iter().zip(list(&chart["drawn"])) {
            let wanted = match one {
                Value::Null => answer.others(filters, &named, key),
                one => *expected.get(&(text(one), key.clone())).unwrap_or(&None),
            };
            let found = drawn[at].as_f64();
            assert!(alike(found, wanted, 1e-9), "{name} {filters:?} {one} {key}: {found:?} drawn, {wanted:?} expected");
        }
    }
    let size = |key: &String| {
        answer.others(filters, &[], key).unwrap_or_else(|| {
            expected.iter().filter(|((_, other), _)| other == key).filter_map(|(_, value)| *value).sum()
        })
    };
    if shown.len() < keys.len() {
        assert_eq!(shown.len(), BARS, "{name}");
        let least = shown.iter().map(size).fold(f64::INFINITY, f64::min);
        let left_out = keys.iter().filter(|key| !shown.contains(key)).map(|key| size(key)).fold(0.0, f64::max);
        assert!(least >= left_out - 1e-9, "{name} leaves {left_out} out and draws {least}");
    }
    let labels = texts(&chart["labels"]);
    assert_eq!(labels.len(), shown.len());
    for (label, key) in labels.iter().zip(&shown) {
        let spelled = match answer.front("x") {
            Some("month") => key.replace("2024-03", "Mar 2024").replace("2024-04", "Apr 2024"),
            Some("date" | "weekday" | "hour" | "age" | "expires_in" | "facility_id") => label.clone(),
            _ => key.clone(),
        };
        assert_eq!(*label, spelled, "{name}");
    }

    let (all_keys, all_series, table) = (texts(&chart["allKeys"]), texts(&chart["allSeries"]), list(&chart["table"]));
    assert_eq!(all_keys.iter().collect::<BTreeSet<_>>(), keys, "{name}: the table has every key");
    let everything: BTreeSet<&String> = expected.keys().map(|(series, _)| series).collect();
    assert_eq!(
        all_series.iter().collect::<BTreeSet<_>>().len(),
        everything.len().max(usize::from(keys.is_empty()) * all_series.len())
    );
    assert_eq!(table.len(), all_keys.len(), "{name}");
    for (key, row) in all_keys.iter().zip(table) {
        for (one, cell) in all_series.iter().zip(list(row).iter().skip(1)) {
            let (found, rounding) = written(&text(cell));
            let wanted = expected[&(one.clone(), key.clone())];
            assert!(
                alike(found, wanted, rounding),
                "{name} {filters:?} {one} {key}: {cell} in the table, {wanted:?} expected"
            );
        }
    }
}

/// Sets the filters as a person does, and compares every chart.
fn compare(browser: &mut Browser, answers: &BTreeMap<String, Answer>, filters: &Filters<'_>) -> Value {
    let value = |of: Option<&str>| Value::from(of.unwrap_or_default());
    browser.evaluate(&format!(
        "for (const [id, value] of [['from', {}], ['to', {}], ['facility', {}]]) {{\n\
           const input = document.getElementById(id);\n\
           input.value = value;\n\
           input.dispatchEvent(new Event('input', {{ bubbles: true }}));\n\
         }}",
        value(filters.from),
        value(filters.to),
        value(filters.facility)
    ));
    let shown = browser.evaluate(SHOWN);
    let drawn = answers.values().filter(|answer| answer.front("chart") != Some("table")).count();
    assert!(drawn > 30, "the queries are gone");
    assert_eq!(list(&shown).len(), drawn, "every query has its chart");
    for chart in list(&shown) {
        agrees(chart, &answers[chart["name"].as_str().expect("a name")], filters);
    }
    shown
}

/// What can be measured of how the page looks.
const LOOKS: &str = r##"(() => {
  const name = (element) => `${element.closest("article")?.id ?? ""} ${element.outerHTML.slice(0, 80)}`;
  const seen = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.getClientRects().length);
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const blank = (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let painted = 0;
    for (let i = 3; i < data.length; i += 4) painted += data[i] > 0;
    return painted < canvas.width * canvas.height / 100;
  };
  const sizes = [...lakefold.drawn.values()].flatMap((chart) => Object.values(chart.scales).map((scale) => scale.options.ticks.font.size));
  return {
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    sticking_out: seen("article, canvas, form, input, select").filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map(name),
    blank: seen("canvas").filter(blank).map(name), canvases: seen("canvas").length,
    small: seen("body *").filter((e) => own(e) && parseFloat(getComputedStyle(e).fontSize) < 12).map(name),
    small_in_charts: sizes.filter((size) => size < 12).length,
    clipped: seen("th, td, h3, label").filter((e) => e.scrollWidth > e.clientWidth + 1).map(name),
    tables: seen("article > .scroll tbody").map((table) => table.rows.length),
    low: seen("input, select, button").filter((e) => e.getBoundingClientRect().height < (innerWidth < 500 ? 44 : 32)).map(name),
    hidden: ["nav", "form", ".more"].filter((selector) => !seen(selector).length),
    ink: lakefold.drawn.values().next().value.scales.x.options.ticks.color,
  };
})()"##;

fn looks_good(browser: &mut Browser, charts: usize, told: &str) -> Value {
    let looks = browser.evaluate(LOOKS);
    assert_eq!(looks["overflow"], 0, "{told}: the page scrolls sideways: {looks:#}");
    for nothing in ["sticking_out", "blank", "small", "clipped", "low"] {
        assert!(list(&looks[nothing]).is_empty(), "{told}: {nothing}: {:#}", looks[nothing]);
    }
    assert_eq!(looks["small_in_charts"], 0, "{told}");
    assert_eq!(looks["canvases"], charts, "{told}: every chart is drawn");
    let tables = list(&looks["tables"]);
    assert!(tables.len() >= 2 && tables.iter().all(|rows| rows.as_u64() > Some(0)), "{told}: {tables:?}");
    looks
}

#[test]
fn the_page_in_a_browser_shows_what_the_queries_give() {
    let place = demo();
    let queries = repository("queries");
    let queries = queries.to_str().expect("UTF-8");
    let arguments = ["report", "--env", "demo", "--dashboard", "--out", "page.html", "--queries", queries];
    let ended = place.lakefold(&arguments);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended}");
    let page = place.path().join("page.html");
    let answers = answers(&place);

    let mut browser = Browser::start();
    browser.open(&page, LAPTOP.0, LAPTOP.1);
    let whole = compare(&mut browser, &answers, &Filters::default());
    let charts = list(&whole).len();
    let names = &answers["administrative/facility_names"].rows;
    let facility = text(&names[0]["facility_id"]);
    for filters in [
        DATES,
        Filters { facility: Some(&facility), ..Filters::default() },
        Filters { facility: Some(&facility), ..DATES },
    ] {
        let narrowed = compare(&mut browser, &answers, &filters);
        let differs = |at: usize| narrowed[at]["drawn"] != whole[at]["drawn"];
        for (at, chart) in list(&whole).iter().enumerate() {
            let answer = &answers[chart["name"].as_str().expect("a name")];
            assert!(answer.is_narrowed_by(&filters) || !differs(at), "{} changed for no reason", chart["name"]);
        }
        let changed = (0..charts).filter(|at| differs(*at)).count();
        assert!(changed >= 20, "{filters:?} changes {changed} of {charts} charts");
        let told = browser.evaluate("document.getElementById('selection').textContent");
        assert!(
            filters.facility.is_none() || told.as_str().expect("a text").contains(&text(&names[0]["name"])),
            "{told}"
        );
        assert!(filters.from.is_none() || told.as_str().expect("a text").contains("20 Mar – 10 Apr 2024"), "{told}");
    }
    browser.evaluate("document.querySelector('button').click(); new Promise((done) => setTimeout(done, 20))");
    assert_eq!(browser.evaluate(SHOWN), whole, "`Show all` shows all again");
    assert_eq!(browser.complaints(&page), [""; 0], "a warning, an error or a request");
    let laptop = looks_good(&mut browser, charts, "on a laptop");
    keep(&mut browser, &page, "laptop.png", LAPTOP);

    browser.emulate("", true);
    let dark = looks_good(&mut browser, charts, "in the dark");
    assert_ne!(laptop["ink"], dark["ink"], "the charts turn dark with the page");
    keep(&mut browser, &page, "dark.png", LAPTOP);
    browser.emulate("print", true);
    let paper = browser.evaluate(LOOKS);
    assert_eq!(paper["hidden"], serde_json::json!(["nav", "form", ".more"]), "nothing on paper can be pressed");
    assert_eq!(paper["canvases"], charts, "{paper:#}");
    assert_eq!(paper["overflow"], 0, "{paper:#}");
    assert!(list(&paper["sticking_out"]).is_empty() && list(&paper["blank"]).is_empty(), "{paper:#}");
    assert_ne!(paper["ink"], dark["ink"], "paper is white, also when the screen is dark");
    let pdf = browser.printed();
    assert!(pdf.starts_with(b"%PDF") && pdf.len() > 50_000, "{} bytes", pdf.len());
    if let Some(folder) = std::env::var_os("LAKEFOLD_PAGES") {
        std::fs::write(Path::new(&folder).join("dashboard-print.pdf"), pdf).expect("write a PDF");
    }

    browser.emulate("", false);
    browser.open(&page, PHONE.0, PHONE.1);
    compare(&mut browser, &answers, &Filters::default());
    assert_eq!(browser.complaints(&page), [""; 0], "a warning, an error or a request");
    looks_good(&mut browser, charts, "on a phone");
    keep(&mut browser, &page, "phone.png", (PHONE.0, 4000));
    // With every table and query opened nothing sticks out either.
    browser.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    looks_good(&mut browser, charts, "on a phone, opened");

    // What is listened for above would have been heard.
    browser.evaluate(
        "console.warn('!'); fetch('http://127.0.0.1:9/').catch(() => new Promise((done) => setTimeout(done, 200)))",
    );
    let heard = browser.complaints(&page).join("\n");
    assert!(heard.contains("warning") && heard.contains("asked for http://127.0.0.1:9/"), "{heard}");
}

/// Keeps a picture where somebody wants to look at it.
fn keep(browser: &mut Browser, page: &Path, name: &str, (width, height): (u32, u32)) {
    let documented = name == "laptop.png" && std::env::var_os("LAKEFOLD_WRITE_DOCS").is_some();
    let folder = std::env::var_os("LAKEFOLD_PAGES");
    if !documented && folder.is_none() {
        return;
    }
    let picture = browser.picture(width, height);
    if let Some(folder) = folder.map(PathBuf::from) {
        std::fs::create_dir_all(&folder).expect("make a folder");
        std::fs::copy(page, folder.join("dashboard.html")).expect("keep the page");
        std::fs::write(folder.join(format!("dashboard-{name}")), &picture).expect("keep a picture");
    }
    if documented {
        assert!(picture.len() < 200_000, "the picture of the README has {} bytes", picture.len());
        std::fs::write(repository("docs/pictures/dashboard.png"), &picture).expect("write the picture");
    }
}
