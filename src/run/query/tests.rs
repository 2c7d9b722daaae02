//! Queries over small lakes of real files, written here as a run would write them.

use super::*;
use crate::model::column::ColumnType;
use crate::run::test_lake::{TestLake, column, numbers, spec, texts};
use arrow::array::{ArrayRef, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use std::fs::File;
use std::io::Write as _;

impl TestLake {
    pub(super) async fn text(&self, format: ResultFormat, sql: &str, params: &[(&str, &str)]) -> Result<String> {
        let request = QueryRequest {
            sql: sql.into(),
            params: params.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
            format,
        };
        let mut out = Vec::new();
        query(&self.settings(), &[spec("not_yet")], &request, &mut out).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    pub(super) async fn csv(&self, sql: &str) -> String {
        self.text(ResultFormat::Csv, sql, &[]).await.unwrap()
    }

    pub(super) async fn refusal(&self, sql: &str, params: &[(&str, &str)]) -> (Kind, String) {
        let error = self.text(ResultFormat::Csv, sql, params).await.unwrap_err();
        (error.kind(), format!("{error}; {}", error.hint_text().unwrap_or("no hint")))
    }
}

/// Bills in three partitions, one of them without a facility.
pub(super) fn bills() -> TestLake {
    let lake = TestLake::new();
    for (folder, ids, amounts) in [
        ("date=2024-05-01/id1=001", ["a", "b"], [10, 20]),
        ("date=2024-05-01/id1=FAC%2FX%20%C3%A9", ["c", "d"], [30, 40]),
        ("date=2024-05-02/id1=__HIVE_DEFAULT_PARTITION__", ["e", "f"], [50, 60]),
    ] {
        let key = format!("hospital/bills/{folder}/data.parquet");
        lake.write(&key, vec![("_id", texts(&ids)), ("amount", numbers(&amounts))]);
    }
    lake
}

#[tokio::test]
async fn partition_keys_are_text_columns_decoded_and_null_where_there_is_no_value() {
    let lake = bills();
    let rows = lake.csv("SELECT date, id1, sum(amount) AS total FROM hospital.bills GROUP BY ALL ORDER BY total").await;
    assert_eq!(rows, "date,id1,total\n2024-05-01,001,30\n2024-05-01,FAC/X é,70\n2024-05-02,,110\n");
    assert_eq!(lake.csv("SELECT count(*) AS n FROM hospital.bills WHERE id1 IS NULL").await, "n\n2\n");
    assert_eq!(lake.csv("SELECT _id FROM hospital.bills WHERE id1 = 'FAC/X é' AND amount > 30").await, "_id\nd\n");
    // Every column of a row comes from the same file, whatever is projected first.
    assert_eq!(
        lake.csv("SELECT id1, _id FROM hospital.bills WHERE date < '2024-05-02' AND amount = 20").await,
        "id1,_id\n001,b\n"
    );
}

#[tokio::test]
async fn names_fold_as_the_lake_folds_them() {
    let lake = bills();
    for name in ["Hospital.BILLS", "\"Hospital\".\"Bills\"", "lake.hospital.bills"] {
        assert_eq!(lake.csv(&format!("SELECT count(*) AS n FROM {name}")).await, "n\n6\n", "{name}");
    }
}

#[tokio::test]
async fn partitions_a_condition_excludes_are_never_opened() {
    let lake = bills();
    lake.create("hospital/bills/date=2024-06-01/id1=001/data.parquet").write_all(b"no Parquet at all").unwrap();
    lake.write_state("bills", &["date", "id1"], vec![column("amount", ColumnType::Bigint)]);
    let sql = "SELECT count(*) AS n, max(amount) AS most FROM hospital.bills WHERE date BETWEEN $from AND '2024-05-31'";
    let rows = lake.text(ResultFormat::Csv, sql, &[("from", "2024-05-01")]).await.unwrap();
    assert_eq!(rows, "n,most\n6,60\n");
    let error = lake.text(ResultFormat::Csv, "SELECT max(amount) FROM hospital.bills", &[]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Lake);
}

#[tokio::test]
async fn columns_and_struct_children_a_file_lacks_are_null_at_every_depth() {
    let lake = TestLake::new();
    let name = |names: &[&str]| -> ArrayRef {
        Arc::new(StructArray::from(vec![(Arc::new(Field::new("first", DataType::Utf8, true)), texts(names))]))
    };
    let items = |skus: &[&str]| -> ArrayRef {
        let item: ArrayRef =
            Arc::new(StructArray::from(vec![(Arc::new(Field::new("sku", DataType::Utf8, true)), texts(skus))]));
        let element = Arc::new(Field::new("element", item.data_type().clone(), true));
        Arc::new(ListArray::new(element, OffsetBuffer::from_lengths([skus.len()]), item, None))
    };
    // An early file: no `city`, no `name.last`, no `items[].price`, `age` still a number.
    lake.write(
        "hospital/patients/date=2024-05-01/data.parquet",
        vec![("_id", texts(&["1"])), ("age", numbers(&[45])), ("name", name(&["Asha"])), ("items", items(&["x", "y"]))],
    );
    let of = ColumnType::Struct;
    lake.write_state(
        "patients",
        &["date"],
        vec![
            column("city", ColumnType::String),
            column("age", ColumnType::String),
            column("name", of(vec![column("last", ColumnType::String), column("first", ColumnType::String)])),
            column(
                "items",
                ColumnType::List(Box::new(of(vec![
                    column("sku", ColumnType::String),
                    column("price", ColumnType::Double),
                    column("tax", of(vec![column("rate", ColumnType::Double)])),
                ]))),
            ),
            column("tags", ColumnType::Map(Box::new(ColumnType::Bigint))),
        ],
    );
    let rows = lake.text(ResultFormat::Json, "SELECT * FROM hospital.patients", &[]).await.unwrap();
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    let item = |sku: &str| serde_json::json!({"sku": sku, "price": null, "tax": null});
    assert_eq!(
        rows,
        serde_json::json!([{
            "_id": "1", "city": null, "age": "45", "name": {"last": null, "first": "Asha"},
            "items": [item("x"), item("y")], "tags": null, "date": "2024-05-01",
        }])
    );
    let rows = lake.csv("SELECT name.last IS NULL AS l, name.first AS f, items[2]['price'] AS p FROM hospital.patients WHERE name.last IS NULL").await;
    assert_eq!(rows, "l,f,p\ntrue,Asha,\n");
    let numbered = "SELECT p._id, i.n, i.e.sku, i.e.tax.rate FROM hospital.patients AS p \
                    CROSS JOIN UNNEST(transform(p.items, x -> ROW(x))) WITH ORDINALITY AS i(e, n) ORDER BY i.n DESC";
    assert_eq!(lake.csv(numbered).await, "_id,n,sku,rate\n1,2,y,\n1,1,x,\n");
}

#[tokio::test]
async fn lists_of_any_plain_values_become_texts() {
    let lake = bills();
    for (list, text) in [
        ("make_array(1, NULL, 2), ', '", "\"1, 2\""),
        ("make_array(CAST(1.5 AS decimal(38, 10)), NULL), ', ', '-'", "\"1.5000000000, -\""),
        ("make_array(TIMESTAMP '2024-05-01T10:00:00', NULL), '|'", "2024-05-01T10:00:00"),
        ("make_array(true, false), ' '", "true false"),
        ("flatten(make_array(make_array('a'), make_array('b', 'c'))), ','", "\"a,b,c\""),
        ("map_values(MAP {'x': 1, 'y': NULL}), ', ', ''", "\"1, \""),
    ] {
        assert_eq!(lake.csv(&format!("SELECT array_join({list}) AS t")).await, format!("t\n{text}\n"), "{list}");
    }
    assert_eq!(lake.csv("SELECT array_join(CAST(NULL AS bigint[]), ',') IS NULL AS t").await, "t\ntrue\n");
    assert_eq!(lake.refusal("SELECT array_join('a', ',')", &[]).await.0, Kind::Input);
}

#[tokio::test]
async fn files_disagreeing_on_columns_are_merged_when_the_state_is_gone() {
    let lake = bills();
    lake.write(
        "hospital/bills/date=2024-05-03/id1=002/data.parquet",
        vec![("_id", texts(&["g"])), ("payer", texts(&["state"]))],
    );
    assert_eq!(
        lake.csv("SELECT _id, amount, payer, id1 FROM hospital.bills WHERE payer IS NOT NULL").await,
        "_id,amount,payer,id1\ng,,state,002\n"
    );
}

#[tokio::test]
async fn a_table_with_a_schema_and_no_rows_is_empty_not_missing() {
    let lake = TestLake::new();
    lake.write_state("visits", &["date"], vec![column("ward", ColumnType::String)]);
    assert_eq!(lake.csv("SELECT ward, date FROM hospital.visits").await, "ward,date\n");
    assert_eq!(lake.csv("SELECT count(*) AS n FROM hospital.visits").await, "n\n0\n");
    assert_eq!(lake.text(ResultFormat::Json, "SELECT ward FROM hospital.visits", &[]).await.unwrap(), "[]\n");
}

#[tokio::test]
async fn parameters_take_the_type_their_use_asks_for() {
    let lake = bills();
    let run = |sql: &'static str, params: &'static [(&str, &str)]| lake.text(ResultFormat::Csv, sql, params);
    // As a number `001` would be equal to nothing, and as a text `9` would be more than `60`.
    assert_eq!(
        run("SELECT count(*) AS n FROM hospital.bills WHERE id1 = $f", &[("f", "001")]).await.unwrap(),
        "n\n2\n"
    );
    assert_eq!(
        run("SELECT count(*) AS n FROM hospital.bills WHERE amount > $a", &[("a", "9")]).await.unwrap(),
        "n\n6\n"
    );
    assert_eq!(run("SELECT _id FROM hospital.bills ORDER BY _id LIMIT $k", &[("k", "1")]).await.unwrap(), "_id\na\n");

    let sql = "SELECT count(*) FROM hospital.bills WHERE amount > $a";
    let (kind, text) = lake.refusal(sql, &[]).await;
    assert_eq!((kind, text.as_str()), (Kind::Input, "the query has no value for `a`; add `--param a=VALUE`"));
    let (kind, text) = lake.refusal(sql, &[("a", "1"), ("b", "2")]).await;
    assert_eq!((kind, text.as_str()), (Kind::Input, "the query does not use the parameter `b`; its parameters: `a`"));
    let defaults = "WITH params AS (SELECT 1 AS least) SELECT params.least, $from_date FROM params";
    for (given, expected) in [("form_date", "did you mean `from_date`?"), ("laest", "did you mean `least`?")] {
        let (_, text) = lake.refusal(defaults, &[("from_date", "1"), (given, "1")]).await;
        assert!(text.ends_with(expected), "{text}");
    }
    let (kind, text) = lake.refusal(" \n", &[]).await;
    assert_eq!((kind, text.as_str()), (Kind::Input, "the query is empty; write SQL after `-e`, or into the file"));
    let (kind, text) = lake.refusal(sql, &[("a", "many")]).await;
    assert_eq!((kind, text.as_str()), (Kind::Input, "the value of --param a is no Int64; no hint"));
}

#[tokio::test]
async fn what_is_missing_is_named_with_what_was_probably_meant() {
    let lake = bills();
    for (sql, expected) in [
        ("SELECT * FROM hospital.bill", "did you mean hospital.bills?"),
        ("SELECT * FROM bills", "tables are named database.collection: did you mean hospital.bills?"),
        ("SELECT * FROM clinic.bills", "did you mean hospital.bills?"),
        ("SELECT * FROM zoo.qq", "it has `hospital.bills`"),
        ("SELECT * FROM hospital.not_yet", "hospital.not_yet is not in the lake yet; `lakefold run` brings it there"),
        ("SELECT amuont FROM hospital.bills", "amuont"),
        ("SELEC 1", "SELEC"),
    ] {
        let (kind, text) = lake.refusal(sql, &[]).await;
        assert_eq!(kind, Kind::Input, "{sql}: {text}");
        assert!(text.contains(expected), "{sql}: {text}");
    }
    let none = TestLake::new();
    let (kind, text) = none.refusal("SELECT 1", &[]).await;
    assert_eq!(kind, Kind::Unavailable);
    assert!(text.starts_with("there is no lake at file:"), "{text}");
    assert!(!none.folder.path().join("lake").exists(), "asking must not make a lake");
}

/// P10: conditions on partition keys are evaluated while planning, and all others while reading.
#[tokio::test]
async fn what_fails_with_a_value_does_not_quote_it() {
    let lake = bills();
    lake.write(
        "hospital/visits/ward=O%27Brien%27s/data.parquet",
        vec![("_id", texts(&["O'Brien's"])), ("phone", numbers(&[9_800_011_122]))],
    );
    for (what, kind) in [
        ("_id FROM hospital.visits WHERE CAST(ward AS BIGINT) > 1", Kind::Input),
        ("_id FROM hospital.visits WHERE CAST(ward AS DATE) > DATE '2024-05-01'", Kind::Input),
        ("CAST(_id AS BIGINT) AS n FROM hospital.visits", Kind::Lake),
        ("CAST(_id AS TIMESTAMP) AS n FROM hospital.visits", Kind::Lake),
        ("CAST(phone AS INTEGER) AS n FROM hospital.visits", Kind::Lake),
    ] {
        let (found, text) = lake.refusal(&format!("SELECT {what}"), &[]).await;
        assert_eq!(found, kind, "{what}: {text}");
        assert!(!text.contains("Brien") && !text.contains("98000"), "{what}: {text}");
    }
    let damaged = "hospital/visits/ward=Rao/data.parquet";
    lake.create(damaged).write_all(b"no Parquet at all").unwrap();
    lake.write_state("visits", &["ward"], vec![column("phone", ColumnType::Bigint)]);
    let (_, text) = lake.refusal("SELECT max(phone) AS n FROM hospital.visits WHERE ward = 'Rao'", &[]).await;
    assert!(text.contains("Parquet") && !text.contains("Rao"), "{text}");
    let (kind, text) = lake.refusal("SELECT 'mine' AS x FROM hospital.visits WHERE agee = 'Asha'", &[]).await;
    assert!(kind == Kind::Input && text.contains("No field named agee"), "{text}");
    let (kind, text) = lake.refusal("SELECT 'mine' FRO hospital.visits", &[]).await;
    assert!(kind == Kind::Input && text.contains("hospital"), "{text}");
}

#[tokio::test]
async fn statements_that_write_are_refused() {
    let lake = bills();
    let target = lake.folder.path().join("out.csv");
    for sql in [
        "CREATE TABLE x AS SELECT 1".to_owned(),
        "DROP TABLE hospital.bills".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        format!("COPY (SELECT 1) TO '{}'", target.display()),
    ] {
        assert_eq!(lake.refusal(&sql, &[]).await.0, Kind::Input, "{sql}");
    }
    assert!(!target.exists());
}

#[tokio::test]
async fn every_format_writes_every_row() {
    let lake = bills();
    let sql = "SELECT _id, named_struct('a', amount) AS doc FROM hospital.bills WHERE id1 = '001' ORDER BY _id";
    let text = |format| lake.text(format, sql, &[]);
    assert_eq!(text(ResultFormat::Csv).await.unwrap(), "_id,doc\na,\"{\"\"a\"\":10}\"\nb,\"{\"\"a\"\":20}\"\n");
    assert_eq!(
        text(ResultFormat::Json).await.unwrap(),
        "[{\"_id\":\"a\",\"doc\":{\"a\":10}},{\"_id\":\"b\",\"doc\":{\"a\":20}}]\n"
    );
    assert_eq!(
        text(ResultFormat::Table).await.unwrap(),
        "+-----+---------+\n| _id | doc     |\n+-----+---------+\n| a   | {a: 10} |\n| b   | {a: 20} |\n+-----+---------+\n"
    );

    let path = lake.folder.path().join("rows.parquet");
    let request = QueryRequest { sql: sql.into(), params: vec![], format: ResultFormat::Parquet };
    query(&lake.settings(), &[], &request, &mut File::create(&path).unwrap()).await.unwrap();
    let read = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap());
    assert_eq!(read.unwrap().build().unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_long_table_is_written_in_blocks_without_losing_a_row() {
    let lake = TestLake::new();
    let ids: Vec<i64> = (0..25_000).collect();
    lake.write("hospital/beds/data.parquet", vec![("_id", numbers(&ids))]);
    let text = lake.text(ResultFormat::Table, "SELECT _id FROM hospital.beds", &[]).await.unwrap();
    let cells: std::collections::HashSet<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(cells.len(), 25_000 + 1, "rows and the header");
}
