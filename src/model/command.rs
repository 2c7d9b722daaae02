//! Commands of lakefold as messages print them: they can be copied into a shell as they are.

use super::collection::Namespace;

/// Runs these collections again, or all of the manifest when none is named.
pub fn rerun(environment: &str, collections: &[String]) -> String {
    let mut command = format!("lakefold run --env {}", quoted(environment));
    for collection in collections {
        command += &format!(" --collection {}", quoted(collection));
    }
    command
}

/// Reads one collection in full and builds its table anew; `forget`: its schema too.
pub fn rebuild(environment: &str, collection: &Namespace, forget: bool) -> String {
    let command = rerun(environment, &[collection.to_string()]);
    format!("{command} --full{}", if forget { " --forget-schema" } else { "" })
}

/// Prints the statement that makes a collection's table in Athena.
pub fn ddl(environment: &str, collection: &str) -> String {
    format!("lakefold schema --env {} {} --ddl", quoted(environment), quoted(collection))
}

/// Sends the report of a run to those who could not be told.
pub fn tell_again(environment: &str, run_id: &str) -> String {
    format!("lakefold report --env {} --run {} --send", quoted(environment), quoted(run_id))
}

/// `text` as one word of a POSIX shell: MongoDB allows spaces, quotes and `$` in names.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '+' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_quoted_for_the_shell() {
        let one = |name: &str| rerun("prod", &[name.to_owned()]);
        assert_eq!(one("hospital.bills"), "lakefold run --env prod --collection hospital.bills");
        assert_eq!(one("db.it's $x"), r"lakefold run --env prod --collection 'db.it'\''s $x'");
        let spaced = Namespace { database: "db".into(), collection: "a b".into() };
        assert_eq!(rebuild("prod", &spaced, false), "lakefold run --env prod --collection 'db.a b' --full");
        assert!(rebuild("prod", &spaced, true).ends_with(" --full --forget-schema"));
        assert_eq!(rerun("prod", &[]), "lakefold run --env prod");
        assert_eq!(ddl("prod", "db.a b"), "lakefold schema --env prod 'db.a b' --ddl");
        assert_eq!(tell_again("prod", "R"), "lakefold report --env prod --run R --send");
    }
}
