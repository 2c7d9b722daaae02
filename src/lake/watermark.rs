//! The watermark file: one CSV line a run, so that how far a collection has been read is a plain table to people.
//!
//! The last line with outcome `ok` counts. The file keeps its last [`LINES_MAX`] lines.

use super::layout::watermark_key;
use super::state::refuse_newer;
use super::{Expect, Lake, Version};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::collection::Namespace;
use crate::model::record::Outcome;
use crate::model::window::OperationTime;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Version of the file's columns; it stands in every line.
pub const FORMAT: u32 = 1;

/// Lines kept.
pub const LINES_MAX: usize = 1_000;

/// What one run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When the line was written, milliseconds since 1970, UTC.
    pub written_at: i64,
    /// The run.
    pub run_id: String,
    /// `full`, `incremental` or `dump`.
    pub mode: String,
    /// Start of the window, milliseconds; none for full reads.
    pub window_from: Option<i64>,
    /// How far the collection has been read, milliseconds; none when the source has no clock.
    pub watermark: Option<i64>,
    /// The source's logical time of the bound; the next run starts from at least this.
    pub operation_time: Option<OperationTime>,
    /// Documents the source sent.
    pub rows_read: u64,
    /// New in the table.
    pub rows_inserted: u64,
    /// Replaced the stored row.
    pub rows_updated: u64,
    /// How the run ended for this collection.
    pub outcome: Outcome,
    /// Short hash of the settings the table was written under.
    pub settings: String,
    /// The collection that was read, which is another one when it was dropped and made again: the server's UUID.
    pub collection: Option<String>,
}

/// The file, in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watermarks {
    lines: Vec<Line>,
}

/// A line as CSV has it; the order of the fields is the order of the columns.
#[derive(Serialize, Deserialize)]
struct Row {
    written_at: String,
    run_id: String,
    mode: String,
    window_from: String,
    watermark: String,
    operation_time: String,
    rows_read: u64,
    rows_inserted: u64,
    rows_updated: u64,
    outcome: Outcome,
    #[serde(default)]
    format: u32,
    /// Unknown in a file that another job wrote: the first run notices that no table was made under them.
    #[serde(default)]
    settings: String,
    #[serde(default)]
    collection: String,
}

impl Watermarks {
    /// The file of a collection with its version; empty and `None` when there is none yet.
    pub async fn load(lake: &Lake, ns: &Namespace) -> Result<(Self, Option<Version>)> {
        let key = watermark_key(ns);
        match lake.get(&key).await? {
            Some((bytes, version)) => {
                Ok((Self::parse(&bytes).map_err(|e| e.context(format!("read {key}")))?, Some(version)))
            }
            None => Ok((Self::default(), None)),
        }
    }

    /// As [`Watermarks::load`], for whoever can do without: `None` is a file that is damaged, with its version, so that it
    /// can be replaced.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when a newer lakefold wrote the file; what reading the lake ends with.
    pub async fn load_unless_damaged(lake: &Lake, ns: &Namespace) -> Result<(Option<Self>, Option<Version>)> {
        let key = watermark_key(ns);
        let Some((bytes, version)) = lake.get(&key).await? else { return Ok((Some(Self::default()), None)) };
        match Self::parse(&bytes) {
            Ok(found) => Ok((Some(found), Some(version))),
            Err(error) if error.kind() == Kind::Lake => Ok((None, Some(version))),
            Err(error) => Err(error.context(format!("read {key}"))),
        }
    }

    /// Writes the file; `read` is the version [`Watermarks::load`] gave.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when another run wrote it since.
    pub async fn store(&self, lake: &Lake, ns: &Namespace, read: Option<Version>) -> Result<Version> {
        lake.put(&watermark_key(ns), self.to_csv()?.into(), Expect::unchanged(read)).await
    }

