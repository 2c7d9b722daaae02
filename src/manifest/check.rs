//! Rules between rows.

use super::row::Row;
use crate::model::problem::Problems;

/// Two rows that one environment would read must not be the same collection, nor fold to the same table.
pub(super) fn repeated(rows: &[Row], problems: &mut Problems) {
    for (at, row) in rows.iter().enumerate() {
        let (name, folder) = (&row.spec.namespace, row.spec.namespace.folder());
        let earlier = rows.iter().take(at).find(|other| other.spec.namespace.folder() == folder && other.meets(row));
        let Some(earlier) = earlier else { continue };
        let line = earlier.spec.line;
        if earlier.spec.namespace == *name {
            problems
                .add(row.spec.line, "collection", format_args!("`{name}` stands already in line {line}"))
                .hint("keep one of the rows, or give each its own `environments`");
        } else {
            problems
                .add(
                    row.spec.line,
                    "collection",
                    format_args!(
                        "`{name}` and `{}` of line {line} fold to the same table `{folder}`",
                        earlier.spec.namespace
                    ),
                )
                .hint("fold one of them in an environment with a lake of its own");
        }
    }
}
