//! Tables in plain characters that fit the width they are given: numbers in full, or short where they must be.

use super::digest::Line;
use super::words::{bytes, compact, count, duration};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, TableComponent, presets};

/// An empty table in the one style: columns two blanks apart, a line under the header.
pub(super) fn plain(header: &[&str], left_aligned: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_style(TableComponent::HeaderLines, '─').force_no_tty();
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_header(header.iter().enumerate().map(|(i, title)| aligned(title, i < left_aligned)));
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table
}

/// A cell of a column of texts (left) or of numbers (right).
pub(super) fn aligned(text: impl ToString, left: bool) -> Cell {
    Cell::new(text).set_alignment(if left { CellAlignment::Left } else { CellAlignment::Right })
}

/// The table as text without blanks at the ends of lines, its first column narrowed when it is wider than `width`.
pub(super) fn fitted(mut table: Table, width: usize) -> String {
    if widest(&table) > width {
        let columns = table.column_count();
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        for index in 1..columns {
            if let Some(column) = table.column_mut(index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table.trim_fmt()
}

/// Width of the widest line.
pub(super) fn widest(table: &Table) -> usize {
    table.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0)
}

/// Collections with their numbers and, of more than one, the totals.
pub(super) fn collections(lines: &[Line], width: usize) -> String {
    let full = build(lines, count);
    let table = if widest(&full) > width { build(lines, compact) } else { full };
    fitted(table, width)
}

fn build(lines: &[Line], number: fn(u64) -> String) -> Table {
    let header = ["collection", "outcome", "read", "new", "updated", "un-\nchanged", "super-\nseded", "files", "bytes", "time"];
    let mut table = plain(&header, 2);
    let mut row = |name: String, outcome: &str, numbers: [u64; 6], amount: u64, time: String| {
        let mut cells = vec![aligned(name, true), aligned(outcome, true)];
        cells.extend(numbers.map(|n| aligned(number(n), false)));
        cells.extend([aligned(bytes(amount), false), aligned(time, false)]);
        table.add_row(cells);
    };
    let numbers = |l: &Line| [l.read, l.inserted, l.updated, l.unchanged, l.superseded, l.files];
    for line in lines {
        row(line.collection.clone(), line.outcome, numbers(line), line.bytes, duration(line.seconds));
    }
    if lines.len() > 1 {
        let mut sums = [0; 6];
        for line in lines {
            for (sum, n) in sums.iter_mut().zip(numbers(line)) {
                *sum += n;
            }
        }
        // Collections run side by side: their seconds do not add up to the run's.
        row("all".to_owned(), "", sums, lines.iter().map(|l| l.bytes).sum(), String::new());
    }
    table
}
