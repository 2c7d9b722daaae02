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
//! FROM (SELECT *, unnest(b.line_items) AS _unnest_item FROM hospital.bills AS b WHERE b.line_items IS NOT NULL) AS b
//! ```
//!
//! and `item.rate` becomes `b._unnest_item['tax']['rate']`; `WITH ORDINALITY` adds a column with the number of each element.
//! A list may lie in an element of another one (`UNNEST(item.components)`).

use super::{field_of, folded};
use crate::error::{Error, Kind, Result, ResultExt};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, ExcludeSelectItem, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, Subscript, TableAlias, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::collections::HashSet;
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
        let taken = match rewrite_body(&mut query.body) {
            Ok(taken) => taken,
            Err(error) => return ControlFlow::Break(error),
        };
        if let Some(order) = &mut query.order_by {
            for unnested in &taken {
                // A bare name means a column of the result first.
                let _: ControlFlow<()> = order.visit(&mut Names { unnested, bare: false, depth: 0 });
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match expr {
            // `element_at(items, 1).code`
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let AccessExpr::Dot(Expr::Identifier(name)) = access {
                        let index = Expr::value(Value::SingleQuotedString(folded(name)));
                        *access = AccessExpr::Subscript(Subscript::Index { index });
                    }
                }
            }
            Expr::Function(function) if is_named(function, "element_at") => element_at(expr),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The branches of a UNION have lists of their own; the ORDER BY of a query sees those of its only SELECT.
fn rewrite_body(body: &mut SetExpr) -> Result<Vec<Unnested>> {
    match body {
        SetExpr::Select(select) => rewrite_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            rewrite_body(left)?;
            rewrite_body(right)?;
            Ok(Vec::new())
        }
        // One in parentheses is a query, which is visited.
        _ => Ok(Vec::new()),
    }
}

fn rewrite_select(select: &mut Select) -> Result<Vec<Unnested>> {
    join_commas(select);
    let taken = take_apart(select)?;
    name_columns(select, &taken);
    write_stars_out(select, &taken)?;
    // Not the tables themselves: they are rewritten already, and their own queries come later.
    for unnested in &taken {
        let mut names = Names { unnested, bare: true, depth: 0 };
        let from = std::mem::take(&mut select.from);
        let _: ControlFlow<()> = select.visit(&mut names);
        select.from = from;
        for join in select.from.iter_mut().flat_map(|tables| &mut tables.joins) {
            let _: ControlFlow<()> = join.join_operator.visit(&mut names);
        }
    }
    Ok(taken)
}

/// Of a list by a number, NULL when it is shorter; of a map by a text, NULL when there is no such key. DataFusion has a
/// function for each, and calls the one of maps so.
fn element_at(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let by_text = matches!(arguments(function).as_deref(),
        Some([_, Expr::Value(key)]) if matches!(key.value, Value::SingleQuotedString(_)));
    let name = if by_text { "map_extract" } else { "array_element" };
    function.name = vec![Ident::new(name)].into();
    if by_text {
        // It gives a list of none or one.
        let index = Expr::value(Value::Number("1".to_owned(), false));
        let access_chain = vec![AccessExpr::Subscript(Subscript::Index { index })];
        *expr = Expr::CompoundFieldAccess { root: Box::new(expr.clone()), access_chain };
    }
}

fn is_named(function: &Function, name: &str) -> bool {
    function.name.to_string().eq_ignore_ascii_case(name)
}

/// A list taken apart.
struct Unnested {
    /// The name its rows are used by.
    alias: String,
    /// What each column of theirs is.
    columns: Vec<(Ident, Expr)>,
    /// The table it is in, and the columns of that which hold the elements and, where they are wanted, their numbers.
    owner: String,
    hidden: Vec<Ident>,
    /// Whether no other table comes after it.
    is_last: bool,
}

impl Unnested {
    fn column(&self, name: &Ident) -> Option<&Expr> {
        self.columns.iter().find(|(column, _)| folded(column) == folded(name)).map(|(_, expr)| expr)
    }

