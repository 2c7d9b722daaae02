//! The front matter of a query: comment lines `-- key: value` before its first line of SQL.

use crate::error::{Error, Kind, Result};
use crate::model::dashboard::{ChartKind, Measure, Operand, Term};
use crate::model::problem::nearest;

const KEYS: [&str; 11] =
    ["title", "subject", "question", "chart", "x", "y", "series", "unit", "date", "facility", "names"];

/// What a query says about itself.
#[derive(Debug, Default)]
pub(super) struct Front {
    pub title: String,
    pub subject: String,
    pub question: String,
    pub kind: Option<ChartKind>,
    /// Column of the axis.
    pub x: Option<String>,
    /// What is drawn.
    pub measures: Vec<Measure>,
    /// Columns that the measures sum.
    pub summed: Vec<String>,
    /// Column that parts the measures.
    pub series: Option<String>,
    pub unit: Option<String>,
    /// Column that holds the day.
    pub date: Option<String>,
    /// Column that holds the facility.
    pub facility: Option<String>,
    /// The columns that give each facility's id and its name.
    pub names: Option<(String, String)>,
}

impl Front {
    /// Reads the front matter of `sql`; `file` is named in what is wrong with it.
    pub fn of(sql: &str, file: &str) -> Result<Self> {
        let mut front = Self::default();
        for (at, line) in sql.lines().enumerate() {
            let Some(comment) = line.strip_prefix("--") else { break };
            let wrong = |message: String| Error::new(Kind::Input, message).context(format!("{file}:{}", at + 1));
            let Some((key, value)) = comment.split_once(':') else {
                return Err(
                    wrong("is no `-- key: value`".into()).hint("put other comments below the first line of SQL")
                );
            };
            front.set(key.trim(), value.trim()).map_err(|(message, hint)| wrong(message).hint(hint))?;
        }
        front.complete().map_err(|key| {
            Error::new(Kind::Input, format!("{file}: `{key}` is missing"))
                .hint(format!("add a line `-- {key}: …` before the SQL"))
        })
    }

    fn set(&mut self, key: &str, value: &str) -> std::result::Result<(), (String, String)> {
        let text = value.to_owned();
        match key {
            "title" => self.title = text,
            "subject" => self.subject = text,
            "question" => self.question = text,
            "chart" => self.kind = Some(kind(value)?),
            "x" => self.x = Some(text),
            "y" => {
                for label in value.split(',') {
                    let measure = measure(label.trim(), &mut self.summed)?;
                    self.measures.push(measure);
                }
            }
            "series" => self.series = Some(text),
            "unit" => self.unit = Some(text),
            "date" => self.date = Some(text),
            "facility" => self.facility = Some(text),
            "names" => {
                let (id, name) = value.split_once('=').ok_or_else(|| {
                    ("`names` is not of the form `id = name`".to_owned(), "name two columns of the query".to_owned())
                })?;
                self.names = Some((id.trim().to_owned(), name.trim().to_owned()));
            }
            // For people: what the values of `params` mean.
            "param" => {}
            _ => {
                let hint = match nearest(key, KEYS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys are {} and param", KEYS.join(", ")),
                };
                return Err((format!("unknown key `{key}`"), hint));
            }
        }
        Ok(())
    }

    fn complete(self) -> std::result::Result<Self, &'static str> {
        match self.kind {
            _ if self.title.is_empty() => Err("title"),
            _ if self.subject.is_empty() => Err("subject"),
            _ if self.question.is_empty() => Err("question"),
            None => Err("chart"),
            Some(ChartKind::Table) => Ok(self),
            Some(_) if self.x.is_none() => Err("x"),
            Some(_) if self.measures.is_empty() => Err("y"),
            Some(_) => Ok(self),
        }
    }
}

fn kind(text: &str) -> std::result::Result<ChartKind, (String, String)> {
    Ok(match text {
        "bar" => ChartKind::Bar,
        "stacked bar" => ChartKind::StackedBar,
        "line" => ChartKind::Line,
        "doughnut" => ChartKind::Doughnut,
        "table" => ChartKind::Table,
        _ => {
            return Err((
                format!("unknown chart `{text}`"),
                "write bar, stacked bar, line, doughnut or table".to_owned(),
            ));
        }
    })
}

