//! The drill: three things are broken at once. What `run`, `status` and the mail say is enough for a script to name all
//! three and, with the commands they print, to repair them; so it is enough for a person at 3 a.m.

use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Ended, Workplace, next_second};
use crate::support::mongod::Mongod;
use crate::support::receivers::Receivers;
use mongodb::bson::{DateTime, Document, doc};
use std::path::Path;
use std::process::Command;

const PASSWORD: &str = "pass word/1";

fn insert(server: &Mongod, database: &str, collection: &str, ids: std::ops::Range<i32>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let collection = server.client().await.database(database).collection::<Document>(collection);
        let documents: Vec<Document> =
            ids.map(|id| doc! { "_id": id, "updated_at": DateTime::now(), "n": id }).collect();
        collection.insert_many(documents).await.expect("insert");
    });
}

/// Lines of what lakefold says that are commands: for a shell, or for mongosh.
fn commands(said: &str) -> Vec<&str> {
    let bare = |line: &'_ str| -> Option<usize> {
        let line = line.trim_start();
        ["", "rerun: ", "tell again: "].into_iter().find_map(|label| {
            let rest = line.strip_prefix(label)?;
            (rest.starts_with("lakefold ") || rest.starts_with("db.")).then_some(label.len())
        })
    };
    said.lines().filter_map(|line| bare(line).map(|label| line.trim_start()[label..].trim_end())).collect()
}

/// What a shell makes of a printed command, with the program on its path.
fn shell(place: &Workplace, command: &str) -> Ended {
    let folder = Path::new(env!("CARGO_BIN_EXE_lakefold")).parent().expect("a folder");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(place.path()).env_clear().env("PATH", path).env("HOME", place.path());
    Ended::of(shell.output().expect("start a shell"))
}

/// What mongosh makes of a printed `grantRolesToUser`.
fn mongosh(server: &Mongod, command: &str) {
    let arguments = command
        .strip_prefix("db.getSiblingDB(\"admin\").grantRolesToUser(")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or_else(|| panic!("no grant: {command}"));
    let json = format!("[{}]", arguments.replace("role:", "\"role\":").replace("db:", "\"db\":"));
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let user = parsed[0].as_str().expect("a user");
    let roles = mongodb::bson::serialize_to_bson(&parsed[1]).expect("roles");
    server.command(doc! { "grantRolesToUser": user, "roles": roles }).expect("grant");
}

#[test]
fn three_broken_things_are_named_and_repaired_by_what_is_printed() {
    let server = Mongod::start_with_auth("root", PASSWORD);
    let roles = |databases: &[&str]| -> Vec<Document> {
        databases.iter().map(|database| doc! { "role": "read", "db": *database }).collect()
    };
    server
        .command(doc! { "createUser": "lake reader", "pwd": PASSWORD, "roles": roles(&["hospital", "labs"]) })
        .expect("make the user");
    for (database, collection) in [("hospital", "bills"), ("hospital", "visits"), ("labs", "results")] {
        insert(&server, database, collection, 0..10);
    }
    let receivers = Receivers::start();
    let place = Workplace::new();
    place.write(
        "collections.csv",
        "database,collection,timestamp_column\nhospital,bills,updated_at\nhospital,visits,updated_at\nlabs,results,updated_at\n",
    );
    place.write(
        "env/prod.toml",
        format!(
            "[source]\nuri = \"{}\"\n[lake]\nurl = \"file:lake\"\n[run]\nmemory = \"128MiB\"\n\
             [mail]\ntransport = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
             from = \"lake@example.org\"\nto = [\"data@example.org\", \"ops@example.org\"]\n",
            server.uri_of("lake reader", PASSWORD),
            receivers.smtp
        ),
    );
    let lakefold = |arguments: &[&str]| place.lakefold(arguments);
    let before = lakefold(&["run", "--env", "prod"]);
    assert_eq!(before.code, 0, "{before}");

    // Somebody takes the right to read `labs` away, a state object is damaged, and a mailbox fills up.
    server.command(doc! { "revokeRolesFromUser": "lake reader", "roles": roles(&["labs"]) }).expect("revoke");
    let schema = place.lake().join("_lakefold/schemas/hospital/visits.json");
    std::fs::write(&schema, "{\"format\":1,\"colu").expect("damage the schema");
    receivers.fill("data@example.org", 452);
    for (database, collection) in [("hospital", "bills"), ("hospital", "visits"), ("labs", "results")] {
        insert(&server, database, collection, 10..15);
    }

    next_second();
    let run = lakefold(&["run", "--env", "prod"]);
    assert_eq!(run.code, 1, "{run}");
    let status = lakefold(&["status", "--env", "prod"]);
    let mail = receivers.mails().pop().expect("whose mailbox has room gets the mail");
    assert_eq!(mail["to"][0], "ops@example.org");
    let mail = mail["text"].as_str().expect("a text");
    let flowing = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [&run.stdout, &status.stdout, mail] {
        let told = flowing(said);
        for part in [
            "labs.results",
            "MongoDB does not allow it to this user",
            "hospital.visits",
            "_lakefold/schemas/hospital/visits.json: the state is damaged",
        ] {
            assert!(told.contains(part), "it does not say {part:?}:\n{said}");
        }
        assert!(!said.contains(PASSWORD) && !said.contains("pass%20word"), "{said}");
    }
    assert!(flowing(&run.stdout).contains("the mailbox data@example.org has no room"), "{run}");
    assert!(flowing(mail).contains("The other table is up to date"), "{mail}");
    assert_eq!(read_table(&place.lake(), "hospital/bills").rows.len(), 15, "failures stay home (P8)");

    // Repaired by what is printed alone: commands inside hints first, then the reruns, then the mail.
    let printed = commands(&run.stdout);
    for said in [&status.stdout, mail] {
        for cure in printed.iter().filter(|command| command.contains("grantRoles") || command.contains("--full")) {
            assert!(commands(said).contains(cure), "{cure} is not in\n{said}");
        }
    }
    receivers.make_room();
    // A warning prints a command too, the one that creates an index; it repairs nothing that is broken.
    for command in printed.iter().filter(|command| command.contains(".grantRolesToUser(")) {
        mongosh(&server, command);
    }
    let cured = |wanted: fn(&&&str) -> bool| {
        let chosen: Vec<_> = printed.iter().filter(wanted).collect();
        assert!(!chosen.is_empty(), "{printed:?}");
        for command in chosen {
            let ended = shell(&place, command);
            assert_eq!(ended.code, 0, "{command}\n{ended}");
        }
    };
    cured(|command| command.contains("--full"));
    cured(|command| command.starts_with("lakefold run ") && !command.contains("--full"));
    cured(|command| command.starts_with("lakefold report "));

    let subjects: Vec<String> = receivers
        .mails()
        .iter()
        .filter(|mail| mail["to"][0] == "data@example.org")
        .map(|mail| mail["subject"].as_str().expect("a subject").to_owned())
        .collect();
    assert!(subjects.iter().any(|subject| subject.contains("FAILED: 2 of 3")), "the report came late: {subjects:?}");
    for table in ["hospital/bills", "hospital/visits", "labs/results"] {
        assert_eq!(read_table(&place.lake(), table).rows.len(), 15, "{table}");
    }
    let after = lakefold(&["run", "--env", "prod"]);
    assert_eq!(after.code, 0, "{after}");
}
