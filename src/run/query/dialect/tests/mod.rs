//! Athena's SQL over small lakes; where Trino's documentation has an example, it is this one.

mod defaults;
mod functions;
mod unnest;

use super::super::tests::bills;
use crate::error::Kind;
use crate::run::query::ResultFormat;
use crate::run::test_lake::TestLake;
use arrow::array::ArrayRef;
use arrow::datatypes::{Schema, SchemaRef};
use std::io::Cursor;
use std::sync::Arc;

/// Columns of a schema, from a JSON object for each row.
fn columns(schema: &SchemaRef, rows: &str) -> Vec<(&'static str, ArrayRef)> {
    let mut reader = arrow::json::ReaderBuilder::new(Arc::clone(schema)).build(Cursor::new(rows)).unwrap();
    let batch = reader.next().unwrap().unwrap();
    let names: Vec<&'static str> = schema.fields().iter().map(|field| field.name().clone().leak() as &str).collect();
    names.into_iter().zip(batch.columns().to_vec()).collect()
}

/// Two runners with times, one without and one of whom nothing is known; visits with diagnoses, and taxes in their items.
fn lists() -> TestLake {
    use arrow::datatypes::{DataType, Field};
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    let list = |of: DataType| DataType::List(Arc::new(Field::new("element", of, true)));
    let of = |fields: Vec<Field>| DataType::Struct(fields.into());
    let lake = TestLake::new();
    let schema = Schema::new(vec![field("runner", DataType::Utf8), field("checkpoints", list(DataType::Int64))]);
    let rows = r#"
        {"runner": "Joe", "checkpoints": [10, 20, 30, 42]}
        {"runner": "Roger", "checkpoints": [10]}
        {"runner": "Dave", "checkpoints": []}
        {"runner": "Levi", "checkpoints": null}"#;
    lake.write("hospital/marathon/data.parquet", columns(&Arc::new(schema), rows));

    let component = of(vec![field("name", DataType::Utf8), field("amount", DataType::Int64)]);
    let tax = of(vec![field("components", list(component))]);
    let item = of(vec![field("code", DataType::Utf8), field("amount", DataType::Int64), field("tax", tax)]);
    let entries = of(vec![Field::new("key", DataType::Utf8, false), field("value", DataType::Int64)]);
    let schema = Schema::new(vec![
        field("_id", DataType::Utf8),
        field("items", list(item)),
        field("tags", list(DataType::Utf8)),
        field("marks", DataType::Map(Arc::new(Field::new("entries", entries, false)), false)),
    ]);
    let rows = r#"
        {"_id": "a", "items": [
            {"code": "x", "amount": 1, "tax": {"components": [{"name": "C", "amount": 5}, {"name": "S", "amount": 6}]}},
            {"code": "y", "amount": 2, "tax": {"components": []}}], "tags": ["t", null], "marks": {"k": 7}}
        {"_id": "b", "items": [{"code": "z", "amount": 4, "tax": null}, null], "tags": ["u"], "marks": {}}
        {"_id": "c", "items": null, "tags": [], "marks": null}"#;
    lake.write("hospital/bills/data.parquet", columns(&Arc::new(schema), rows));
    lake
}

#[tokio::test]
async fn null_is_sorted_last_whichever_way() {
    let lake = lists();
    let from = "FROM (VALUES (2), (NULL), (7)) AS t(a)";
    for (order, expected) in [
        ("t.a", "2,1\n7,1\n,1\n"),
        ("t.a DESC", "7,1\n2,1\n,1\n"),
        ("t.a DESC NULLS FIRST", ",1\n7,1\n2,1\n"),
        ("t.a NULLS FIRST", ",1\n2,1\n7,1\n"),
    ] {
        let rows = lake.csv(&format!("SELECT t.a, 1 AS one {from} ORDER BY {order}")).await;
        assert_eq!(rows, format!("a,one\n{expected}"), "{order}");
    }
    let sql = format!("SELECT t.a, row_number() OVER (ORDER BY t.a DESC) AS place {from} ORDER BY place");
    assert_eq!(lake.csv(&sql).await, "a,place\n7,1\n2,2\n,3\n");
}

#[tokio::test]
async fn a_clause_in_a_text_or_a_comment_is_none() {
    let lake = lists();
    let sql = "-- CROSS JOIN UNNEST(b.items) AS item(code)\n\
               SELECT b._id, 'UNNEST(b.items) AS item(code); params.day; element_at(a, 1)' AS unnest /* LEFT JOIN UNNEST */\n\
               FROM hospital.bills AS b -- , UNNEST(b.tags) AS tag(tag)\n\
               WHERE b._id = 'a' AND 'CROSS JOIN UNNEST' <> b._id";
    let expected = "_id,unnest\na,\"UNNEST(b.items) AS item(code); params.day; element_at(a, 1)\"\n";
    assert_eq!(lake.csv(sql).await, expected);
}

#[tokio::test]
async fn a_column_is_called_by_the_end_of_its_path() {
    let lake = lists();
    let sql = "SELECT b._id, item.code, \"Item\".\"TAX\" FROM hospital.bills AS b \
               CROSS JOIN UNNEST(transform(b.items, i -> ROW(i.code, i.amount))) AS item(code, tax) WHERE b._id = 'a'";
    assert_eq!(lake.csv(sql).await, "_id,code,TAX\na,x,1\na,y,2\n");
}
