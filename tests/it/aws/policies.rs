//! The policies in `docs/iam/` allow what lakefold asks of AWS, and nothing else.
//!
//! moto checks no policy, so that this compares: the calls that were made, as actions of IAM, with the actions of the
//! files. Each action of a file is either seen here or named with the reason why it is not.

use super::calls::{Call, record, recorded};
use super::{MANIFEST, bills, environment, run, way};
use crate::catalog::stand::{Stand, at};
use crate::support::s3::{BUCKET, S3};
use lakefold::lake::{Expect, Lake};
use lakefold::model::settings::{Encryption, LakeSettings, S3Settings};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

type Actions = BTreeSet<String>;

fn set<const N: usize>(actions: [&str; N]) -> Actions {
    actions.map(str::to_owned).into()
}

/// Everything a file of `docs/iam/` allows.
fn allowed(file: &str) -> Actions {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/iam").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let policy: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
    let mut actions = Actions::new();
    for statement in policy["Statement"].as_array().expect("statements") {
        assert_eq!((&statement["Effect"], statement["Resource"].is_null()), (&"Allow".into(), false), "{file}");
        match &statement["Action"] {
            Value::String(action) => drop(actions.insert(action.clone())),
            Value::Array(list) => actions.extend(list.iter().map(|action| action.as_str().expect("a text").to_owned())),
            other => panic!("{file}: {other}"),
        }
    }
    assert!(actions.iter().all(|action| !action.contains('*')), "{file} allows more than it names");
    actions
}

/// The actions that IAM asks for before it lets a call through.
fn actions_of(call: &Call) -> Vec<String> {
    let target = call.headers.get("x-amz-target").and_then(|target| target.rsplit_once('.')).map(|(_, name)| name);
    match call.service() {
        "s3" => s3_actions(call),
        // SES asks for the right to send raw mail, although the call is SendEmail.
        "ses" if call.path == "/v2/email/outbound-emails" => vec!["ses:SendRawEmail".into()],
        "ses" if call.path == "/v2/email/account" => vec!["ses:GetAccount".into()],
        "ses" if call.path.starts_with("/v2/email/identities/") => vec!["ses:GetEmailIdentity".into()],
        "secretsmanager" => vec![format!("secretsmanager:{}", target.expect("a target"))],
        "ssm" => vec![format!("ssm:{}", target.expect("a target"))],
        other => panic!("nobody knows what {other} asks for: {call:?}"),
    }
}

fn s3_actions(call: &Call) -> Vec<String> {
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    let parameter = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let mut actions = match (call.method.as_str(), key.is_empty()) {
        ("GET", true) if parameter("uploads") => vec!["s3:ListBucketMultipartUploads"],
        ("GET", true) => vec!["s3:ListBucket"],
        ("GET" | "HEAD", false) => vec!["s3:GetObject"],
        ("DELETE", false) if parameter("uploadId") => vec!["s3:AbortMultipartUpload"],
        ("DELETE", false) => vec!["s3:DeleteObject"],
        ("PUT" | "POST", false) => vec!["s3:PutObject"],
        other => panic!("nobody knows what {other:?} asks for: {call:?}"),
    };
    let encrypted = call.headers.get("x-amz-server-side-encryption").is_some_and(|algorithm| algorithm == "aws:kms");
    if encrypted {
        actions.push("kms:GenerateDataKey");
        // Parts are put together under the key they were sent under.
        actions.extend(parameter("uploads").then_some("kms:Decrypt"));
    }
    actions.into_iter().map(str::to_owned).collect()
}

fn asked(calls: &[Call]) -> Actions {
    calls.iter().flat_map(actions_of).collect()
}

