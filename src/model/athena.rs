//! How Athena's DDL spells names, types, comments and texts: the one place, for `CREATE EXTERNAL TABLE` and for the
//! `ALTER TABLE` that stands in for a write to the catalog that was refused.

use super::catalog::CatalogColumn;
use super::column::ColumnType;

/// Longest column comment a catalog accepts, in characters.
const COMMENT_MAX: usize = 255;

/// A folded name, which holds no backquote, in backquotes.
pub fn name(folded: &str) -> String {
    format!("`{folded}`")
}

/// The type; names of struct children stand in backquotes too, because the statement's grammar takes neither a leading
/// `_` nor a reserved word without them.
pub fn kind(kind_of: &ColumnType) -> String {
    match kind_of {
        ColumnType::List(element) => format!("array<{}>", kind(element)),
        ColumnType::Map(value) => format!("map<string,{}>", kind(value)),
        ColumnType::Struct(children) => {
            let children: Vec<String> =
                children.iter().map(|child| format!("{}:{}", name(&child.name), kind(&child.kind))).collect();
            format!("struct<{}>", children.join(","))
        }
        scalar => scalar.to_string(),
    }
}

/// A comment as catalogs accept it: one line without control characters, cut at 255 characters.
pub fn comment(original: &str) -> String {
    let mut chars = original.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = chars.by_ref().take(COMMENT_MAX).collect();
    if chars.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// A string literal; its parser knows backslashes.
pub fn text(plain: &str) -> String {
    format!("'{}'", plain.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The statement that gives a table exactly `columns`. Athena changes the type of one column of a Parquet table only by
/// naming them all again.
pub fn replace_columns(database: &str, table: &str, columns: &[CatalogColumn]) -> String {
    let columns: Vec<String> =
        columns.iter().map(|column| format!("{} {}", name(&column.name), kind(&column.kind))).collect();
    format!("ALTER TABLE {}.{} REPLACE COLUMNS ({})", name(database), name(table), columns.join(", "))
}

/// The statement that finds the partitions of a table by their folders.
pub fn repair(database: &str, table: &str) -> String {
    format!("MSCK REPAIR TABLE {}.{}", name(database), name(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_one_short_escaped_line() {
        assert_eq!(text(&comment("O'Neil\\\n{}")), "'O\\'Neil\\\\ {}'");
        let long = comment(&"é".repeat(300));
        assert_eq!((long.chars().count(), long.ends_with('…')), (255, true));
        assert_eq!(comment(&"é".repeat(255)), "é".repeat(255));
    }

    #[test]
    fn a_retyping_is_one_statement() {
        let column = |name: &str, kind| CatalogColumn { name: name.into(), kind, comment: None };
        let columns = [column("_id", ColumnType::Bigint), column("age", ColumnType::String)];
        assert_eq!(
            replace_columns("hospital", "patients", &columns),
            "ALTER TABLE `hospital`.`patients` REPLACE COLUMNS (`_id` bigint, `age` string)"
        );
    }
}