    /// All lines kept, oldest first.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line that counts.
    pub fn last_ok(&self) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.outcome == Outcome::Ok)
    }

    /// The last full run that ended well.
    pub fn last_full(&self) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.is_full())
    }

    /// Whether what was read up to the watermark was another collection than the one of this `identity`, which has its name
    /// by now. No window of it is complete: nobody has read what is older.
    pub fn are_of_another(&self, identity: Option<&str>) -> bool {
        let read = self.last_ok().and_then(|line| line.collection.as_deref());
        read.zip(identity).is_some_and(|(read, identity)| read != identity)
    }

    /// Adds a line and drops the oldest beyond [`LINES_MAX`], though never the one that counts nor the last full run,
    /// from which the next one falls due.
    pub fn append(&mut self, line: Line) {
        self.lines.push(line);
        while self.lines.len() > LINES_MAX {
            let counts = self.lines.iter().rposition(|line| line.outcome == Outcome::Ok);
            let full = self.lines.iter().rposition(Line::is_full);
            let oldest = (0..self.lines.len()).find(|&at| Some(at) != counts && Some(at) != full);
            self.lines.remove(oldest.unwrap_or_default());
        }
    }

    /// Reads the CSV; columns are found by name, so that a later format may add some. A file without the column
    /// `format` is one that another job wrote in these columns; lakefold goes on from it.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when a newer lakefold wrote it; [`Kind::Lake`] when a line cannot be read.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let mut reader = csv::Reader::from_reader(text);
        let headers = reader.headers().or_error(Kind::Lake, "read the header")?.clone();
        let format_at = headers.iter().position(|name| name == "format");
        let mut lines = Vec::new();
        for record in reader.records() {
            let record = record.or_error(Kind::Lake, "read a line")?;
            let number = record.position().map_or(0, csv::Position::line);
            let format = match format_at {
                Some(at) => record.get(at).and_then(|format| format.parse().ok()),
                None => Some(u64::from(FORMAT)),
            };
            let damaged = |why: &str| {
                Error::new(Kind::Lake, format!("line {number} is damaged: {why}"))
                    .hint("restore the file from the bucket's versions or a backup")
            };
            refuse_newer(format.ok_or_else(|| damaged("no format"))?, FORMAT)?;
            let row: Row = record.deserialize(Some(&headers)).map_err(|_| damaged("not the columns expected"))?;
            lines.push(Line::of(row).ok_or_else(|| damaged("not a time"))?);
        }
        Ok(Self { lines })
    }

    /// The file's text, header first.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in &self.lines {
            writer.serialize(line.row()).or_error(Kind::Lake, "write a line")?;
        }
        writer.into_inner().or_error(Kind::Lake, "write the lines")
    }
}

impl Line {
    fn is_full(&self) -> bool {
        self.outcome == Outcome::Ok && self.mode == "full"
    }

    fn row(&self) -> Row {
        Row {
            written_at: time_text(Some(self.written_at)),
            run_id: self.run_id.clone(),
            mode: self.mode.clone(),
            window_from: time_text(self.window_from),
            watermark: time_text(self.watermark),
            operation_time: self.operation_time.map_or_else(String::new, |t| format!("{}:{}", t.seconds, t.increment)),
            rows_read: self.rows_read,
            rows_inserted: self.rows_inserted,
            rows_updated: self.rows_updated,
            outcome: self.outcome,
            format: FORMAT,
            settings: self.settings.clone(),
            collection: self.collection.clone().unwrap_or_default(),
        }
    }

    /// `None`: a time that is none.
    fn of(row: Row) -> Option<Self> {
        Some(Self {
            written_at: time(&row.written_at)??,
            run_id: row.run_id,
            mode: row.mode,
            window_from: time(&row.window_from)?,
            watermark: time(&row.watermark)?,
            operation_time: operation_time(&row.operation_time)?,
            rows_read: row.rows_read,
            rows_inserted: row.rows_inserted,
            rows_updated: row.rows_updated,
            outcome: row.outcome,
            settings: row.settings,
            collection: Some(row.collection).filter(|collection| !collection.is_empty()),
        })
    }
}

