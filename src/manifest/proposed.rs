//! A proposed manifest as text: rows that can be taken as they are, with what speaks for each above it.

use super::row::LAYOUT;
use crate::model::proposal::ProposedRow;
use std::fmt::Write as _;

/// Columns that a proposal fills, from the first.
const COLUMNS: usize = 4;

/// The text of `collections.csv`.
pub fn proposed(rows: &[ProposedRow]) -> String {
    let mut out = String::from(
        "# Proposed by `lakefold init` from what the source holds now. Look it over: a field that is not set at every\n\
         # change loses changes as timestamp_column. Lines with # are ignored.\n",
    );
    let header: Vec<&str> = LAYOUT.columns.iter().take(COLUMNS).copied().collect();
    let _ = writeln!(out, "{}", header.join(","));
    for row in rows {
        let _ = write!(out, "\n# {}", one_line(&row.namespace.to_string()));
        let mut separator = ": ";
        for remark in &row.remarks {
            let _ = write!(out, "{separator}{}", one_line(remark));
            separator = "\n#   ";
        }
        if let Some(why) = &row.left_out {
            let _ = write!(out, "{separator}left out: {}", one_line(why));
        }
        let mark = if row.left_out.is_some() { "#" } else { "" };
        let _ = write!(out, "\n{mark}{}", record(row));
    }
    out
}

/// The row as CSV, its end of line included; a field that would read as a comment is quoted.
fn record(row: &ProposedRow) -> String {
    let mut writer = csv::WriterBuilder::new().comment(Some(b'#')).from_writer(Vec::new());
    let cells = [&row.namespace.database, &row.namespace.collection, &row.timestamp_column, &row.partition_by];
    let written = writer.write_record(cells.map(|cell| one_line(cell)));
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A name with a line break in it must not begin a row of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Context, load};
    use crate::model::collection::Namespace;

    fn row(collection: &str, left_out: Option<&str>) -> ProposedRow {
        ProposedRow {
            namespace: Namespace { database: "#h".into(), collection: collection.into() },
            remarks: vec!["12 documents, 1.0 KiB".into(), "updated_at: a time".into()],
            timestamp_column: "updated_at".into(),
            partition_by: "date=day(created_at)".into(),
            left_out: left_out.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let rows = [row("a, \"b\"", None), row("view\nh,x,,", Some("a view"))];
        let text = proposed(&rows);
        let context = Context { file: "m", environment: "any", hash_key: false, pins: None };
        let read = load(&text, &context).unwrap();
        assert_eq!(read.len(), 1, "{text}");
        assert_eq!(read[0].namespace, rows[0].namespace);
        assert_eq!(read[0].timestamp_column.as_ref().unwrap().to_string(), "updated_at");
        assert!(text.contains("\n# #h.a, \"b\": 12 documents, 1.0 KiB\n#   updated_at: a time\n"), "{text}");
        assert!(
            text.contains("left out: a view\n#\"#h\",view h,x,,,updated_at") || text.contains("left out: a view\n#")
        );
    }
}
