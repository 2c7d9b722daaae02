//! Parameters with defaults that stand in the query itself, as Athena can run them:
//!
//! ```sql
//! WITH params AS (SELECT '2024-03-01' AS from_date, '2024-04-30' AS to_date)
//! SELECT … FROM hospital.bills AS b CROSS JOIN params WHERE b.date BETWEEN params.from_date AND params.to_date
//! ```
//!
//! Every `params.NAME` becomes its value, so that a condition on a partition key still excludes partitions. Where the table
//! is used in another way it stays a table, with the values given.

use super::folded;
use crate::error::{Error, Kind, Result};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, JoinConstraint, JoinOperator, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, TableFactor, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut, With, visit_relations,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The common table expression that holds the defaults.
const PARAMS: &str = "params";

/// Puts the values of the `params` table of `query`, and those `given` instead, in the places of their names; which names
/// there are.
pub(super) fn inline(query: &mut Query, given: &mut BTreeMap<&str, &str>) -> Result<Vec<String>> {
    let Some(with) = &mut query.with else { return Ok(Vec::new()) };
    let Some(at) = with.cte_tables.iter().position(|table| is_params(&table.alias.name)) else {
        return Ok(Vec::new());
    };
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
    let mut table = with.cte_tables.remove(at);
    let recursive = with.recursive;
    if with.cte_tables.is_empty() {
        query.with = None;
    }
    put(&mut table.query, &values);
    let names = values.keys().cloned().collect();
    let _: ControlFlow<()> = query.visit(&mut Inlined { values });
    if is_used(query) {
        let empty = With { with_token: AttachedToken::empty(), recursive, cte_tables: Vec::new() };
        // It needs none of the others.
        query.with.get_or_insert(empty).cte_tables.insert(0, table);
    }
    Ok(names)
}

/// Whether the table is still named.
fn is_used(query: &Query) -> bool {
    visit_relations(query, |name| match is_the_table(name) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
    .is_break()
}

fn is_the_table(name: &ast::ObjectName) -> bool {
    matches!(name.0.as_slice(), [ast::ObjectNamePart::Identifier(only)] if is_params(only))
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

/// Writes `values` into the row they are from.
fn put(query: &mut Query, values: &BTreeMap<String, Expr>) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for item in &mut select.projection {
        if let SelectItem::ExprWithAlias { expr, alias } = item
            && let Some(value) = values.get(&folded(alias))
        {
            *expr = value.clone();
        }
    }
}

/// Replaces the literal of `default` by `text`; the error is what `text` should have been.
fn set(default: &mut Expr, text: &str) -> Result<(), &'static str> {
    let literal = match default {
        Expr::Value(value) => &mut value.value,
        Expr::TypedString(typed) => &mut typed.value.value,
        Expr::Cast { expr, .. } => return set(expr, text),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
            set(expr, text)?;
            *default = expr.as_ref().clone();
            return Ok(());
        }
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
        if self.is_read_bare(select) {
            return ControlFlow::Continue(());
        }
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
        for item in &mut select.projection {
            // A value has no name of its own.
            if let SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(path)) = &*item
                && let [table, name] = path.as_slice()
                && is_params(table)
            {
                *item = SelectItem::ExprWithAlias { alias: name.clone(), expr: expr.clone() };
            }
        }
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

impl Inlined {
    /// Whether `select` takes values of the table without naming it: by their bare names, or by `*`.
    fn is_read_bare(&self, select: &Select) -> bool {
        let star = |item: &SelectItem| match item {
            SelectItem::Wildcard(_) => true,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => is_the_table(name),
            _ => false,
        };
        let mut search = BareNames { values: &self.values, depth: 0 };
        select.projection.iter().any(star) || select.visit(&mut search).is_break()
    }
}

/// Ends at a bare name of a value, outside of inner queries.
struct BareNames<'a> {
    values: &'a BTreeMap<String, Expr>,
    depth: usize,
}

impl Visitor for BareNames<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) if self.depth == 0 && self.values.contains_key(&folded(name)) => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn names_params(table: &TableFactor) -> bool {
    matches!(table, TableFactor::Table { name, alias: None, .. } if is_the_table(name))
}
