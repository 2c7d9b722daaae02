//! `UNNEST` beside the table whose list it takes apart.
//!
//! DataFusion takes lists apart in a SELECT, not in a join that refers to its left side. So
//!
//! ```sql
//! FROM hospital.bills AS b CROSS JOIN UNNEST(transform(b.line_items, i -> ROW(i.code, i.tax.rate))) AS item(code, rate)
//! ```
//!
//! becomes
//!
//! ```sql
//! FROM (SELECT *, unnest(b.line_items) AS _item FROM hospital.bills AS b WHERE b.line_items IS NOT NULL) AS b
//! ```
//!
//! (with `WITH ORDINALITY` also a number for each element), and `item.rate` becomes `b._item['tax']['rate']`. A list may lie in an element of another one
//! (`UNNEST(item.components)`).

use super::{field_of, folded};
use crate::error::{Error, Kind, Result, ResultExt};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join,
    JoinConstraint, JoinOperator, Query, Select, SelectItem, SetExpr, Subscript, TableAlias, TableFactor,
    TableWithJoins, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::ops::ControlFlow;

/// Rewrites every `UNNEST` of `query` and of the queries in it.
pub(super) fn rewrite(query: &mut Query) -> Result<()> {
    match query.visit(&mut Rewriting) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriting;

impl VisitorMut for Rewriting {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let taken = match query.body.as_mut() {
            SetExpr::Select(select) => match take_apart(select) {
                Ok(taken) => taken,
                Err(error) => return ControlFlow::Break(error),
            },
            _ => Vec::new(),
        };
        if let SetExpr::Select(select) = query.body.as_mut() {
            name_columns(select);
        }
        // Not the tables themselves: they are rewritten already, and their own queries come later.
        for unnested in &taken {
            let mut names = Names { unnested };
            if let SetExpr::Select(select) = query.body.as_mut() {
                let from = std::mem::take(&mut select.from);
                let _: ControlFlow<()> = select.visit(&mut names);
                select.from = from;
                for join in select.from.iter_mut().flat_map(|tables| &mut tables.joins) {
                    let _: ControlFlow<()> = join.join_operator.visit(&mut names);
                }
            }
            if let Some(order) = &mut query.order_by {
                let _: ControlFlow<()> = order.visit(&mut names);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        // `element_at(items, 1).code`
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            for access in access_chain {
                if let AccessExpr::Dot(Expr::Identifier(name)) = access {
                    let index = Expr::value(Value::SingleQuotedString(folded(name)));
                    *access = AccessExpr::Subscript(Subscript::Index { index });
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// A list taken apart.
struct Unnested {
    /// The name its rows are used by.
    alias: String,
    /// What each column of theirs is.
    columns: Vec<(String, Expr)>,
}

impl Unnested {
    fn column(&self, name: &Ident) -> Option<&Expr> {
        self.columns.iter().find(|(column, _)| *column == folded(name)).map(|(_, expr)| expr)
    }
}

/// Removes the `UNNEST`s from the joins of `select`, in the order in which they stand.
fn take_apart(select: &mut Select) -> Result<Vec<Unnested>> {
    let mut taken: Vec<Unnested> = Vec::new();
    for tables in &mut select.from {
        while let Some(at) = tables.joins.iter().position(|join| matches!(join.relation, TableFactor::UNNEST { .. })) {
            let join = tables.joins.remove(at);
            let unnested = of_join(join, tables, &taken)?;
            taken.push(unnested);
        }
    }
    Ok(taken)
}

/// Calls a column by the last part of its path, as Athena does: what the path becomes has no name of its own.
fn name_columns(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(Expr::CompoundIdentifier(path)) = item
            && let Some(alias) = path.last().cloned()
        {
            *item = SelectItem::ExprWithAlias { expr: Expr::CompoundIdentifier(path.clone()), alias };
        }
    }
}

fn of_join(join: Join, tables: &mut TableWithJoins, earlier: &[Unnested]) -> Result<Unnested> {
    let keeps_rows = match &join.join_operator {
        JoinOperator::CrossJoin(JoinConstraint::None) => false,
        JoinOperator::Left(JoinConstraint::On(on)) | JoinOperator::LeftOuter(JoinConstraint::On(on)) if matches!(on, Expr::Value(value) if value.value == Value::Boolean(true)) => {
            true
        }
        _ => return Err(refused("UNNEST is joined by something else than CROSS JOIN or LEFT JOIN … ON TRUE")),
    };
    let TableFactor::UNNEST { alias: Some(alias), mut array_exprs, with_ordinality, .. } = join.relation else {
        return Err(refused("UNNEST has no name"));
    };
    let (Some(array), true) = (array_exprs.pop(), array_exprs.is_empty()) else {
        return Err(refused("UNNEST takes several lists apart at once"));
    };
    let (mut list, element) = split(array)?;
    for unnested in earlier {
        let _: ControlFlow<()> = list.visit(&mut Names { unnested });
    }

    let hidden = Ident::new(format!("_{}", folded(&alias.name)));
    let number = with_ordinality.then(|| Ident::new(format!("_{}_number", folded(&alias.name))));
    let owner = owner(&list)
        .and_then(|name| relation(tables, &name).map(|relation| (name, relation)))
        .ok_or_else(|| refused("the list of UNNEST does not begin with the name of a table beside it"))?;
    let (owner, relation) = owner;
    nest(relation, &owner, &list, (hidden.clone(), number.clone()), keeps_rows)?;

    let root = Expr::CompoundIdentifier(vec![owner.clone(), hidden]);
    let mut values = match element {
        None => vec![root],
        Some((parameter, mut values)) => {
            let unnested = Unnested { alias: folded(&parameter), columns: Vec::new() };
            for value in &mut values {
                let _: ControlFlow<()> = value.visit(&mut Elements { parameter: &unnested.alias, root: &root });
            }
            values
        }
    };
    values.extend(number.map(|number| Expr::CompoundIdentifier(vec![owner, number])));
    if values.len() != alias.columns.len() {
        let (fields, names) = (values.len(), alias.columns.len());
        return Err(refused(format!("UNNEST gives {fields} column(s), its name lists {names}")));
    }
    let columns = alias.columns.iter().map(|column| folded(&column.name)).zip(values).collect();
    Ok(Unnested { alias: folded(&alias.name), columns })
}

/// The name an element has, and what is taken of it.
type Fields = (Ident, Vec<Expr>);

/// `transform(list, i -> ROW(…))` as the list, the name of its element and the fields; else the list alone.
fn split(array: Expr) -> Result<(Expr, Option<Fields>)> {
    let Expr::Function(function) = &array else { return Ok((array, None)) };
    if !function.name.to_string().eq_ignore_ascii_case("transform") {
        return Ok((array, None));
    }
    let odd = || refused("transform in UNNEST is not of the form `transform(list, i -> ROW(i.a, …))`");
    let [list, lambda] = arguments(function).ok_or_else(odd)?.try_into().map_err(|_| odd())?;
    let Expr::BinaryOp { left, op: BinaryOperator::Arrow, right } = lambda else { return Err(odd()) };
    let (Expr::Identifier(parameter), Expr::Function(row)) = (*left, *right) else { return Err(odd()) };
    if !row.name.to_string().eq_ignore_ascii_case("row") {
        return Err(odd());
    }
    Ok((list, Some((parameter, arguments(&row).ok_or_else(odd)?))))
}

fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

/// The name of the table that `list` is a column of.
fn owner(list: &Expr) -> Option<Ident> {
    match list {
        Expr::CompoundIdentifier(path) => path.first().cloned(),
        Expr::CompoundFieldAccess { root, .. } => owner(root),
        _ => None,
    }
}

/// The table of that name, by its alias or by the last part of its own name.
fn relation<'a>(tables: &'a mut TableWithJoins, name: &Ident) -> Option<&'a mut TableFactor> {
    std::iter::once(&mut tables.relation)
        .chain(tables.joins.iter_mut().map(|join| &mut join.relation))
        .find(|relation| named(relation).is_some_and(|found| found == folded(name)))
}

fn named(relation: &TableFactor) -> Option<String> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(folded(&alias.name))
        }
        TableFactor::Table { name, .. } => name.0.last().and_then(|part| part.as_ident()).map(folded),
        _ => None,
    }
}