    /// Its columns as they stand in a SELECT.
    fn items(&self) -> impl Iterator<Item = SelectItem> {
        self.columns.iter().map(|(name, _)| {
            let expr = Expr::CompoundIdentifier(vec![Ident::new(&self.alias), name.clone()]);
            SelectItem::ExprWithAlias { expr, alias: name.clone() }
        })
    }
}

/// `FROM t, UNNEST(t.list)` means a CROSS JOIN.
fn join_commas(select: &mut Select) {
    let mut joined: Vec<TableWithJoins> = Vec::new();
    for tables in std::mem::take(&mut select.from) {
        match joined.last_mut() {
            Some(earlier) if is_unnest(&tables.relation) => {
                let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
                earlier.joins.push(Join { relation: tables.relation, global: false, join_operator });
                earlier.joins.extend(tables.joins);
            }
            _ => joined.push(tables),
        }
    }
    select.from = joined;
}

fn is_unnest(relation: &TableFactor) -> bool {
    matches!(relation, TableFactor::UNNEST { .. })
}

/// Removes the `UNNEST`s from the joins of `select`, in the order in which they stand.
fn take_apart(select: &mut Select) -> Result<Vec<Unnested>> {
    let mut taken: Vec<Unnested> = Vec::new();
    for tables in 0..select.from.len() {
        while let Some(at) = select.from[tables].joins.iter().position(|join| is_unnest(&join.relation)) {
            let join = select.from[tables].joins.remove(at);
            let no_more = select.from[tables].joins[at..].iter().all(|join| is_unnest(&join.relation));
            let is_last = no_more && tables + 1 == select.from.len();
            let nullable = nullable(&select.from, (tables, at));
            let unnested = of_join(join, &mut select.from, &taken, is_last, &nullable)?;
            taken.push(unnested);
        }
    }
    Ok(taken)
}

/// Calls a column by the last part of its path, as Athena does: what the path becomes has no name of its own.
fn name_columns(select: &mut Select, taken: &[Unnested]) {
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let name = match &*expr {
            Expr::CompoundIdentifier(path) => path.last(),
            Expr::Identifier(name) if taken.iter().any(|unnested| unnested.column(name).is_some()) => Some(name),
            _ => None,
        };
        if let Some(alias) = name.cloned() {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// Leaves out of `*` and `t.*` the columns that hold elements, and puts those in that the lists' names have.
fn write_stars_out(select: &mut Select, taken: &[Unnested]) -> Result<()> {
    if taken.is_empty() {
        return Ok(());
    }
    let without = |of: &dyn Fn(&Unnested) -> bool| {
        let hidden = taken.iter().filter(|unnested| of(unnested)).flat_map(|unnested| unnested.hidden.clone());
        let hidden: Vec<ObjectName> = hidden.map(|name| vec![name].into()).collect();
        (!hidden.is_empty()).then_some(ExcludeSelectItem::Multiple(hidden))
    };
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(options) => {
                if taken.iter().any(|unnested| !unnested.is_last) {
                    return Err(refused("SELECT * of an UNNEST that is not the last of the tables"));
                }
                let options = WildcardAdditionalOptions { opt_exclude: without(&|_| true), ..options };
                select.projection.push(SelectItem::Wildcard(options));
                select.projection.extend(taken.iter().flat_map(Unnested::items));
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let table = name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default();
                if let Some(unnested) = taken.iter().find(|unnested| unnested.alias == table) {
                    select.projection.extend(unnested.items());
                    continue;
                }
                let opt_exclude = without(&|unnested| unnested.owner == table).or(options.opt_exclude);
                let options = WildcardAdditionalOptions { opt_exclude, ..options };
                let kind = SelectItemQualifiedWildcardKind::ObjectName(name);
                select.projection.push(SelectItem::QualifiedWildcard(kind, options));
            }
            other => select.projection.push(other),
        }
    }
    Ok(())
}

