//! The mail and the page of a run in a real browser: on a phone, in a narrow window and on a desk, light and dark.

use super::place;
use crate::support::browser::Browser;
use crate::support::eml;
use crate::support::lakefold::next_second;
use serde_json::{Value, json};
use std::path::Path;

/// What can be measured of how a page looks. The text's colour is the browser's own choice, and so is the ground's.
const LOOKS: &str = r##"(() => {
  const text = [...document.querySelectorAll("td, th, div")].filter((e) => e.childElementCount === 0 && e.textContent.trim());
  return {
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    cut: text.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 80)),
    small: text.filter((e) => parseFloat(getComputedStyle(e).fontSize) < 12).map((e) => e.outerHTML.slice(0, 80)),
    pictures: [...document.images].map((image) => image.complete && image.naturalWidth > 0 && image.clientWidth > 100),
    drawings: document.querySelectorAll("svg").length,
    active: document.querySelectorAll("script, style, link, iframe").length,
    ink: getComputedStyle(document.querySelector("th")).color,
    failed: document.body.textContent.includes("Rerun just this collection:"),
  };
})()"##;

/// The HTML of the newest mail with its pictures in it, as a mail program puts them together.
fn put_together(folder: &Path) -> String {
    let texts = eml::texts(folder);
    let mail = texts.last().expect("a mail");
    let start = mail.find("<!DOCTYPE html>").expect("a page");
    let end = mail.find("</html>").expect("its end") + "</html>".len();
    let mut page = mail[start..end].to_owned();
    let newest = std::fs::read_dir(folder).expect("mails").map(|entry| entry.expect("an entry").path()).max();
    let raw = std::fs::read_to_string(newest.expect("a mail")).expect("a mail").replace("\r\n", "\n");
    for name in ["rows", "minutes"] {
        let (_, part) = raw.split_once(&format!("Content-ID: <{name}@lakefold>")).expect("a picture");
        let (_, body) = part.split_once("\n\n").expect("its body");
        let base64: String = body.lines().take_while(|line| !line.starts_with("--")).collect();
        page = page.replace(&format!("cid:{name}@lakefold"), &format!("data:image/png;base64,{base64}"));
    }
    page
}

#[test]
fn a_report_looks_well_on_every_screen() {
    let place = place("[mail]\ntransport = \"file\"\nfrom = \"lake@example.org\"\nto = [\"data@example.org\"]\n");
    place.write(
        "collections.csv",
        "database,collection,timestamp_column\nhospital,bills,updated_at\n\
         hospital,movements_of_everything_in_the_pharmacy_of_all_the_wards,updated_at\n",
    );
    // One run alone has no charts.
    for _ in 0..2 {
        next_second();
        let ended = place.lakefold(&["run", "--env", "test"]);
        assert_eq!(ended.code, 1, "{ended}");
    }
    place.write("mail.html", put_together(&place.path().join("mail")));
    let ended = place.lakefold(&["report", "--env", "test", "--out", "page.html"]);
    assert_eq!(ended.code, 0, "{ended}");

    let mut browser = Browser::start();
    for (file, pictures, drawings) in [("mail.html", json!([true, true]), 0), ("page.html", json!([]), 2)] {
        let file = place.path().join(file);
        for width in [390, 500, 1440] {
            let mut inks = Vec::new();
            for dark in [false, true] {
                browser.emulate("", dark);
                browser.open(&file, width, 900);
                let looks = browser.evaluate(LOOKS);
                let told = format!("{} at {width}, dark: {dark}: {looks:#}", file.display());
                assert_eq!(looks["overflow"], 0, "it scrolls sideways: {told}");
                assert_eq!((&looks["cut"], &looks["small"]), (&json!([]), &json!([])), "{told}");
                assert_eq!((&looks["pictures"], &looks["drawings"]), (&pictures, &drawings.into()), "{told}");
                assert_eq!((&looks["active"], &looks["failed"]), (&Value::from(0), &Value::from(true)), "{told}");
                assert_eq!(browser.complaints(&file), [""; 0], "{told}");
                inks.push(looks["ink"].clone());
            }
            assert_ne!(inks[0], inks[1], "the letters turn light when the ground turns dark");
        }
    }
}