/// Wraps `relation` into a query that gives a row for each element of `list`, under the name it had; what the column of
/// the elements is called, and that of their numbers where they are wanted.
fn nest(
    relation: &mut TableFactor,
    owner: &Ident,
    list: &Expr,
    (hidden, number): (Ident, Option<Ident>),
    keeps_rows: bool,
) -> Result<()> {
    let numbers = if number.is_some() { ", unnest(generate_series(1, cardinality(l))) AS n" } else { "" };
    // An empty list is stored as NULL, so one condition stands for both.
    let condition = if keeps_rows { "" } else { " WHERE l IS NOT NULL" };
    let sql = format!("SELECT *, unnest(l) AS h{numbers} FROM t{condition}");
    let mut subquery = Parser::new(&GenericDialect)
        .try_with_sql(&sql)
        .and_then(|mut parser| parser.parse_query())
        .or_error(Kind::Invariant, "the query's UNNEST")?;
    let _: ControlFlow<()> = subquery.visit(&mut Elements { parameter: "l", root: list });
    let SetExpr::Select(select) = subquery.body.as_mut() else {
        return Err(Error::new(Kind::Invariant, "the query's UNNEST is no SELECT"));
    };
    let names = [Some(hidden), number].into_iter().flatten();
    for (item, name) in select.projection.iter_mut().skip(1).zip(names) {
        if let SelectItem::ExprWithAlias { alias, .. } = item {
            *alias = name;
        }
    }
    let named = TableAlias { explicit: true, name: owner.clone(), columns: Vec::new(), at: None };
    for tables in &mut select.from {
        std::mem::swap(&mut tables.relation, relation);
        if let TableFactor::Table { alias: alias @ None, .. } = &mut tables.relation {
            *alias = Some(named.clone());
        }
    }
    *relation = TableFactor::Derived { lateral: false, subquery, alias: Some(named), sample: None };
    Ok(())
}

/// Puts what the columns of a list's rows are in the places of their names.
struct Names<'a> {
    unnested: &'a Unnested,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(path) = expr
            && let [table, name, rest @ ..] = path.as_slice()
            && folded(table) == self.unnested.alias
            && let Some(column) = self.unnested.column(name)
        {
            *expr = field_of(column.clone(), rest.to_vec());
        }
        ControlFlow::Continue(())
    }
}

/// Puts the element itself in the place of the name `transform` gives it.
struct Elements<'a> {
    parameter: &'a str,
    root: &'a Expr,
}

impl VisitorMut for Elements<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let path = match &*expr {
            Expr::Identifier(name) => std::slice::from_ref(name),
            Expr::CompoundIdentifier(path) => path.as_slice(),
            _ => return ControlFlow::Continue(()),
        };
        if let [name, rest @ ..] = path
            && folded(name) == self.parameter
        {
            *expr = field_of(self.root.clone(), rest.to_vec());
        }
        ControlFlow::Continue(())
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::Input, message.into()).context("the query").hint(
        "write `CROSS JOIN UNNEST(transform(t.list, i -> ROW(i.a, i.b))) AS item(a, b)`, \
         or `CROSS JOIN UNNEST(t.list) AS item(value)` for a list of plain values",
    )
}
