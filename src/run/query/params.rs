//! Values for the `$NAME`s of a query.

use super::planning;
use crate::error::{Error, Kind, Result};
use crate::model::problem::{listed, nearest};
use datafusion::common::ScalarValue;
use datafusion::prelude::DataFrame;
use std::collections::{BTreeMap, HashMap};

/// Puts the values `given` into the query. A value takes the type that the query's use of its name asks for, so that `001` is
/// a text beside a text column and a number beside a number; a name whose use asks for none is a whole number when
/// it looks like one, else text. `named` are the parameters that had a default, and have their values by now.
///
/// # Errors
/// `Kind::Input` for a name without a value, a value without a name, or one that is not of its type.
pub(super) fn fill(frame: DataFrame, given: &BTreeMap<&str, &str>, named: &[String]) -> Result<DataFrame> {
    let types = frame.logical_plan().get_parameter_types().map_err(|e| planning(&e))?;
    // DataFusion keeps the `$`.
    let used: HashMap<&str, _> = types.iter().map(|(name, kind)| (name.trim_start_matches('$'), kind)).collect();

    let mut missing: Vec<&str> = used.keys().filter(|name| !given.contains_key(*name)).copied().collect();
    missing.sort_unstable();
    if let Some(first) = missing.first() {
        return Err(Error::new(Kind::Input, format!("the query has no value for {}", listed(&missing)))
            .hint(format!("add `--param {first}=VALUE`")));
    }
    let mut unused: Vec<&str> = given.keys().filter(|name| !used.contains_key(*name)).copied().collect();
    unused.sort_unstable();
    if let Some(first) = unused.first() {
        let mut known: Vec<&str> = named.iter().map(String::as_str).chain(used.keys().copied()).collect();
        known.sort_unstable();
        let hint = match nearest(first, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its parameters: {}", listed(&known)),
        };
        return Err(
            Error::new(Kind::Input, format!("the query does not use the parameter {}", listed(&unused))).hint(hint)
        );
    }
    if given.is_empty() {
        return Ok(frame);
    }
    let values = given
        .iter()
        .map(|(&name, &value)| {
            let typed = match used.get(name) {
                Some(Some(kind)) => ScalarValue::try_from_string(value.to_owned(), kind)
                    .map_err(|_| Error::new(Kind::Input, format!("the value of --param {name} is no {kind}")))?,
                _ => value.parse().map_or_else(|_| ScalarValue::from(value), |n: i64| ScalarValue::Int64(Some(n))),
            };
            Ok((name, typed))
        })
        .collect::<Result<Vec<_>>>()?;
    frame.with_param_values(values).map_err(|e| planning(&e))
}
