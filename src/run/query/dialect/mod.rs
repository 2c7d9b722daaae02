//! Athena's SQL (Trino's) where DataFusion's differs, so that one text runs in both.
//!
//! | Athena | here |
//! |---|---|
//! | `CROSS JOIN UNNEST(transform(b.items, i -> ROW(i.code, i.amount))) AS item(code, amount)` | [`unnest`] |
//! | `CROSS JOIN UNNEST(p.phone) AS phone(number)`, `LEFT JOIN UNNEST(…) … ON TRUE` | [`unnest`] |
//! | `WITH params AS (SELECT DATE '2024-03-01' AS from_date, …)` as the place of parameters | [`defaults`] |
//! | `FROM hospital.patients AS p, UNNEST(p.phone) AS phone(number)` | [`unnest`] |
//! | `UNNEST(…) WITH ORDINALITY AS item(element, n)` | [`unnest`] |
//! | `element_at(items, 1).code`, `element_at(map, 'key')` | [`unnest`] |
//! | `date_diff('day', a, b)`, `day_of_week(a)`, `array_join(a, ', ')` of any plain values | [`functions`] |
//!
//! A list of documents is always taken apart by naming the fields (`transform` and `ROW`): Athena would otherwise
//! want a name for every field there is, and a query would break with the next field that appears.

mod defaults;
pub(super) mod functions;
#[cfg(test)]
mod tests;
mod unnest;

use crate::error::Result;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use std::collections::BTreeMap;

/// Turns a statement in Athena's SQL into DataFusion's, and gives the names of the parameters that it has defaults for.
/// What of `given` the statement has no default for is left in it.
///
/// # Errors
/// `Kind::Input` for a value that is not of its default's type, and for a list that is taken apart in a way that
/// only one of the two understands.
pub(super) fn translate(statement: &mut Statement, given: &mut BTreeMap<&str, &str>) -> Result<Vec<String>> {
    let mut named = Vec::new();
    if let Statement::Statement(statement) = statement
        && let ast::Statement::Query(query) = statement.as_mut()
    {
        named = defaults::inline(query, given)?;
        unnest::rewrite(query)?;
    }
    Ok(named)
}

/// `root['a']['b']`: how DataFusion reaches into a document whatever `root` is.
fn field_of(root: ast::Expr, path: impl IntoIterator<Item = ast::Ident>) -> ast::Expr {
    let access_chain: Vec<ast::AccessExpr> = path
        .into_iter()
        .map(|name| {
            let index = ast::Expr::value(ast::Value::SingleQuotedString(folded(&name)));
            ast::AccessExpr::Subscript(ast::Subscript::Index { index })
        })
        .collect();
    if access_chain.is_empty() { root } else { ast::Expr::CompoundFieldAccess { root: Box::new(root), access_chain } }
}

/// A name as the lake spells it: Athena knows only lower case.
fn folded(name: &ast::Ident) -> String {
    name.value.to_lowercase()
}
