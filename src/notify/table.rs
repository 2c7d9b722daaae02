//! Tables in plain characters that fit the width they are given: numbers in full, or short where they must be.

use super::digest::Line;
use super::words::{bytes, compact, count, duration};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, TableComponent, presets};

/// How much room a table takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Numbers in full, columns two blanks apart.
    Roomy,
    /// Numbers in few digits, columns one blank apart, databases on lines of their own.
    Tight,
}

impl Style {
    /// A count in this style.
    pub(super) fn count(self, n: u64) -> String {
        if self == Style::Roomy { count(n) } else { compact(n) }
    }
}

/// Lays the same rows out roomily when `width` allows, else tightly.
pub(super) fn fit(width: usize, build: impl Fn(Style) -> Table) -> String {
    let roomy = build(Style::Roomy);
    if widest(&roomy) <= width {
        return roomy.trim_fmt();
    }
    let mut tight = build(Style::Tight);
    if widest(&tight) > width {
        // Only names may be that long; they are broken, numbers never are.
        let columns = tight.column_count();
        tight.set_content_arrangement(ContentArrangement::Dynamic);
        tight.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        for index in 1..columns {
            if let Some(column) = tight.column_mut(index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    tight.trim_fmt()
}

/// An empty table: no borders, a line under the header, the first `left` columns texts and the others numbers.
pub(super) fn plain(header: &[&str], left: usize, style: Style) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).force_no_tty();
    table.set_style(TableComponent::HeaderLines, '─').set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_header(header.iter().enumerate().map(|(i, title)| aligned(title, i < left)));
    for column in table.column_iter_mut() {
        column.set_padding((0, u16::from(style == Style::Roomy)));
    }
    table
}

/// A cell of a column of texts (left) or of numbers (right).
pub(super) fn aligned(text: impl ToString, left: bool) -> Cell {
    Cell::new(text).set_alignment(if left { CellAlignment::Left } else { CellAlignment::Right })
}

/// Width of the widest line.
fn widest(table: &Table) -> usize {
    table.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0)
}

/// Collections with their numbers and, of more than one, the totals.
pub(super) fn collections(lines: &[&Line], width: usize) -> String {
    fit(width, |style| build(lines, style))
}

fn build(lines: &[&Line], style: Style) -> Table {
    let header =
        ["collection", "outcome", "read", "new", "updated", "un-\nchanged", "super-\nseded", "files", "bytes", "time"];
    let mut table = plain(&header, 2, style);
    let row = |table: &mut Table, name: String, outcome: &str, numbers: [u64; 6], amount: u64, time: String| {
        let mut cells = vec![aligned(name, true), aligned(outcome, true)];
        cells.extend(numbers.map(|n| aligned(style.count(n), false)));
        cells.extend([aligned(bytes(amount), false), aligned(time, false)]);
        table.add_row(cells);
    };
    let mut sums = [0; 6];
    let mut database = None;
    for line in lines {
        let numbers = [line.read, line.inserted, line.updated, line.unchanged, line.superseded, line.files];
        for (sum, n) in sums.iter_mut().zip(numbers) {
            *sum += n;
        }
        let name = match style {
            Style::Roomy => line.collection.clone(),
            Style::Tight => format!(" {}", line.short),
        };
        if style == Style::Tight && database != Some(&line.database) {
            table.add_row([aligned(&line.database, true)]);
        }
        database = Some(&line.database);
        row(&mut table, name, line.outcome, numbers, line.bytes, duration(line.seconds));
    }
    if lines.len() > 1 {
        // Collections run side by side: their seconds do not add up to the run's.
        row(&mut table, "all".to_owned(), "", sums, lines.iter().map(|l| l.bytes).sum(), String::new());
    }
    table
}
