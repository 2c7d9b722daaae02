//! The `params` table: its values, those given instead, and every way in which Athena lets a query use it.

use super::{Kind, ResultFormat, TestLake, bills};
use crate::model::column::ColumnType;
use crate::run::test_lake::column;
use std::io::Write as _;

const DAY: &str = "WITH params AS (SELECT '2024-05-01' AS day, 15 AS least)";

async fn ask(lake: &TestLake, sql: &str, params: &[(&str, &str)]) -> String {
    lake.text(ResultFormat::Csv, sql, params).await.unwrap_or_else(|error| panic!("{error}: {sql}"))
}

#[tokio::test]
async fn every_use_of_the_table_takes_the_default_and_the_value_given() {
    let lake = bills();
    for question in [
        "SELECT count(*) AS n FROM hospital.bills AS b CROSS JOIN params WHERE b.date = params.day AND b.amount > params.least",
        "SELECT count(*) AS n FROM hospital.bills AS b, PARAMS WHERE b.date = Params.\"day\" AND b.amount > params.LEAST",
        "SELECT count(*) AS n FROM params CROSS JOIN hospital.bills AS b WHERE b.date = params.day AND b.amount > params.least",
        "SELECT count(*) AS n FROM hospital.bills AS b CROSS JOIN params AS p WHERE b.date = p.day AND b.amount > p.least",
        "SELECT count(*) AS n FROM hospital.bills AS b CROSS JOIN params WHERE date = day AND amount > least",
        "SELECT count(*) AS n FROM hospital.bills AS b JOIN params ON b.date = params.day AND b.amount > params.least",
        "SELECT count(*) AS n FROM hospital.bills AS b \
         WHERE b.date = (SELECT day FROM params) AND b.amount > (SELECT params.least FROM params)",
        "SELECT count(*) AS n FROM (SELECT * FROM hospital.bills CROSS JOIN params) AS b WHERE b.date = b.day AND b.amount > b.least",
        ", few AS (SELECT b._id FROM hospital.bills AS b CROSS JOIN params WHERE b.date = params.day AND b.amount > params.least) \
         SELECT count(*) AS n FROM few",
    ] {
        let sql = format!("{DAY}{}{question}", if question.starts_with(',') { "" } else { " " });
        assert_eq!(ask(&lake, &sql, &[]).await, "n\n3\n", "{sql}");
        assert_eq!(ask(&lake, &sql, &[("day", "2024-05-02")]).await, "n\n2\n", "{sql}");
        assert_eq!(ask(&lake, &sql, &[("day", "2024-05-02"), ("least", "50")]).await, "n\n1\n", "{sql}");
    }
}

/// What makes them more than a table: a condition on a partition key is one.
#[tokio::test]
async fn partitions_that_a_value_excludes_are_never_opened() {
    let lake = bills();
    lake.create("hospital/bills/date=2024-06-01/id1=001/data.parquet").write_all(b"no Parquet at all").unwrap();
    lake.write_state("bills", &["date", "id1"], vec![column("amount", ColumnType::Bigint)]);
    let sql = "WITH params AS (SELECT '2024-05-01' AS from_date, '2024-05-31' AS to_date) \
               SELECT sum(b.amount) AS total FROM hospital.bills AS b CROSS JOIN params \
               WHERE b.date BETWEEN params.from_date AND params.to_date";
    assert_eq!(ask(&lake, sql, &[]).await, "total\n210\n");
    assert_eq!(ask(&lake, sql, &[("to_date", "2024-05-01")]).await, "total\n100\n");
    let error = lake.text(ResultFormat::Csv, sql, &[("to_date", "2024-06-30")]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Lake);
}

#[tokio::test]
async fn a_value_is_of_its_defaults_type() {
    let lake = bills();
    let sql = "WITH params AS (SELECT 1 AS whole, -2 AS minus, 0.5 AS real, true AS yes, DATE '2024-03-01' AS day, \
               CAST('2024-03-02' AS date) AS other, 'x' AS word) \
               SELECT params.whole + 1 AS whole, params.minus - 1 AS minus, params.real * 2 AS real, NOT params.yes AS no, \
               date_diff('day', params.day, params.other) AS days, params.word FROM hospital.bills AS b CROSS JOIN params LIMIT 1";
    assert_eq!(ask(&lake, sql, &[]).await, "whole,minus,real,no,days,word\n2,-3,1.0,false,1,x\n");
    let given = [
        ("whole", "-5"),
        ("minus", "7"),
        ("real", "1.5"),
        ("yes", "false"),
        ("day", "2024-02-29"),
        ("other", "2024-03-05"),
        // A value is a value, whatever stands in it.
        ("word", "' OR 1 = 1 --"),
    ];
    assert_eq!(ask(&lake, sql, &given).await, "whole,minus,real,no,days,word\n-4,6,3.0,true,5,' OR 1 = 1 --\n");

    for (name, value, expected) in [
        ("whole", "many", "the value of --param whole is no number, as its default is"),
        ("whole", "NaN", "the value of --param whole is no number, as its default is"),
        ("minus", "", "the value of --param minus is no number, as its default is"),
        ("yes", "1", "the value of --param yes is no boolean, as its default is"),
        ("day", "soon", "a value cannot be cast to the type that the query asks for"),
        ("dya", "2024-03-01", "the query does not use the parameter `dya`"),
    ] {
        let (kind, text) = lake.refusal(sql, &[(name, value)]).await;
        assert_eq!(kind, Kind::Input, "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn another_table_of_that_name_is_refused() {
    let lake = bills();
    for table in [
        "SELECT '2024-05-01'",
        "SELECT day FROM hospital.bills",
        "SELECT '1' AS day UNION SELECT '2' AS day",
        "VALUES (1)",
    ] {
        let sql = format!("WITH params AS ({table}) SELECT 1 FROM hospital.bills AS b CROSS JOIN params");
        let (kind, text) = lake.refusal(&sql, &[]).await;
        assert_eq!(kind, Kind::Input, "{sql}");
        assert_eq!(
            text,
            "`params` is not one row of values with names; write it as `WITH params AS (SELECT 'value' AS name, …)`"
        );
    }
}

#[tokio::test]
async fn names_with_a_dollar_stand_beside_defaults() {
    let lake = bills();
    let sql = format!(
        "{DAY} SELECT count(*) AS n FROM hospital.bills AS b CROSS JOIN params WHERE b.date = params.day AND b.amount < $most"
    );
    assert_eq!(ask(&lake, &sql, &[("most", "30")]).await, "n\n2\n");
    assert_eq!(ask(&lake, &sql, &[("most", "60"), ("day", "2024-05-02")]).await, "n\n1\n");
}
