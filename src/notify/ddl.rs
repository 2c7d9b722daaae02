//! Athena's `CREATE EXTERNAL TABLE` for a table of the lake.

use crate::model::athena::{comment, kind, name, text};
use crate::model::description::{ColumnDescription, TableDescription};
use crate::model::projection::{Projection, Range};
use std::fmt::Write as _;

/// Longest statement Athena accepts, in bytes.
const STATEMENT_MAX: usize = 262_144;

/// The statement, ended by `;` and a line break. Without a projection partitions still have to be added, by the crawler or
/// `MSCK REPAIR TABLE`.
pub fn ddl(table: &TableDescription, projection: Option<&Projection>) -> String {
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
    out += "TBLPROPERTIES ('classification'='parquet', 'parquet.compression'='ZSTD'";
    for (property, value) in projection.map(|found| properties(table, found)).unwrap_or_default() {
        let _ = write!(out, ",\n  {}={}", text(&property), text(&value));
    }
    out += ");\n";
    if out.len() > STATEMENT_MAX {
        tracing::warn!("Athena takes statements of {STATEMENT_MAX} bytes, this one has {}: use the crawler", out.len());
    }
    out
}

/// What makes Athena work the partitions out.
fn properties(table: &TableDescription, projection: &Projection) -> Vec<(String, String)> {
    let mut properties = vec![("projection.enabled".to_owned(), "true".to_owned())];
    for key in &projection.keys {
        let mut set = |property: &str, value: &str| {
            properties.push((format!("projection.{}.{property}", key.name), value.to_owned()));
        };
        match &key.range {
            Range::Date { from, to, format, unit } => {
                set("type", "date");
                set("range", &format!("{from},{to}"));
                set("format", format);
                set("interval", "1");
                set("interval.unit", unit);
            }
            Range::Enum(values) => {
                set("type", "enum");
                set("values", &values.join(","));
            }
            Range::Injected => set("type", "injected"),
        }
    }
    let folders: Vec<String> = projection.keys.iter().map(|key| format!("{0}=${{{0}}}/", key.name)).collect();
    properties.push(("storage.location.template".to_owned(), format!("{}{}", table.location, folders.concat())));
    properties
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
    use crate::model::projection::ProjectedKey;

    #[test]
    fn a_table_becomes_one_statement() {
        assert_eq!(
            ddl(&table(), None),
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
    fn a_projection_is_told_in_properties() {
        let key = |name: &str, range| ProjectedKey { name: name.into(), range };
        let date = Range::Date {
            from: "2024-01-01T00".into(),
            to: "NOW+16HOURS".into(),
            format: "yyyy-MM-dd'T'HH",
            unit: "HOURS",
        };
        let keys =
            vec![key("date", date), key("id1", Range::Enum(vec!["A".into(), "B".into()])), key("x", Range::Injected)];
        let ddl = ddl(&table(), Some(&Projection { keys, warnings: Vec::new() }));
        let (_, properties) = ddl.split_once("'parquet.compression'='ZSTD',\n").unwrap();
        assert_eq!(
            properties,
            "  'projection.enabled'='true',\n  \
             'projection.date.type'='date',\n  \
             'projection.date.range'='2024-01-01T00,NOW+16HOURS',\n  \
             'projection.date.format'='yyyy-MM-dd\\'T\\'HH',\n  \
             'projection.date.interval'='1',\n  \
             'projection.date.interval.unit'='HOURS',\n  \
             'projection.id1.type'='enum',\n  \
             'projection.id1.values'='A,B',\n  \
             'projection.x.type'='injected',\n  \
             'storage.location.template'='s3://lake/it\\'s/hospital/bills/date=${date}/id1=${id1}/x=${x}/');\n"
        );
    }
}
