//! The CSV as such: header, records and the line each begins on.

use crate::model::problem::Problems;
use csv::{ReaderBuilder, StringRecord, Trim};

/// What a file's header may and must name.
pub(super) struct Layout {
    /// The columns there are.
    pub columns: &'static [&'static str],
    /// So many of them, from the first, must be there.
    pub required: usize,
}

/// One line of the file, by column name.
pub(super) struct Record {
    /// Where it begins, from 1.
    pub line: u64,
    cells: Vec<(&'static str, String)>,
}

impl Record {
    /// The trimmed text; none when the header leaves the column out.
    pub fn cell(&self, column: &str) -> Option<&str> {
        self.cells.iter().find(|(name, _)| *name == column).map(|(_, text)| text.as_str())
    }
}

/// Splits `text` into records; what cannot be one is a problem and left out.
pub(super) fn records(text: &str, layout: &Layout, problems: &mut Problems) -> Vec<Record> {
    // Excel and friends begin UTF-8 files with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(Trim::All)
        .from_reader(text.as_bytes());

    let mut header: Option<Vec<Option<&'static str>>> = None;
    let mut found = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                problems.add_general(e.position().map(|p| first_line(text, p.byte())), "is not CSV");
                continue;
            }
        };
        let line = record.position().map_or(1, |p| first_line(text, p.byte()));
        // Spreadsheets save an empty row as a line of commas.
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.iter().any(|cell| cell.contains(['\n', '\r'])) {
            problems
                .add_general(Some(line), "a field goes on over several lines")
                .hint("close the quote that this line opens");
            continue;
        }
        match &header {
            None => header = Some(read_header(&record, line, layout, problems)),
            Some(header) if header.len() != record.len() => {
                problems
                    .add_general(
                        Some(line),
                        format_args!("{} fields, but the header has {} columns", record.len(), header.len()),
                    )
                    .hint("put a comma between fields, and quotes around a field that holds a comma");
            }
            Some(header) => {
                let cells = header.iter().zip(&record).filter_map(|(name, cell)| Some(((*name)?, cell.to_owned())));
                found.push(Record { line, cells: cells.collect() });
            }
        }
    }
    if header.is_none() {
        problems
            .add_general(None, "has no header")
            .hint(format_args!("begin it with the line {}", layout.columns.join(",")));
    }
    found
}

/// The columns in file order; none for one that was a problem, so that the rows below are checked all the same.
fn read_header(
    record: &StringRecord,
    line: u64,
    layout: &Layout,
    problems: &mut Problems,
) -> Vec<Option<&'static str>> {
    let mut columns: Vec<Option<&'static str>> = Vec::with_capacity(record.len());
    for (at, cell) in record.iter().enumerate() {
        if cell.is_empty() {
            problems
                .add_general(Some(line), format_args!("column {} of the header has no name", at + 1))
                .hint("take the surplus comma out");
            columns.push(None);
            continue;
        }
        let known = layout.columns.iter().copied().find(|column| *column == cell);
        if known.is_none() {
            problems.add(line, cell, "unknown column").hint_nearest(cell, layout.columns);
        } else if columns.contains(&known) {
            problems.add(line, cell, "the header names this column twice").hint("keep one of them");
            columns.push(None);
            continue;
        }
        columns.push(known);
    }
    for required in layout.columns.iter().take(layout.required).filter(|required| !columns.contains(&Some(**required)))
    {
        problems.add(line, required, "the header lacks this required column").hint("add it to the header");
    }
    columns
}

/// The line of the first record at or after byte `from`.
///
/// The reader's own position is where it stood before it skipped comments and empty lines, and after a CRLF it stands
/// between the two.
fn first_line(text: &str, from: u64) -> u64 {
    let from = usize::try_from(from).unwrap_or(text.len()).min(text.len());
    let (before, after) = text.as_bytes().split_at(from);
    let skipped =
        after.split(|byte| *byte == b'\n').take_while(|line| matches!(line, [] | [b'\r'] | [b'#', ..])).count();
    let newlines = before.iter().filter(|byte| **byte == b'\n').count() + skipped;
    newlines as u64 + 1
}