/// `2024-05-01T08:30:00.000Z`; empty for none. Beyond chrono's years nothing can be read back, so nothing is written.
fn time_text(ms: Option<i64>) -> String {
    let time = ms.and_then(DateTime::<Utc>::from_timestamp_millis);
    time.map_or_else(String::new, |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Outer `None`: not a time; inner: empty.
fn time(text: &str) -> Option<Option<i64>> {
    if text.is_empty() {
        return Some(None);
    }
    Some(Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis()))
}

/// `seconds:increment`, outer and inner `None` as in [`time`].
fn operation_time(text: &str) -> Option<Option<OperationTime>> {
    if text.is_empty() {
        return Some(None);
    }
    let (seconds, increment) = text.split_once(':')?;
    Some(Some(OperationTime { seconds: seconds.parse().ok()?, increment: increment.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(run: usize, outcome: Outcome) -> Line {
        Line {
            written_at: 1_714_552_200_123,
            run_id: format!("R{run}"),
            mode: "incremental".into(),
            window_from: Some(1_714_552_000_000),
            watermark: Some(1_714_552_200_000),
            operation_time: Some(OperationTime { seconds: 1_714_552_200, increment: 10 }),
            rows_read: 3,
            rows_inserted: 2,
            rows_updated: 1,
            outcome,
            settings: "0a1b2c3d".into(),
            collection: Some("77b0".into()),
        }
    }

    #[test]
    fn the_file_is_a_plain_table() {
        let mut file = Watermarks::default();
        file.append(line(1, Outcome::Ok));
        let text = String::from_utf8(file.to_csv().expect("csv")).expect("text");
        assert_eq!(
            text,
            "written_at,run_id,mode,window_from,watermark,operation_time,rows_read,rows_inserted,rows_updated,outcome,\
             format,settings,collection\n\
             2024-05-01T08:30:00.123Z,R1,incremental,2024-05-01T08:26:40.000Z,2024-05-01T08:30:00.000Z,1714552200:10,\
             3,2,1,ok,1,0a1b2c3d,77b0\n"
        );
        assert_eq!(Watermarks::parse(text.as_bytes()).expect("parse"), file);
    }

    #[test]
    fn another_jobs_file_of_these_columns_is_taken_over() {
        let mut file = Watermarks::default();
        file.append(Line { settings: String::new(), collection: None, ..line(1, Outcome::Ok) });
        let text = String::from_utf8(file.to_csv().expect("csv")).expect("text");
        let older = text.replace(",format,settings,collection", "").replace(",1,,\n", "\n");
        assert!(older.ends_with(",ok\n"), "{older}");
        assert_eq!(Watermarks::parse(older.as_bytes()).expect("parse"), file);
        assert_eq!(Watermarks::parse(text.replace(",1,,\n", ",,,\n").as_bytes()).expect_err("ours").kind(), Kind::Lake);
    }

    #[test]
    fn what_is_not_known_to_be_another_collection_is_the_same() {
        let mut file = Watermarks::default();
        assert!(!file.are_of_another(Some("77b0")));
        file.append(line(1, Outcome::Ok));
        assert_eq!([Some("77b0"), None, Some("77b1")].map(|now| file.are_of_another(now)), [false, false, true]);
        // A view, a dump, or a line of an older lakefold.
        file.append(Line { collection: None, ..line(2, Outcome::Ok) });
        assert!(!file.are_of_another(Some("77b1")));
    }

    #[test]
    fn a_bare_dump_leaves_times_empty() {
        let bare = Line { window_from: None, watermark: None, operation_time: None, ..line(1, Outcome::Ok) };
        let mut file = Watermarks::default();
        file.append(bare);
        assert_eq!(Watermarks::parse(&file.to_csv().expect("csv")).expect("parse"), file);
    }

    #[test]
    fn the_last_ok_line_counts_and_is_never_dropped() {
        let mut file = Watermarks::default();
        assert_eq!(file.last_ok(), None);
        file.append(line(0, Outcome::Ok));
        for run in 1..=LINES_MAX + 5 {
            file.append(line(run, Outcome::Failed));
        }
        assert_eq!(file.lines().len(), LINES_MAX);
        assert_eq!(file.last_ok().map(|line| line.run_id.as_str()), Some("R0"));
        file.append(line(9_999, Outcome::Ok));
        file.append(line(10_000, Outcome::Failed));
        assert_eq!(file.last_ok().map(|line| line.run_id.as_str()), Some("R9999"));
        assert_eq!(file.lines().len(), LINES_MAX);
        assert!(file.lines().iter().all(|line| line.run_id != "R0"));
    }

    #[test]
    fn the_last_full_run_outlives_the_lines_after_it() {
        let mut file = Watermarks::default();
        file.append(Line { mode: "full".into(), ..line(0, Outcome::Ok) });
        for run in 1..=LINES_MAX + 5 {
            file.append(line(run, Outcome::Ok));
        }
        assert_eq!(file.lines().len(), LINES_MAX);
        assert_eq!(file.last_full().map(|line| line.run_id.as_str()), Some("R0"));
        assert_eq!(file.last_ok().map(|line| line.run_id.clone()), Some(format!("R{}", LINES_MAX + 5)));
    }

    #[test]
    fn newer_and_damaged_files_are_refused() {
        let mut file = Watermarks::default();
        file.append(line(1, Outcome::Ok));
        let text = String::from_utf8(file.to_csv().expect("csv")).expect("text");
        let kind = |text: String| Watermarks::parse(text.as_bytes()).expect_err("refused").kind();
        assert_eq!(kind(text.replace(",1,0a1b", ",2,0a1b")), Kind::Unavailable);
        assert_eq!(kind(text.replace("2024-05-01T08:30:00.000Z", "yesterday")), Kind::Lake);
        assert_eq!(kind(text.replace(",ok,", ",fine,")), Kind::Lake);
        assert_eq!(kind(text.replace("1714552200:10", "1714552200")), Kind::Lake);
    }
}
