//! `UNNEST` beside a table: which rows it gives, what its names mean, and what is refused.

use super::{Kind, columns, lists};
use crate::run::test_lake::TestLake;
use arrow::datatypes::Schema;
use std::sync::Arc;

#[tokio::test]
async fn a_list_gives_a_row_for_each_element_and_none_when_it_is_empty_or_null() {
    let lake = lists();
    for join in ["CROSS JOIN UNNEST(m.checkpoints) AS t(checkpoint)", ", UNNEST(m.checkpoints) AS t(checkpoint)"] {
        let sql = format!("SELECT m.runner, t.checkpoint FROM hospital.marathon AS m {join} ORDER BY 1, 2");
        assert_eq!(lake.csv(&sql).await, "runner,checkpoint\nJoe,10\nJoe,20\nJoe,30\nJoe,42\nRoger,10\n", "{sql}");
    }
    for join in ["LEFT JOIN", "LEFT OUTER JOIN", "left join"] {
        let sql = format!(
            "SELECT runner, checkpoint FROM hospital.marathon AS m {join} UNNEST(m.checkpoints) AS t(checkpoint) ON TRUE \
             ORDER BY 1, 2"
        );
        let expected = "runner,checkpoint\nDave,\nJoe,10\nJoe,20\nJoe,30\nJoe,42\nLevi,\nRoger,10\n";
        assert_eq!(lake.csv(&sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn an_element_that_is_null_is_a_row() {
    let lake = lists();
    let sql = "SELECT b._id, tag.word FROM hospital.bills AS b CROSS JOIN UNNEST(b.tags) AS tag(word) ORDER BY 1, 2";
    assert_eq!(lake.csv(sql).await, "_id,word\na,t\na,\nb,u\n");
    let sql = "SELECT b._id, i.code, i.amount FROM hospital.bills AS b \
               CROSS JOIN UNNEST(transform(b.items, x -> ROW(x.code, x.amount))) AS i(code, amount) ORDER BY 1, 2";
    assert_eq!(lake.csv(sql).await, "_id,code,amount\na,x,1\na,y,2\nb,z,4\nb,,\n");
}

#[tokio::test]
async fn a_list_may_lie_in_an_element_of_another() {
    let lake = lists();
    let both = |first: &str, second: &str| {
        format!(
            "SELECT b._id, item.code, part.name, part.amount FROM hospital.bills AS b \
             {first} JOIN UNNEST(transform(b.items, i -> ROW(i.code, i.tax.components))) AS item(code, components) {} \
             {second} JOIN UNNEST(transform(item.components, c -> ROW(c.name, c.amount))) AS part(name, amount) {} \
             ORDER BY 1, 2, 3",
            if first == "LEFT" { "ON TRUE" } else { "" },
            if second == "LEFT" { "ON TRUE" } else { "" },
        )
    };
    let head = "_id,code,name,amount\n";
    assert_eq!(lake.csv(&both("CROSS", "CROSS")).await, format!("{head}a,x,C,5\na,x,S,6\n"));
    assert_eq!(lake.csv(&both("CROSS", "LEFT")).await, format!("{head}a,x,C,5\na,x,S,6\na,y,,\nb,z,,\nb,,,\n"));
    assert_eq!(lake.csv(&both("LEFT", "LEFT")).await, format!("{head}a,x,C,5\na,x,S,6\na,y,,\nb,z,,\nb,,,\nc,,,\n"));
    assert_eq!(lake.csv(&both("LEFT", "CROSS")).await, format!("{head}a,x,C,5\na,x,S,6\n"));
    // Two lists of one table, each with each.
    let sql = "SELECT b._id, tag.word, item.code FROM hospital.bills AS b CROSS JOIN UNNEST(b.tags) AS tag(word) \
               CROSS JOIN UNNEST(transform(b.items, i -> ROW(i.code))) AS item(code) ORDER BY 1, 2, 3";
    assert_eq!(lake.csv(sql).await, "_id,word,code\na,t,x\na,t,y\na,,x\na,,y\nb,u,z\nb,u,\n");
}

/// DataFusion's `cardinality` counts what is in the inner lists.
#[tokio::test]
async fn elements_that_are_lists_are_numbered_as_elements() {
    use arrow::datatypes::{DataType, Field};
    let list = |of: DataType| DataType::List(Arc::new(Field::new("element", of, true)));
    let pairs = Field::new("pairs", list(list(DataType::Int64)), true);
    let lake = TestLake::new();
    let rows = r#"{"pairs": [[1, 2], [3]]} {"pairs": [[]]} {"pairs": []} {"pairs": null}"#;
    lake.write("hospital/walks/data.parquet", columns(&Arc::new(Schema::new(vec![pairs])), rows));
    for (join, on, without) in [("CROSS", "", ""), ("LEFT", "ON TRUE", ",\n,\n")] {
        let sql = format!(
            "SELECT t.n, element_at(t.pair, 1) AS first FROM hospital.walks AS w \
             {join} JOIN UNNEST(w.pairs) WITH ORDINALITY AS t(pair, n) {on} ORDER BY 1, 2"
        );
        assert_eq!(lake.csv(&sql).await, format!("n,first\n1,1\n1,\n2,3\n{without}"), "{sql}");
    }
}

#[tokio::test]
async fn a_table_that_an_outer_join_may_leave_without_a_row_is_taken_apart_by_itself() {
    let lake = lists();
    let bills = "(VALUES ('a'), ('d')) AS v(id) LEFT JOIN hospital.bills AS b ON b._id = v.id";
    // What an outer join adds keeps its one row, whatever the list is.
    let sql = format!("SELECT v.id, tag.word FROM {bills} LEFT JOIN UNNEST(b.tags) AS tag(word) ON TRUE ORDER BY 1, 2");
    assert_eq!(lake.csv(&sql).await, "id,word\na,t\na,\nd,\n");
    // As the message says it.
    let own = "SELECT b._id, tag.word FROM hospital.bills AS b CROSS JOIN UNNEST(b.tags) AS tag(word)";
    let sql = format!(
        "SELECT v.id, t.word FROM (VALUES ('a'), ('d')) AS v(id) JOIN ({own}) AS t ON t._id = v.id ORDER BY 1, 2"
    );
    assert_eq!(lake.csv(&sql).await, "id,word\na,t\na,\n");
    // An outer join that comes later, or leaves other tables without a row, changes nothing.
    let right = "RIGHT JOIN (VALUES ('a'), ('d')) AS v(id) ON b._id = v.id";
    let sql = format!(
        "SELECT v.id, tag.word FROM hospital.bills AS b CROSS JOIN UNNEST(b.tags) AS tag(word) {right} ORDER BY 1, 2"
    );
    assert_eq!(lake.csv(&sql).await, "id,word\na,t\na,\nd,\n");
    let left = "LEFT JOIN (VALUES ('a')) AS v(id) ON b._id = v.id";
    let sql = format!("SELECT count(*) AS n FROM hospital.bills AS b {left} CROSS JOIN UNNEST(b.tags) AS tag(word)");
    assert_eq!(lake.csv(&sql).await, "n\n3\n");

    let unnest = "CROSS JOIN UNNEST(b.tags) AS tag(word)";
    for from in [
        format!("{bills} {unnest}"),
        format!("{bills}, UNNEST(b.tags) AS tag(word)"),
        format!("hospital.bills AS b {right} {unnest}"),
        format!("hospital.bills AS b FULL JOIN (VALUES ('a')) AS v(id) ON b._id = v.id {unnest}"),
        format!("(VALUES ('a')) AS v(id) FULL OUTER JOIN hospital.bills AS b ON b._id = v.id {unnest}"),
        format!(
            "{bills} LEFT JOIN UNNEST(transform(b.items, i -> ROW(i.tax.components))) AS item(parts) ON TRUE \
             CROSS JOIN UNNEST(transform(item.parts, p -> ROW(p.name))) AS part(name)"
        ),
    ] {
        let (kind, text) = lake.refusal(&format!("SELECT b._id FROM {from}"), &[]).await;
        assert_eq!(kind, Kind::Input, "{from}: {text}");
        assert!(text.contains("outer join") && text.contains("a query of its own and join that"), "{from}: {text}");
    }
}

#[tokio::test]
async fn its_names_are_understood_wherever_they_stand() {
    let lake = lists();
    let unnest = "CROSS JOIN UNNEST(transform(b.items, i -> ROW(i.code, i.amount))) AS item(code, amount)";
    for (question, expected) in [
        // Case and quotes make no difference, as in Athena.
        ("SELECT \"ITEM\".\"Code\" AS c FROM hospital.bills AS b UNNEST WHERE Item.CODE = 'x'", "c\nx\n"),
        ("SELECT upper(code) AS c FROM hospital.bills AS b UNNEST WHERE amount > 1 ORDER BY 1", "c\nY\nZ\n"),
        ("SELECT code FROM hospital.bills AS b UNNEST WHERE amount > 1 ORDER BY code DESC", "code\nz\ny\n"),
        (
            "SELECT b._id, sum(item.amount) AS s FROM hospital.bills AS b UNNEST GROUP BY b._id ORDER BY sum(item.amount)",
            "_id,s\na,3\nb,4\n",
        ),
        (
            "SELECT code, count(*) AS n FROM hospital.bills AS b UNNEST GROUP BY code HAVING max(amount) > 1 ORDER BY 1",
            "code,n\ny,1\nz,1\n",
        ),
        (
            "SELECT count(*) FILTER (WHERE item.amount > 1) AS n, count(DISTINCT item.code) AS d FROM hospital.bills AS b UNNEST",
            "n,d\n2,3\n",
        ),
        (
            "SELECT CASE WHEN item.amount > 1 THEN 'many' ELSE 'few' END AS c, count(*) AS n FROM hospital.bills AS b UNNEST GROUP BY 1 ORDER BY 1",
            "c,n\nfew,2\nmany,2\n",
        ),
        ("SELECT item.code FROM hospital.bills AS b UNNEST ORDER BY item.amount DESC LIMIT 1", "code\nz\n"),
        (
            "SELECT item.code, m.runner FROM hospital.bills AS b UNNEST JOIN hospital.marathon AS m ON m.runner = 'Joe' AND item.code = 'x'",
            "code,runner\nx,Joe\n",
        ),
        (
            "SELECT row_number() OVER (PARTITION BY b._id ORDER BY item.amount DESC) AS n, item.code FROM hospital.bills AS b UNNEST WHERE item.code IS NOT NULL ORDER BY 1, 2",
            "n,code\n1,y\n1,z\n2,x\n",
        ),
        // In an inner query they are those of its own tables.
        (
            "SELECT code FROM hospital.bills AS b UNNEST WHERE amount = (SELECT min(t.amount) FROM (VALUES (4), (9)) AS t(amount) WHERE amount < 9)",
            "code\nz\n",
        ),
        // The table itself may be a query, or come from a WITH.
        (
            "SELECT item.code FROM (SELECT * FROM hospital.bills WHERE _id = 'b') AS b UNNEST ORDER BY 1",
            "code\nz\n\"\"\n",
        ),
        ("WITH b AS (SELECT _id, items FROM hospital.bills) SELECT count(*) AS n FROM b UNNEST", "n\n4\n"),
        (
            "SELECT item.code FROM hospital.bills AS b UNNEST WHERE b._id = 'a' UNION ALL SELECT b._id FROM hospital.bills AS b UNNEST WHERE item.amount = 4 ORDER BY 1",
            "code\nb\nx\ny\n",
        ),
    ] {
        let sql = question.replace("UNNEST", unnest);
        assert_eq!(lake.csv(&sql).await, expected, "{sql}");
    }
    // A table without another name is used by its own.
    let sql =
        "SELECT count(*) AS n FROM hospital.bills CROSS JOIN UNNEST(bills.tags) AS id(word) WHERE bills._id = 'a'";
    assert_eq!(lake.csv(sql).await, "n\n2\n", "a list called like the id of its table");
}

#[tokio::test]
async fn a_star_is_the_columns_of_the_table_and_then_those_of_the_list() {
    let lake = lists();
    let from = "FROM hospital.marathon AS m CROSS JOIN UNNEST(m.checkpoints) AS t(checkpoint) WHERE m.runner = 'Roger'";
    for (stars, expected) in [
        ("*", "runner,checkpoints,checkpoint\nRoger,[10],10\n"),
        ("m.*", "runner,checkpoints\nRoger,[10]\n"),
        ("t.*, m.*", "checkpoint,runner,checkpoints\n10,Roger,[10]\n"),
    ] {
        assert_eq!(lake.csv(&format!("SELECT {stars} {from}")).await, expected, "{stars}");
    }
}

/// Trino knows these, or not; here each of them says what to write.
#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let lake = lists();
    let hint = "write `CROSS JOIN UNNEST(transform(t.list, i -> ROW(i.a, i.b))) AS item(a, b)`";
    for (join, expected) in [
        ("CROSS JOIN UNNEST(b.tags) WITH ORDINALITY AS tag(word)", "UNNEST gives 2 column(s), its name lists 1"),
        ("CROSS JOIN UNNEST(b.tags, b.items) AS tag(word, item)", "UNNEST takes several lists apart at once"),
        ("CROSS JOIN UNNEST(b.tags)", "UNNEST has no name"),
        ("CROSS JOIN UNNEST(b.tags) AS tag", "UNNEST gives 1 column(s), its name lists 0"),
        ("CROSS JOIN UNNEST(b.tags) AS tag(word, n)", "UNNEST gives 1 column(s), its name lists 2"),
        (
            "CROSS JOIN UNNEST(transform(b.items, i -> ROW(i.code, i.amount))) AS i(code)",
            "UNNEST gives 2 column(s), its name lists 1",
        ),
        ("CROSS JOIN UNNEST(transform(b.items, i -> i.code)) AS i(code)", "transform in UNNEST is not of the form"),
        ("CROSS JOIN UNNEST(transform(b.items)) AS i(code)", "transform in UNNEST is not of the form"),
        ("JOIN UNNEST(b.tags) AS tag(word) ON TRUE", "UNNEST is joined by something else"),
        ("LEFT JOIN UNNEST(b.tags) AS tag(word) ON word = 't'", "UNNEST is joined by something else"),
        ("RIGHT JOIN UNNEST(b.tags) AS tag(word) ON TRUE", "UNNEST is joined by something else"),
        ("CROSS JOIN UNNEST(tags) AS tag(word)", "does not begin with the name of a table beside it"),
        ("CROSS JOIN UNNEST(x.tags) AS tag(word)", "does not begin with the name of a table beside it"),
        ("CROSS JOIN UNNEST(ARRAY[1, 2]) AS n(n)", "does not begin with the name of a table beside it"),
    ] {
        let (kind, text) = lake.refusal(&format!("SELECT b._id FROM hospital.bills AS b {join}"), &[]).await;
        assert_eq!(kind, Kind::Input, "{join}: {text}");
        assert!(text.starts_with("the query: ") && text.contains(expected) && text.contains(hint), "{join}: {text}");
    }
    let sql =
        "SELECT * FROM hospital.bills AS b CROSS JOIN UNNEST(b.tags) AS tag(word) CROSS JOIN hospital.marathon AS m";
    assert!(lake.refusal(sql, &[]).await.1.contains("SELECT * of an UNNEST that is not the last of the tables"));
}

#[tokio::test]
async fn an_element_is_taken_by_its_place_or_its_key() {
    let lake = lists();
    for (expression, expected) in [
        ("element_at(b.tags, 1)", "a=t b=u c="),
        ("element_at(b.tags, 2)", "a= b= c="),
        ("element_at(b.tags, -1)", "a= b=u c="),
        ("element_at(b.items, 1).code", "a=x b=z c="),
        ("ELEMENT_AT(b.items, 2).Amount", "a=2 b= c="),
        ("element_at(element_at(b.items, 1).tax.components, 2).name", "a=S b= c="),
        ("element_at(b.marks, 'k')", "a=7 b= c="),
        ("element_at(b.marks, 'none')", "a= b= c="),
    ] {
        let rows = lake.csv(&format!("SELECT b._id, {expression} AS v FROM hospital.bills AS b ORDER BY 1")).await;
        let rows: Vec<String> = rows.lines().skip(1).map(|row| row.replacen(',', "=", 1)).collect();
        assert_eq!(rows.join(" "), expected, "{expression}");
    }
    // The list that is taken apart may be a part of one.
    let sql = "SELECT part.name FROM hospital.bills AS b \
               CROSS JOIN UNNEST(transform(element_at(b.items, 1).tax.components, c -> ROW(c.name))) AS part(name) ORDER BY 1";
    assert_eq!(lake.csv(sql).await, "name\nC\nS\n");
}
