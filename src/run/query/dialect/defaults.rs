//! Parameters with defaults that stand in the query itself, as Athena can run them:
//!
//! ```sql
//! WITH params AS (SELECT '2024-03-01' AS from_date, '2024-04-30' AS to_date)
//! SELECT … FROM hospital.bills AS b CROSS JOIN params WHERE b.date BETWEEN params.from_date AND params.to_date
//! ```
//!
//! Every `params.NAME` becomes its value, so that a condition on a partition key still excludes partitions.

use super::folded;
use crate::error::{Error, Kind, Result};
use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, JoinConstraint, JoinOperator, Query, Select, SelectItem, SetExpr, TableFactor, Value, VisitMut,
    VisitorMut,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The common table expression that holds the defaults.
const PARAMS: &str = "params";

/// Puts the values of the `params` table of `query`, and those `given` instead, in the places of their names.
pub(super) fn inline(query: &mut Query, given: &mut BTreeMap<&str, &str>) -> Result<()> {
    let Some(with) = &mut query.with else { return Ok(()) };
    let Some(at) = with.cte_tables.iter().position(|table| is_params(&table.alias.name)) else { return Ok(()) };
    let Some(mut values) = defaults(&with.cte_tables[at].query) else {
        return Err(Error::new(Kind::Input, "`params` is not one row of values with names")
            .hint("write it as `WITH params AS (SELECT 'value' AS name, …)`"));
    };
    for (name, value) in &mut values {
        if let Some(text) = given.remove(name.as_str()) {
            set(value, text).map_err(|kind| {
                Error::new(Kind::Input, format!("the value of --param {name} is no {kind}, as its default is"))
            })?;
        }
    }
    with.cte_tables.remove(at);
    if with.cte_tables.is_empty() {
        query.with = None;
    }
    let _: ControlFlow<()> = query.visit(&mut Inlined { values });
    Ok(())
}

fn is_params(name: &Ident) -> bool {
    folded(name) == PARAMS
}

/// The named values of `SELECT value AS name, …`; none when it is anything else.
fn defaults(query: &Query) -> Option<BTreeMap<String, Expr>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    if !select.from.is_empty() || select.selection.is_some() {
        return None;
    }
    select
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } => Some((folded(alias), expr.clone())),
            _ => None,
        })
        .collect()
}

/// Replaces the literal of `default` by `text`; the error is what `text` should have been.
fn set(default: &mut Expr, text: &str) -> Result<(), &'static str> {
    let literal = match default {
        Expr::Value(value) => &mut value.value,
        Expr::TypedString(typed) => &mut typed.value.value,
        Expr::Cast { expr, .. } => return set(expr, text),
        _ => return Err("value"),
    };
    *literal = match literal {
        Value::Number(_, long) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            Value::Number(text.to_owned(), *long)
        }
        Value::Number(..) => return Err("number"),
        Value::Boolean(_) => Value::Boolean(text.parse().map_err(|_| "boolean")?),
        _ => Value::SingleQuotedString(text.to_owned()),
    };
    Ok(())
}

struct Inlined {
    values: BTreeMap<String, Expr>,
}

impl VisitorMut for Inlined {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for tables in &mut select.from {
            tables.joins.retain(|join| {
                let open = matches!(
                    join.join_operator,
                    JoinOperator::CrossJoin(JoinConstraint::None) | JoinOperator::CrossJoin(JoinConstraint::Natural)
                );
                !(open && names_params(&join.relation))
            });
        }
        select.from.retain(|tables| !(tables.joins.is_empty() && names_params(&tables.relation)));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(path) = expr
            && let [table, name] = path.as_slice()
            && is_params(table)
            && let Some(value) = self.values.get(&folded(name))
        {
            *expr = Expr::Nested(Box::new(value.clone()));
        }
        ControlFlow::Continue(())
    }
}

fn names_params(table: &TableFactor) -> bool {
    let TableFactor::Table { name, alias: None, .. } = table else { return false };
    matches!(name.0.as_slice(), [ast::ObjectNamePart::Identifier(only)] if is_params(only))
}