/// Everything a lake does with its store, once.
async fn whole_lake(server: &S3, s3: S3Settings) -> Vec<Call> {
    let settings = LakeSettings { s3, ..server.settings("lake") };
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("data.parquet");
    std::fs::write(&file, vec![7; 9 << 20]).expect("write");
    super::uploads::abandon(server, "lake/db/coll/data.parquet").await;
    record(server);
    let lake = Lake::open_with(&settings, &server.variables()).await.expect("open");
    let version = lake.put("_lakefold/state.json", "{}".into(), Expect::Absent).await.expect("put");
    lake.put_file("db/coll/data.parquet", &file, Expect::Any).await.expect("put a file");
    lake.get("_lakefold/state.json").await.expect("get");
    lake.head("_lakefold/state.json").await.expect("head");
    futures::TryStreamExt::try_collect::<Vec<_>>(lake.list("db/coll/")).await.expect("list");
    lake.delete("_lakefold/state.json", Expect::Version(version)).await.expect("delete");
    lake.delete("db/coll/data.parquet", Expect::Any).await.expect("delete");
    lake.abort_uploads("db/coll/").await.expect("sweep");
    recorded(server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lake_needs_what_its_policy_allows() {
    let server = S3::moto();
    let calls = whole_lake(&server, S3Settings::default()).await;
    assert_eq!(asked(&calls), allowed("lake.json"), "asked (left), allowed (right)");
    for call in &calls {
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let inside = path.starts_with(&format!("/{BUCKET}/lake/"));
        // The condition on listings: s3:prefix is like PREFIX/*.
        assert!(inside || query.contains("prefix=lake%2F") || query.contains("prefix=lake/"), "outside: {call:?}");
    }
    let encryption = Encryption::Kms(Some("alias/lake".into()));
    let calls = whole_lake(&server, S3Settings { encryption, ..S3Settings::default() }).await;
    let kms: Actions = asked(&calls).difference(&allowed("lake.json")).cloned().collect();
    assert_eq!(kms, allowed("kms.json"));

    // A whole run, with an end of data and a change, asks for nothing beyond that.
    let place = bills(3);
    place.write("env/test.toml", environment(&server, ""));
    record(&server);
    for flags in [&["run", "--env", "test"][..], &["run", "--env", "test", "--full"], &["status", "--env", "test"]] {
        let ended = run(&place, &server, flags);
        assert_eq!(ended.code, 0, "{ended}");
    }
    let beyond: Actions = asked(&recorded(&server)).difference(&allowed("lake.json")).cloned().collect();
    assert_eq!(beyond, Actions::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_secrets_and_mail_need_what_their_policies_allow() {
    let server = S3::aws();
    let place = bills(3);
    let aws = way(&server);
    let secrets = aws_sdk_secretsmanager::Client::new(aws.config().await);
    secrets.create_secret().name("lake").secret_string("dump:source").send().await.expect("create a secret");
    let parameters = aws_sdk_ssm::Client::new(aws.config().await);
    let parameter = parameters.put_parameter().name("/region").value("us-east-1");
    parameter.r#type(aws_sdk_ssm::types::ParameterType::SecureString).send().await.expect("put a parameter");
    let mail = aws_sdk_sesv2::Client::new(aws.config().await);
    mail.create_email_identity().email_identity("example.org").send().await.expect("create an identity");

    let environment = format!("manifest = \"s3://{BUCKET}/config/collections.csv\"\n")
        + &environment(&server, "region = \"${aws-ssm:/region}\"\n").replace("dump:source", "${aws-secret:lake}")
        + "[mail]\ntransport = \"ses\"\nfrom = \"lake@example.org\"\nto = [\"data@example.org\"]\n";
    assert_eq!(server.signed("PUT", "config/test.toml", &environment).0, 200);
    assert_eq!(server.signed("PUT", "config/collections.csv", MANIFEST).0, 200);
    record(&server);
    assert_eq!(server.plain("POST", "/stand-in/verified", "[\"example.org\"]").0, 200);
    for command in ["check", "run"] {
        let ended = run(&place, &server, &[command, "--env", &format!("s3://{BUCKET}/config/test.toml")]);
        assert_eq!(ended.code, 0, "{ended}");
    }
    let calls = recorded(&server);
    let of = |wanted: &dyn Fn(&Call) -> bool| -> Actions {
        calls.iter().filter(|call| wanted(call)).flat_map(actions_of).collect()
    };
    assert_eq!(of(&|call| call.service() == "ses"), allowed("mail.json"));
    assert_eq!(of(&|call| ["secretsmanager", "ssm"].contains(&call.service())), allowed("secrets.json"));
    // Without the right to list, S3 says of `pins.csv`, which is not there, that it is forbidden.
    let mut files = of(&|call| call.path.contains("/config/"));
    files.insert("s3:ListBucket".to_owned());
    assert_eq!(files, allowed("files.json"));
}

/// Calls of Glue since the last look, as actions.
fn glue(stand: &Stand) -> Actions {
    let mut actions: Actions = stand.counts().into_keys().map(|action| format!("glue:{action}")).collect();
    if actions.contains("glue:CreateCrawler") {
        // Who gives a crawler a role must be allowed to.
        actions.insert("iam:PassRole".to_owned());
    }
    actions
}

/// One table of two partitions, and what became of it.
async fn day_after_day(catalog: &str, crawled: bool) -> Actions {
    let stand = Stand::new(catalog);
    stand.manifest(&["clinic,visits,updated_at,site=place"]);
    let mut documents = [at(1, "a", 0), at(2, "b", 0)];
    documents.iter_mut().for_each(|document| drop(document.insert("n", 7)));
    stand.source("clinic", "visits", &documents);
    let mut check = stand.place.command(&["check", "--env", "test"]);
    let checked = check.envs(stand.s3.variables()).output().expect("start lakefold");
    assert!(checked.status.success(), "what is created by the first run is not missed");
    stand.run(&["--wait"], 0);
    let mut seen = glue(&stand);
    if crawled {
        let columns = [("_id", "bigint"), ("n", "bigint")];
        stand.as_crawled("clinic", "visits", &columns, "site", &["a", "b"]).await;
    }
    // A column changes its type, a place is gone, a collection is new.
    documents[0].insert("n", "seven");
    stand.source("clinic", "visits", &documents[..1]);
    stand.source("clinic", "bills", &[at(1, "a", 0)]);
    stand.manifest(&["clinic,visits,updated_at,site=place", "clinic,bills,updated_at,site=place"]);
    stand.calls();
    stand.run(&["--wait", "--full"], 0);
    seen.extend(glue(&stand));
    seen
}

/// Allowed, and not seen here: what it takes for them to be called.
const SELDOM: [(&str, &str); 2] = [
    ("glue:UpdateDatabase", "the lake has moved to another bucket or prefix"),
    ("glue:DeleteTable", "the partition keys of a table changed, so that it is created anew"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalog_needs_what_its_policies_allow() {
    for (file, catalog, crawled) in [
        ("crawler.json", "mode = \"crawler\"\ncreate = true\nrole = \"crawler\"", true),
        ("tables.json", "mode = \"tables\"", false),
    ] {
        let (seen, allowed) = (day_after_day(catalog, crawled).await, allowed(file));
        let beyond: Actions = seen.difference(&allowed).cloned().collect();
        assert_eq!(beyond, Actions::new(), "{file} does not allow what is asked");
        let unused = allowed.difference(&seen).filter(|action| SELDOM.iter().all(|(seldom, _)| seldom != action));
        assert_eq!(unused.cloned().collect::<Actions>(), Actions::new(), "{file} allows what nobody asks for");
    }
}

/// The calls that are seldom seen are in the code all the same, and every call in the code is in a policy.
#[test]
fn every_call_of_glue_is_in_a_policy() {
    let mut called = set(["iam:PassRole"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/publish/catalog/glue");
    for entry in std::fs::read_dir(folder).expect("list") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("read");
        // Each call is named as a policy names it, because a refusal says so.
        let names = text.split("\"glue:").skip(1).filter_map(|rest| rest.split_once('"'));
        called.extend(names.map(|(name, _)| format!("glue:{name}")));
    }
    let policies: Actions = allowed("crawler.json").union(&allowed("tables.json")).cloned().collect();
    assert_eq!(called, policies, "called (left), allowed (right)");
}