/// The tables that an outer join before the place `here` (a table, and one of its joins) may leave without a row.
/// Athena gives no row of a list that is missing so; here, where it is taken apart before its table is joined, there
/// would be one.
fn nullable(from: &[TableWithJoins], here: (usize, usize)) -> HashSet<String> {
    use JoinOperator::{FullOuter, Left, LeftOuter, Right, RightOuter};
    let mut nullable = HashSet::new();
    for (at, tables) in from.iter().enumerate().take(here.0 + 1) {
        let mut before: Vec<String> = named(&tables.relation).into_iter().collect();
        let joins: &[Join] = if at == here.0 { tables.joins.get(..here.1).unwrap_or_default() } else { &tables.joins };
        for join in joins {
            let name = named(&join.relation);
            if matches!(join.join_operator, Right(_) | RightOuter(_) | FullOuter(_)) {
                nullable.extend(before.iter().cloned());
            }
            if matches!(join.join_operator, Left(_) | LeftOuter(_) | FullOuter(_)) {
                nullable.extend(name.clone());
            }
            before.extend(name);
        }
    }
    nullable
}

fn of_join(
    join: Join,
    from: &mut [TableWithJoins],
    earlier: &[Unnested],
    is_last: bool,
    nullable: &HashSet<String>,
) -> Result<Unnested> {
    let keeps_rows = match &join.join_operator {
        JoinOperator::CrossJoin(JoinConstraint::None) => false,
        JoinOperator::Left(JoinConstraint::On(on)) | JoinOperator::LeftOuter(JoinConstraint::On(on)) if matches!(on, Expr::Value(value) if value.value == Value::Boolean(true)) => {
            true
        }
        _ => return Err(refused("UNNEST is joined by something else than CROSS JOIN or LEFT JOIN … ON TRUE")),
    };
    let TableFactor::UNNEST { alias, mut array_exprs, with_ordinality, .. } = join.relation else {
        return Err(Error::new(Kind::Invariant, "the query's UNNEST is none"));
    };
    let Some(alias) = alias else { return Err(refused("UNNEST has no name")) };
    let (Some(array), true) = (array_exprs.pop(), array_exprs.is_empty()) else {
        return Err(refused("UNNEST takes several lists apart at once"));
    };
    let (mut list, element) = split(array)?;
    for unnested in earlier {
        let _: ControlFlow<()> = list.visit(&mut Names { unnested, bare: true, depth: 0 });
    }

    // No field of a document is called so but on purpose, and several lists of a table need several.
    let hidden = Ident::new(format!("_unnest_{}", folded(&alias.name)));
    let number = with_ordinality.then(|| Ident::new(format!("_unnest_{}_number", folded(&alias.name))));
    let hidden: Vec<Ident> = [hidden].into_iter().chain(number).collect();
    let owner = owner(&list)
        .and_then(|name| relation(from, &name).map(|relation| (name, relation)))
        .ok_or_else(|| refused("the list of UNNEST does not begin with the name of a table beside it"))?;
    let (owner, relation) = owner;
    if !keeps_rows && nullable.contains(&folded(&owner)) {
        return Err(Error::new(Kind::Input, "UNNEST is of a table that an outer join may leave without a row")
            .context("the query")
            .hint(
                "take the list apart in a query of its own and join that: \
                 `JOIN (SELECT t.id, item.a FROM t CROSS JOIN UNNEST(…) AS item(a)) AS items ON …`",
            ));
    }
    nest(relation, &owner, &list, &hidden, keeps_rows)?;

    let mut held = hidden.iter().map(|hidden| Expr::CompoundIdentifier(vec![owner.clone(), hidden.clone()]));
    let root = held.next().ok_or_else(|| Error::new(Kind::Invariant, "the query's UNNEST has no elements"))?;
    let mut values = match element {
        None => vec![root],
        Some((parameter, mut values)) => {
            let parameter = folded(&parameter);
            for value in &mut values {
                let _: ControlFlow<()> = value.visit(&mut Elements { parameter: &parameter, root: &root });
            }
            values
        }
    };
    values.extend(held);
    if values.len() != alias.columns.len() {
        let (fields, names) = (values.len(), alias.columns.len());
        return Err(refused(format!("UNNEST gives {fields} column(s), its name lists {names}")));
    }
    let columns = alias.columns.into_iter().map(|column| column.name).zip(values).collect();
    Ok(Unnested { alias: folded(&alias.name), columns, owner: folded(&owner), hidden, is_last })
}

