//! Athena's `CREATE EXTERNAL TABLE` for a table of the lake.

use crate::model::athena::{comment, kind, name, text};
use crate::model::description::{ColumnDescription, TableDescription};

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
}
