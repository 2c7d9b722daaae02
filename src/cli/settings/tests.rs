use super::*;
use crate::model::settings::{CatalogMode, Encryption, MailTransport, Rules, S3Settings, SmtpTls};

fn lookup(name: &str) -> Option<String> {
    match name {
        "MONGODB_URI" => Some("mongodb://u:hunter2@h".to_owned()),
        "SECRET" => Some("hunter2".to_owned()),
        "N" => Some("7".to_owned()),
        "YES" => Some("true".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Settings, Vec<String>> {
    read_with(text, &lookup)
}

fn read_with(text: &str, lookup: &Lookup<'_>) -> Result<Settings, Vec<String>> {
    parse(text, "e.toml", "e", lookup).map_err(|invalid| {
        let hint = |p: &Problem| p.hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
        invalid.problems.iter().map(|p| format!("{p}{}", hint(p))).collect()
    })
}

/// The least there has to be, on lines 1 to 4.
const LEAST: &str = "[source]\nuri = \"dump:x\"\n[lake]\nurl = \"file:lake\"\n";

#[test]
fn the_least_gets_the_defaults() {
    let settings = read(LEAST).unwrap();
    assert_eq!((settings.timezone, settings.timestamps), (Tz::UTC, Timestamps::Utc));
    assert_eq!((settings.environment.as_str(), settings.manifest.as_str()), ("e", "collections.csv"));
    assert_eq!(settings.source.overlap, Duration::from_secs(600));
    assert_eq!(settings.source.read_preference, "secondaryPreferred");
    assert_eq!((settings.lake.zstd_level, settings.lake.path_style), (3, false));
    assert_eq!(settings.mail.transport, MailTransport::None);
    assert_eq!((settings.catalog.mode, settings.catalog.crawler.as_str()), (CatalogMode::None, "{env}-{database}"));
    assert_eq!((settings.run.memory, settings.run.collections), (1 << 30, 4));
    assert_eq!((settings.run.full_every, settings.run.deadline), (None, None));
    assert!(settings.hash_key.is_none());
}

#[test]
fn everything_can_be_set() {
    let text = r#"
        timezone = "Asia/Kolkata"
        timestamps = "local"
        manifest = "lists/c.csv"
        [source]
        uri = "${MONGODB_URI}"
        read_preference = "nearest"
        overlap = "0s"
        [lake]
        url = "s3://bucket/prefix"
        endpoint = "http://127.0.0.1:9000"
        region = "ap-south-1"
        path_style = "${YES}"
        zstd_level = 9
        [catalog]
        mode = "crawler"
        crawler = "{env}-{database}-x"
        database = "lake_{database}"
        always = true
        create = true
        role = "crawler"
        ready_within = "5m"
        [mail]
        transport = "file"
        dir = "out"
        from = "Lake <lake@example.org>"
        to = ["a@example.org", "b@example.org"]
        when = ["failure", "schema_change", "lag 6h"]
        [[webhook]]
        kind = "slack"
        url = "https://hooks.slack.com/services/T/B/${SECRET}"
        [[webhook]]
        kind = "telegram"
        name = "on call"
        token = "${SECRET}"
        chat = "-100"
        when = ["failure"]
        [metrics]
        textfile = "lakefold.prom"
        pushgateway = "http://127.0.0.1:9091"
        [privacy]
        hash_key = "${SECRET}"
        [run]
        memory = "256MiB"
        collections = "${N}"
        full_every = "30d"
        deadline = "3h"
    "#;
    let settings = read(text).unwrap();
    assert_eq!((settings.timezone, settings.timestamps), (Tz::Asia__Kolkata, Timestamps::Local));
    assert_eq!(settings.manifest, "lists/c.csv");
    assert_eq!(settings.source.uri.expose(), "mongodb://u:hunter2@h");
    assert_eq!((settings.source.read_preference.as_str(), settings.source.overlap), ("nearest", Duration::ZERO));
    assert_eq!(settings.lake.url, "s3://bucket/prefix");
    assert_eq!(settings.lake.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!(settings.lake.region.as_deref(), Some("ap-south-1"));
    assert_eq!((settings.lake.zstd_level, settings.lake.path_style), (9, true));
    let catalog = settings.catalog;
    assert_eq!((catalog.mode, catalog.always, catalog.create), (CatalogMode::Crawler, true, true));
    assert_eq!((catalog.crawler.as_str(), catalog.database.as_str()), ("{env}-{database}-x", "lake_{database}"));
    assert_eq!((catalog.role.as_deref(), catalog.ready_within), (Some("crawler"), Duration::from_secs(300)));
    assert_eq!(settings.mail.transport, MailTransport::File);
    assert_eq!((settings.mail.dir, settings.mail.to.len()), (PathBuf::from("out"), 2));
    let lag = Some(Duration::from_secs(6 * 3_600));
    assert_eq!(settings.mail.when, Rules { always: false, failure: true, schema_change: true, lag });
    let webhooks: Vec<_> = settings.webhooks.iter().map(|w| (w.name.as_str(), w.url.expose(), w.when.always)).collect();
    let slack = ("slack", "https://hooks.slack.com/services/T/B/hunter2", true);
    assert_eq!(webhooks, [slack, ("on call", "https://api.telegram.org", false)]);
    assert_eq!(settings.metrics.textfile, Some(PathBuf::from("lakefold.prom")));
    assert_eq!(settings.metrics.pushgateway.unwrap().expose(), "http://127.0.0.1:9091");
    assert_eq!(settings.hash_key.unwrap().expose(), "hunter2");
    assert_eq!((settings.run.memory, settings.run.collections), (256 << 20, 7));
    assert_eq!(settings.run.full_every, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!(settings.run.deadline, Some(Duration::from_secs(3 * 3_600)));
}

#[test]
fn a_mail_server_has_the_port_of_its_protection() {
    let mail = "[mail]\ntransport = \"smtp\"\nfrom = \"a@b\"\nto = [\"a@b\"]\nhost = \"mail.example.org\"\n";
    for (keys, tls, port) in [
        ("", SmtpTls::StartTls, 587),
        ("tls = \"tls\"\n", SmtpTls::Tls, 465),
        ("tls = \"none\"\n", SmtpTls::None, 25),
        ("port = 2525\n", SmtpTls::StartTls, 2525),
    ] {
        let smtp = read(&format!("{LEAST}{mail}{keys}")).unwrap().mail.smtp.unwrap();
        assert_eq!((smtp.tls, smtp.port, smtp.login), (tls, port, None), "{keys}");
    }
    let login = "user = \"u\"\npassword = \"${SECRET}\"\n";
    let settings = read(&format!("{LEAST}{mail}{login}")).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(settings.mail.smtp.unwrap().login.unwrap().1.expose(), "hunter2");
}

#[test]
fn aws_variables_fill_what_the_file_leaves_open() {
    let aws = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:5000".to_owned()),
        "AWS_REGION" => Some(String::new()),
        "AWS_DEFAULT_REGION" => Some("eu-west-1".to_owned()),
        _ => None,
    };
    let lake = read_with(LEAST, &aws).unwrap().lake;
    assert_eq!(lake.endpoint.as_deref(), Some("http://127.0.0.1:5000"));
    assert_eq!((lake.region.as_deref(), lake.path_style), (Some("eu-west-1"), true));
    let lake = read_with(&format!("{LEAST}endpoint = \"https://s3.local\"\npath_style = false\n"), &aws).unwrap().lake;
    assert_eq!((lake.endpoint.as_deref(), lake.path_style), (Some("https://s3.local"), false));
}

/// What stands below [`LEAST`], and everything said about it.
#[test]
fn bad_values_say_what_to_write_instead() {
    let cases: &[(&str, &[&str])] = &[
        ("urll = 1", &["e.toml:5: lake.urll: unknown key | did you mean `url`?"]),
        ("[sourc]", &["e.toml:5: sourc: unknown key | did you mean `source`?"]),
        ("zstd_level = 23", &["e.toml:5: lake.zstd_level: must be between 1 and 22"]),
        ("zstd_level = \"3\"", &["e.toml:5: lake.zstd_level: is a string | write a whole number without quotes"]),
        ("zstd_level = 99999999999999999999", &["e.toml:5: lake.zstd_level: is too large a number"]),
        ("path_style = 1", &["e.toml:5: lake.path_style: is a number | write `true` or `false`"]),
        (
            "path_style = \"${SECRET}\"",
            &["e.toml:5: lake.path_style: wants `true` or `false`, and the value of its variable is none"],
        ),
        (
            "endpoint = \"localhost:9000\"",
            &["e.toml:5: lake.endpoint: `localhost:9000` is no endpoint | write `https://host:port` or \
               `http://host:port`"],
        ),
        ("region = \"\"", &["e.toml:5: lake.region: is empty"]),
        (
            "region = \"${AWS_REGIO}\"",
            &["e.toml:5: lake.region: variable `AWS_REGIO` is not set; set it or write `${AWS_REGIO:-default}`"],
        ),
        ("[privacy]\nhash_key = \"${aws-secret:lake#key}\"", &["e.toml:6: privacy.hash_key: was not fetched from AWS"]),
        ("[run]\nmemory = \"64MiB\"", &["e.toml:6: run.memory: `64MiB` is too little; the least is `128MiB`"]),
        ("[run]\nmemory = \"much\"", &["e.toml:6: run.memory: `much` is no size; write `256MiB` or `1GiB`"]),
        ("[run]\nmemory = 512", &["e.toml:6: run.memory: is a number | write a string in quotes"]),
        ("[run]\ncollections = 0", &["e.toml:6: run.collections: must be between 1 and 64"]),
        (
            "[run]\ndeadline = \"3 hrs 5\"",
            &["e.toml:6: run.deadline: `3 hrs 5` is no length of time | write a number and a unit: `10m`, `36h`, \
               `30d`, `0s`"],
        ),
        (
            "[catalog]\nmode = \"crawler\"",
            &["e.toml:6: catalog.mode: `crawler` is for lakes in S3 | write `mode = \"none\"`, or put the lake at \
               `s3://bucket/prefix`"],
        ),
        (
            "[catalog]\nmode = \"none\"\ncrawler = \"{envv}-x\"\nready_within = \"soon\"",
            &[
                "e.toml:7: catalog.crawler: `{envv}-x` holds an unknown placeholder | write a name with `{env}` and \
                 `{database}` in it, such as `{env}-{database}`",
                "e.toml:8: catalog.ready_within: `soon` is no length of time | write a number and a unit: `10m`, \
                 `36h`, `30d`, `0s`",
            ],
        ),
        ("[catalog]", &["e.toml:5: catalog.mode: is missing | add `mode = \"crawler\"`"]),
        (
            "[mail]\ntransport = \"ses\"\nfrom = \"a@b\"\nto = [\"a@b\"]\nmax_size = \"41MiB\"\nhost = \"h\"",
            &[
                "e.toml:9: mail.max_size: `41MiB` is no size that SES takes | write `10MiB`; the most is `40MiB`",
                "e.toml:10: mail.host: is a key of `transport = \"smtp\"` | take it out",
            ],
        ),
        (
            "[mail]\ntransport = \"fax\"",
            &[
                "e.toml:6: mail.transport: unknown transport `fax` | write `transport = \"ses\"`, `\"smtp\"`, `\"file\"` or \
               `\"none\"`",
            ],
        ),
        (
            "[mail]\ntransport = \"file\"",
            &[
                "e.toml:5: mail.from: is missing | add `from = \"lake@example.org\"`",
                "e.toml:5: mail.to: is missing | add `to = [\"data@example.org\"]`",
            ],
        ),
        (
            "[mail]\ntransport = \"file\"\nfrom = \"lake\"\nto = [\n  \"a@b\",\n  \"c d@e\",\n]",
            &[
                "e.toml:7: mail.from: `lake` is no mail address | write `name@example.org` or `Name \
                 <name@example.org>`",
                "e.toml:10: mail.to: `c d@e` is no mail address | write `name@example.org` or `Name \
                 <name@example.org>`",
            ],
        ),
        (
            "[mail]\ntransport = \"none\"\nto = \"a@b\"",
            &["e.toml:7: mail.to: is a string | write a list such as `[\"data@example.org\"]`"],
        ),
        (
            "[mail]\ntransport = \"smtp\"\nfrom = \"a@b\"\nto = [\"a@b\"]\nuser = \"u\"\ntls = \"ssl\"",
            &[
                "e.toml:5: mail.host: is missing | add `host = \"smtp.example.org\"`",
                "e.toml:5: mail.password: is missing | add `password = \"${SMTP_PASSWORD}\"`",
                "e.toml:10: mail.tls: `ssl` is none of its words | known are `starttls`, `tls` and `none`",
            ],
        ),
        (
            "[mail]\ntransport = \"smtp\"\nfrom = \"a@b\"\nto = [\"a@b\"]\nhost = \"h\"\nuser = \"u\"\n\
             password = \"hunter2\"\ntls = \"none\"",
            &["e.toml:11: mail.password: would travel in the open, because `tls` is \"none\" | write `tls = \
               \"starttls\"` or `tls = \"tls\"`"],
        ),
        (
            "[mail]\ntransport = \"file\"\nfrom = \"a@b\"\nto = [\"a@b\"]\nhost = \"h\"\nwhen = [\"sometimes\"]",
            &[
                "e.toml:9: mail.host: is a key of `transport = \"smtp\"` | take it out",
                "e.toml:10: mail.when: `sometimes` is no rule | write any of \"always\", \"failure\", \
                 \"schema_change\" and \"lag 6h\"",
            ],
        ),
        (
            "[[webhook]]\nkind = \"slack\"\nchat = \"#ops\"\n[[webhook]]\nkind = \"telegram\"\nurl = \"ftp://x\"",
            &[
                "e.toml:5: webhook.url: is missing | add `url = \"${WEBHOOK_URL}\"`",
                "e.toml:7: webhook.chat: is a key of `kind = \"telegram\"` | take it out",
                "e.toml:8: webhook.token: is missing | add `token = \"${TELEGRAM_TOKEN}\"`",
                "e.toml:8: webhook.chat: is missing | add `chat = \"-1001234567890\"`",
                "e.toml:10: webhook.url: is no web address | write `https://host/path` or `http://host/path`",
            ],
        ),
        (
            "[[webhook]]\nkind = \"json\"\nurl = \"http://a\"\n[[webhook]]\nkind = \"json\"\nurl = \"http://b\"",
            &["e.toml:8: webhook.name: another channel is called `json` | give each webhook a `name` of its own"],
        ),
        (
            "[webhook]\nkind = \"json\"",
            &[
                "e.toml:5: webhook: is a list of sections, not a section | write `[[webhook]]` on a line of its own, its \
               keys below",
            ],
        ),
        (
            "[metrics]\ntextfile = \"lakefold.txt\"\npushgateway = \"host:9091\"",
            &[
                "e.toml:6: metrics.textfile: does not end in `.prom`, and the textfile collector reads no other file | \
                 write a path such as `/var/lib/node_exporter/textfile/lakefold-prod.prom`",
                "e.toml:7: metrics.pushgateway: is no web address | write `https://host/path` or `http://host/path`",
            ],
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(read(&format!("{LEAST}{lines}\n")).unwrap_err(), *expected, "{lines}");
    }
}

#[test]
fn bad_values_above_the_sections() {
    for (line, expected) in [
        (
            "timezone = \"Asia/Kolkatta\"",
            "e.toml:1: timezone: unknown timezone `Asia/Kolkatta` | did you mean `Asia/Kolkata`?",
        ),
        ("timezone = \"\"", "e.toml:1: timezone: is empty"),
        ("timestamps = \"UTC\"", "e.toml:1: timestamps: `UTC` is none of its words | did you mean `utc`?"),
        (
            "manifest = \"gs://b/c.csv\"",
            "e.toml:1: manifest: `gs://b/c.csv` is no place lakefold reads a manifest from | write a path or an `s3://` \
             URL, such as `s3://bucket/collections.csv`",
        ),
        ("run = 4", "e.toml:1: run: is a section, not a number | write `[run]` on a line of its own, its keys below"),
    ] {
        assert_eq!(read(&format!("{line}\n{LEAST}")).unwrap_err(), [expected], "{line}");
    }
}

#[test]
fn source_and_lake_are_required_and_known() {
    assert_eq!(
        read("[lake]\n").unwrap_err(),
        [
            "e.toml: source.uri: is missing | add `[source]` with `uri = \"${MONGODB_URI}\"`",
            "e.toml:1: lake.url: is missing | add `url = \"s3://bucket/prefix\"`",
        ]
    );
    let lake = |url: &str| read(&format!("[source]\nuri = \"dump:x\"\n[lake]\nurl = \"{url}\"\n")).unwrap_err();
    assert_eq!(
        lake("http://bucket"),
        ["e.toml:4: lake.url: `http://bucket` is no lake that lakefold knows | write `s3://bucket/prefix`, \
          `gs://bucket/prefix`, `az://container/prefix` or `file:PATH`"]
    );
    assert_eq!(
        lake("s3://key:hunter2@bucket"),
        ["e.toml:4: lake.url: holds credentials | leave them to the environment, as with any program that uses the \
          cloud"]
    );
}

#[test]
fn a_secret_is_never_shown() {
    let text = "timezone = \"${SECRET}\"\n[source]\nuri = \"postgres://u:hunter2@h\"\noverlap = \"${SECRET}\"\n\
                read_preference = \"${SECRET}\"\n[lake]\nurl = \"${SECRET}\"\nendpoint = \"${SECRET}\"\n\
                zstd_level = \"${SECRET}\"\n[mail]\ntransport = \"${SECRET}\"\nto = [\"${SECRET}\"]\n\
                [catalog]\nmode = \"${SECRET}\"\n[run]\nmemory = \"${SECRET}\"\n";
    let problems = read(text).unwrap_err();
    assert_eq!(problems.len(), 11, "{problems:#?}");
    assert!(problems.iter().all(|problem| !problem.contains("hunter2")), "{problems:#?}");
    assert!(!format!("{:?}", read(&LEAST.replace("dump:x", "mongodb://u:hunter2@h"))).contains("hunter2"));
}

#[test]
fn broken_toml_names_each_line_once() {
    let problems = read("[source]\nuri = dump:x\n[lake]\nurl = \"hunter2\n").unwrap_err();
    let lines: Vec<&str> = problems.iter().filter_map(|p| p.split(": ").next()).collect();
    assert_eq!(lines, ["e.toml:2", "e.toml:4"], "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.contains("is not TOML") && !problem.contains("hunter2")));
}

#[test]
fn what_is_known_of_a_bad_file_lets_the_manifest_be_checked() {
    let text = format!("manifest = \"m.csv\"\ncolour = 1\n{LEAST}[privacy]\nhash_key = \"${{NONE}}\"\n");
    let invalid = parse(&text, "e.toml", "e", &lookup).unwrap_err();
    assert_eq!((invalid.problems.len(), invalid.manifest.as_deref(), invalid.hash_key), (2, Some("m.csv"), true));
}

#[test]
fn a_name_is_a_file_in_env_and_a_path_is_itself() {
    let located = |text: &str| {
        let (name, path) = locate(text);
        (name, path.display().to_string())
    };
    assert_eq!(located("demo"), ("demo".to_owned(), "env/demo.toml".to_owned()));
    assert_eq!(located("my.toml"), ("my".to_owned(), "my.toml".to_owned()));
    assert_eq!(located("/etc/lake/prod.toml"), ("prod".to_owned(), "/etc/lake/prod.toml".to_owned()));
    assert_eq!(located("./prod"), ("prod".to_owned(), "./prod".to_owned()));
}

#[tokio::test]
async fn a_missing_environment_is_named_with_those_there_are() {
    let Err(Failure::Invalid(Invalid { problems, .. })) = load("dmeo").await else { panic!("there is none") };
    assert_eq!(problems[0].to_string(), "env/dmeo.toml: no such file");
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `--env demo`?"));
}

#[test]
fn what_is_asked_of_s3_is_checked() {
    let lake = |keys: &str| read(&format!("{LEAST}{keys}"));
    let s3 = lake(
        "encryption = \"sse-kms\"\nkms_key = \"alias/lake\"\nrequester_pays = true\nstorage_class = \"STANDARD_IA\"\nrequests = 8\n",
    );
    let expected = S3Settings {
        encryption: Encryption::Kms(Some("alias/lake".into())),
        requester_pays: true,
        storage_class: Some("STANDARD_IA".into()),
        requests: 8,
    };
    assert_eq!(s3.unwrap().lake.s3, expected);
    assert_eq!(lake("encryption = \"sse-s3\"\n").unwrap().lake.s3.encryption, Encryption::S3);
    assert_eq!(lake("").unwrap().lake.s3, S3Settings::default());
    for (keys, problem) in [
        ("kms_key = \"k\"\n", "says nothing without `encryption = \"sse-kms\"`"),
        ("encryption = \"kms\"\n", "`kms` is none of its words | known are `bucket`, `sse-s3` and `sse-kms`"),
        ("storage_class = \"GLACIER\"\n", "holds objects that nobody can read until they are restored"),
        ("requests = 0\n", "must be between 1 and 1024"),
    ] {
        let problems = lake(keys).unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains(problem), "{problems:?}");
    }
}

#[test]
fn every_shipped_environment_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("env");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        // Whatever a shipped file leaves to the environment is set here.
        let set = |_: &str| Some("mongodb://127.0.0.1".to_owned());
        let settings = parse(&text, &path.display().to_string(), "shipped", &set);
        assert!(settings.is_ok(), "{:#?}", settings.unwrap_err());
        seen += 1;
    }
    assert!(seen > 0);
}