/// The name an element has, and what is taken of it.
type Fields = (Ident, Vec<Expr>);

/// `transform(list, i -> ROW(…))` as the list, the name of its element and the fields; else the list alone.
fn split(array: Expr) -> Result<(Expr, Option<Fields>)> {
    let Expr::Function(function) = &array else { return Ok((array, None)) };
    if !is_named(function, "transform") {
        return Ok((array, None));
    }
    let odd = || refused("transform in UNNEST is not of the form `transform(list, i -> ROW(i.a, …))`");
    let [list, lambda] = arguments(function).ok_or_else(odd)?.try_into().map_err(|_| odd())?;
    let Expr::BinaryOp { left, op: BinaryOperator::Arrow, right } = lambda else { return Err(odd()) };
    let (Expr::Identifier(parameter), Expr::Function(row)) = (*left, *right) else { return Err(odd()) };
    if !is_named(&row, "row") {
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
        Expr::Function(function) => arguments(function)?.iter().find_map(owner),
        _ => None,
    }
}

/// The table of that name, by its alias or by the last part of its own name.
fn relation<'a>(from: &'a mut [TableWithJoins], name: &Ident) -> Option<&'a mut TableFactor> {
    from.iter_mut()
        .flat_map(|tables| {
            let joined = tables.joins.iter_mut().map(|join| &mut join.relation);
            std::iter::once(&mut tables.relation).chain(joined)
        })
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

/// Wraps `relation` into a query that gives a row for each element of `list`, under the name it had; `hidden`: what the
/// column of the elements is called, and that of their numbers where they are wanted.
fn nest(relation: &mut TableFactor, owner: &Ident, list: &Expr, hidden: &[Ident], keeps_rows: bool) -> Result<()> {
    // DataFusion makes no row of NULL and of an empty list, so those become a list of NULL, whose number is NULL too.
    let (elements, numbers, condition) = if keeps_rows {
        (
            "CASE WHEN array_length(l) > 0 THEN l ELSE make_array(NULL) END",
            "CASE WHEN array_length(l) > 0 THEN generate_series(1, array_length(l)) ELSE make_array(NULL) END",
            "",
        )
    } else {
        ("l", "generate_series(1, array_length(l))", " WHERE l IS NOT NULL")
    };
    let numbers = if hidden.len() > 1 { format!(", unnest({numbers}) AS n") } else { String::new() };
    let sql = format!("SELECT *, unnest({elements}) AS h{numbers} FROM t{condition}");
    let mut subquery = Parser::new(&GenericDialect)
        .try_with_sql(&sql)
        .and_then(|mut parser| parser.parse_query())
        .or_error(Kind::Invariant, "the query's UNNEST")?;
    let _: ControlFlow<()> = subquery.visit(&mut Elements { parameter: "l", root: list });
    let SetExpr::Select(select) = subquery.body.as_mut() else {
        return Err(Error::new(Kind::Invariant, "the query's UNNEST is no SELECT"));
    };
    for (item, name) in select.projection.iter_mut().skip(1).zip(hidden) {
        if let SelectItem::ExprWithAlias { alias, .. } = item {
            alias.clone_from(name);
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
    /// Whether a name without a table may be meant.
    bare: bool,
    /// How many queries this is in: a bare name in an inner one means something else.
    depth: usize,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundIdentifier(path) => {
                if let [table, name, rest @ ..] = path.as_slice()
                    && folded(table) == self.unnested.alias
                    && let Some(column) = self.unnested.column(name)
                {
                    *expr = field_of(column.clone(), rest.to_vec());
                }
            }
            Expr::Identifier(name) if self.bare && self.depth == 0 => {
                if let Some(column) = self.unnested.column(name) {
                    *expr = column.clone();
                }
            }
            _ => {}
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
