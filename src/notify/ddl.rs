//! Athena's `CREATE EXTERNAL TABLE` for a table of the lake.

use crate::model::column::ColumnType;
use crate::model::description::{ColumnDescription, TableDescription};

/// Longest column comment a catalog accepts, in characters.
const COMMENT_MAX: usize = 255;

/// Longest statement Athena accepts, in bytes.
const STATEMENT_MAX: usize = 262_144;

/// The statement, ended by `;` and a line break. Partitions still have to be added, by the crawler or `MSCK REPAIR TABLE`.
pub fn ddl(table: &TableDescription) -> String {
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let mut out = format!(
        "CREATE EXTERNAL TABLE {}.{} (\n  {}\n)\n",
        name(&table.catalog_database),
        name(&table.table),
        columns.join(",\n  ")
    );
    if !table.partition_keys.is_empty() {
        let keys: Vec<String> = table.partition_keys.iter().map(|key| format!("{} string", name(key))).collect();
        out += &format!("PARTITIONED BY ({})\n", keys.join(", "));
    }
    out += &format!("STORED AS PARQUET\nLOCATION {}\n", text(&table.location));
    out += "TBLPROPERTIES ('classification'='parquet', 'parquet.compression'='ZSTD');\n";
    if out.len() > STATEMENT_MAX {
        tracing::warn!("Athena takes statements of {STATEMENT_MAX} bytes, this one has {}: use the crawler", out.len());
    }
    out
}

fn column(column: &ColumnDescription) -> String {
    let mut out = format!("{} {}", name(&column.name), kind(&column.kind));
    if !column.original_names.is_empty() {
        out += &format!(" COMMENT {}", text(&comment(&column.original_names.join(", "))));
    }
    out
}

/// The type; names of struct children stand in backquotes too, because the statement's grammar takes neither a leading
/// `_` nor a reserved word without them.
fn kind(kind_of: &ColumnType) -> String {
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

/// Folded names hold no backquote.
fn name(folded: &str) -> String {
    format!("`{folded}`")
}

/// A comment as catalogs accept it: one line without control characters, cut at 255 characters.
fn comment(original: &str) -> String {
    let mut chars = original.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = chars.by_ref().take(COMMENT_MAX).collect();
    if chars.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// A string literal; its parser knows backslashes.
fn text(plain: &str) -> String {
    format!("'{}'", plain.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::super::schema_table::tests::table;
    use super::*;

    #[test]
    fn a_table_becomes_one_statement() {
        assert_eq!(
            ddl(&table()),
            "CREATE EXTERNAL TABLE `hospital`.`bills` (\n  \
             `_id` string,\n  \
             `amount` double,\n  \
             `line_items` array<struct<`_price`:decimal(38,10),`value_`:string>> COMMENT 'lineItems'\n\
             )\n\
             PARTITIONED BY (`date` string, `id1` string)\n\
             STORED AS PARQUET\n\
             LOCATION 's3://lake/it\\'s/hospital/bills/'\n\
             TBLPROPERTIES ('classification'='parquet', 'parquet.compression'='ZSTD');\n"
        );
    }

    #[test]
    fn comments_are_one_short_escaped_line() {
        assert_eq!(text(&comment("O'Neil\\\n{}")), "'O\\'Neil\\\\ {}'");
        let long = comment(&"é".repeat(300));
        assert_eq!((long.chars().count(), long.ends_with('…')), (255, true));
        assert_eq!(comment(&"é".repeat(255)), "é".repeat(255));
    }
}