/// `net`, `no_shows / due`, `hours / 24 / stays`: sums of columns and numbers.
fn measure(label: &str, summed: &mut Vec<String>) -> std::result::Result<Measure, (String, String)> {
    let mut terms = Vec::new();
    let mut divides = false;
    let wrong = || {
        (format!("`{label}` is no measure"), "write columns and numbers with ` * ` or ` / ` between them".to_owned())
    };
    for (at, word) in label.split_whitespace().enumerate() {
        match (at % 2, word) {
            (1, "*") => divides = false,
            (1, "/") => divides = true,
            (0, word) => {
                let of = match word.parse::<f64>() {
                    Ok(number) if number.is_finite() => Operand::Number(number),
                    _ if word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                        let known = summed.iter().position(|column| column == word);
                        Operand::Sum(known.unwrap_or_else(|| {
                            summed.push(word.to_owned());
                            summed.len() - 1
                        }))
                    }
                    _ => return Err(wrong()),
                };
                terms.push(Term { divides, of });
            }
            _ => return Err(wrong()),
        }
    }
    if terms.is_empty() || label.split_whitespace().count().is_multiple_of(2) {
        return Err(wrong());
    }
    Ok(Measure { label: label.to_owned(), terms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(front: &str) -> String {
        let error = Front::of(front, "q.sql").unwrap_err();
        format!("{error}; {}", error.hint_text().unwrap_or_default())
    }

    #[test]
    fn a_measure_is_made_of_sums_and_numbers() {
        let mut summed = vec!["due".to_owned()];
        let measure = measure("hours / 24 / due", &mut summed).unwrap();
        assert_eq!(summed, ["due", "hours"]);
        let terms: Vec<_> = measure.terms.iter().map(|term| (term.divides, term.of)).collect();
        assert_eq!(terms, [(false, Operand::Sum(1)), (true, Operand::Number(24.0)), (true, Operand::Sum(0))]);
        for wrong in ["", "a /", "a b", "a - b", "a / (b)", "/ a"] {
            super::measure(wrong, &mut Vec::new()).unwrap_err();
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let most = "-- title: T\n-- subject: s\n-- question: Q?\n";
        assert_eq!(refusal("-- titel: T\nSELECT 1"), "q.sql:1: unknown key `titel`; did you mean `title`?");
        assert_eq!(
            refusal(&format!("{most}-- chart: pie\nSELECT 1")),
            "q.sql:4: unknown chart `pie`; write bar, stacked bar, line, doughnut or table"
        );
        assert_eq!(
            refusal(&format!("{most}-- chart: bar\n-- x: day\nSELECT 1")),
            "q.sql: `y` is missing; add a line `-- y: …` before the SQL"
        );
        Front::of(&format!("{most}-- chart: table\nSELECT 1 -- no: key"), "q.sql").unwrap();
    }

    /// Everything a query can say.
    const WHOLE: &str = "-- title: Due: by payer\n-- subject: financial\n-- question: Who owes?\n-- chart: stacked bar\n\
        -- x: payer\n-- y: collected, due / 100 * due\n-- series: kind\n-- unit: INR\n-- date: date\n\
        -- facility: facility_id\n-- names: id = name\n-- param: from_date first day: any\n";

    #[test]
    fn every_line_is_read() {
        let front = Front::of(&format!("{WHOLE}WITH params AS (SELECT 1 AS one)\n-- x: no front matter any more"), "q")
            .unwrap();
        assert_eq!((front.title.as_str(), front.subject.as_str()), ("Due: by payer", "financial"));
        assert_eq!((front.question.as_str(), front.kind), ("Who owes?", Some(ChartKind::StackedBar)));
        let texts = [&front.x, &front.series, &front.unit, &front.date, &front.facility];
        assert_eq!(texts.map(|text| text.as_deref()), ["payer", "kind", "INR", "date", "facility_id"].map(Some));
        assert_eq!(front.names, Some(("id".to_owned(), "name".to_owned())));
        assert_eq!(front.summed, ["collected", "due"], "a column is summed once, however often it is named");
        let labels: Vec<&str> = front.measures.iter().map(|measure| measure.label.as_str()).collect();
        assert_eq!(labels, ["collected", "due / 100 * due"]);
        let terms: Vec<_> = front.measures[1].terms.iter().map(|term| (term.divides, term.of)).collect();
        assert_eq!(terms, [(false, Operand::Sum(1)), (true, Operand::Number(100.0)), (false, Operand::Sum(1))]);
        // Written on another system, and with what people put around words.
        let other = WHOLE.replace('\n', "\r\n").replace("-- ", "--   ");
        assert_eq!(Front::of(&format!("{other}SELECT 1"), "q").unwrap().x.as_deref(), Some("payer"));
    }

    #[test]
    fn each_line_that_is_needed_is_asked_for() {
        for key in ["title", "subject", "question", "chart", "x", "y"] {
            let without: Vec<&str> = WHOLE.lines().filter(|line| !line.starts_with(&format!("-- {key}:"))).collect();
            let said = refusal(&format!("{}\nSELECT 1", without.join("\n")));
            assert_eq!(said, format!("q.sql: `{key}` is missing; add a line `-- {key}: …` before the SQL"));
        }
        assert!(refusal("").contains("`title` is missing") && refusal("\n-- title: T").contains("`title` is missing"));
    }

    #[test]
    fn each_kind_of_chart_has_its_word() {
        let charts = [ChartKind::Bar, ChartKind::StackedBar, ChartKind::Line, ChartKind::Doughnut, ChartKind::Table];
        for (word, kind) in ["bar", "stacked bar", "line", "doughnut", "table"].into_iter().zip(charts) {
            let text = WHOLE.replace("chart: stacked bar", &format!("chart: {word}"));
            assert_eq!(Front::of(&text, "q").unwrap().kind, Some(kind));
        }
    }

    #[test]
    fn what_is_no_front_matter_is_refused() {
        for (line, expected) in [
            ("-- just a comment", "is no `-- key: value`; put other comments below the first line of SQL"),
            ("--", "is no `-- key: value`; put other comments below the first line of SQL"),
            ("-- names: id", "`names` is not of the form `id = name`; name two columns of the query"),
            ("-- colour: red", "unknown key `colour`; the keys are"),
            ("-- y: a,,b", "`` is no measure; write columns and numbers with ` * ` or ` / ` between them"),
            ("-- y: a/b", "`a/b` is no measure"),
        ] {
            let said = refusal(&format!("-- title: T\n{line}\nSELECT 1"));
            assert!(said.starts_with(&format!("q.sql:2: {expected}")), "{said}");
        }
    }
}
