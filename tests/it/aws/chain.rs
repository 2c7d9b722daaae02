//! Who lakefold is: every member of the SDK's credential chain signs the requests to the lake.
//!
//! The key that signed is read off the requests as they arrived; that signatures are right is SeaweedFS's to say,
//! because moto checks none.

use super::calls::{record, recorded};
use super::{bills, environment};
use crate::support::answering::{Answer, Answering};
use crate::support::lakefold::{Ended, Workplace};
use crate::support::s3::S3;
use chrono::{TimeDelta, Utc};

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The lake answers, whoever asks, and every request is signed with `key`.
#[track_caller]
fn signs_with(server: &S3, key: &str, place: &Workplace, command: &mut Command) {
    place.write("env/test.toml", environment(server, &format!("endpoint = \"{}\"\n", server.endpoint())));
    record(server);
    let ended = Ended::of(command.env("AWS_REGION", "us-east-1").output().expect("start lakefold"));
    let calls = recorded(server);
    let keys: Vec<&str> = calls.iter().filter(|call| call.service() == "s3").map(|call| call.key_id()).collect();
    assert_eq!(ended.code, 0, "{key}\n{ended}");
    assert!(!keys.is_empty() && keys.iter().all(|found| *found == key), "{key} expected: {keys:?}");
    assert!(!ended.stderr.contains("hunter2"), "{ended}");
}

fn later() -> String {
    (Utc::now() + TimeDelta::hours(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// What containers, instances and credential processes give, under their names for it.
fn keys(id: &str) -> String {
    let expires = later();
    format!(
        r#"{{"Version":1,"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"hunter2","Token":"t","SessionToken":"t",
        "Expiration":"{expires}","LastUpdated":"2024-05-01T00:00:00Z","Type":"AWS-HMAC"}}"#
    )
}

#[test]
fn every_member_of_the_chain_can_sign() {
    let server = S3::moto();
    let place = bills(1);
    let status = ["status", "--env", "test"];

    place.write(".aws/credentials", "[lake]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = hunter2\n");
    signs_with(&server, "AKIAPROFILE", &place, place.command(&status).env("AWS_PROFILE", "lake"));

    place.write("process.json", keys("AKIAPROCESS"));
    let process = format!("[profile process]\ncredential_process = cat {}/process.json\n", place.path().display());
    place.write(".aws/config", process);
    signs_with(&server, "AKIAPROCESS", &place, place.command(&status).env("AWS_PROFILE", "process"));

    let portal = Answering::start(|asked| {
        assert!(
            asked.path.starts_with("/federation/credentials") && asked.path.contains("role_name=fold"),
            "{asked:?}"
        );
        assert_eq!(asked.headers.get("x-amz-sso_bearer_token").map(String::as_str), Some("a"), "the session's token");
        let expiry = (Utc::now() + TimeDelta::hours(1)).timestamp_millis();
        Answer::new(
            200,
            format!(
                r#"{{"roleCredentials":{{"accessKeyId":"AKIASSO","secretAccessKey":"hunter2","sessionToken":"t",
                "expiration":{expiry}}}}}"#
            ),
        )
    });
    place.write(
        ".aws/config",
        "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example\n\
         [profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = fold\n",
    );
    // The cache's file is called by the SHA-1 of the session's name.
    place.write(
        ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
        format!(r#"{{"accessToken":"a","expiresAt":"{}","region":"us-east-1"}}"#, later()),
    );
    let mut sso = place.command(&status);
    signs_with(&server, "AKIASSO", &place, sso.env("AWS_PROFILE", "sso").env("AWS_ENDPOINT_URL_SSO", portal.url()));

    let sts = Answering::start(|asked| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        assert!(body.contains("AssumeRoleWithWebIdentity") && body.contains("WebIdentityToken=jwt"), "{body}");
        let expires = later();
        Answer::new(
            200,
            format!(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
                 <AccessKeyId>AKIAWEB</AccessKeyId><SecretAccessKey>hunter2</SecretAccessKey>\
                 <SessionToken>t</SessionToken><Expiration>{expires}</Expiration></Credentials>\
                 </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            ),
        )
    });
    place.write("token", "jwt");
    let mut web = place.command(&status);
    web.env("AWS_WEB_IDENTITY_TOKEN_FILE", place.path().join("token"));
    web.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/fold").env("AWS_ENDPOINT_URL_STS", sts.url());
    signs_with(&server, "AKIAWEB", &place, &mut web);

    let container = Answering::start(|_| Answer::new(200, keys("AKIACONTAINER")));
    let mut ecs = place.command(&status);
    ecs.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", container.url()));
    signs_with(&server, "AKIACONTAINER", &place, &mut ecs);

    let instance = Answering::start(|asked| match asked.path.as_str() {
        "/latest/api/token" => Answer::new(200, "v2").header("x-aws-ec2-metadata-token-ttl-seconds", "600"),
        path if path.ends_with("/fold") => Answer::new(200, keys("AKIAINSTANCE")),
        "/latest/meta-data/iam/security-credentials/" => Answer::new(200, "fold"),
        _ => Answer::new(404, ""),
    });
    let mut ec2 = place.command(&status);
    signs_with(&server, "AKIAINSTANCE", &place, ec2.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url()));
}

/// Short-lived keys are fetched anew while the run goes on; when that fails, what landed stays and the report says why.
#[test]
fn keys_are_renewed_while_a_run_goes_on() {
    let server = S3::seaweed();
    let place = bills(3);
    place.write("env/test.toml", environment(&server, &format!("endpoint = \"{}\"\n", server.endpoint())));
    let fetched = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&fetched);
    let container = Answering::start(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        // Good for the request at hand and no other; without a session token, which SeaweedFS would look up.
        let soon = Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        Answer::new(
            200,
            format!(r#"{{"AccessKeyId":"test","SecretAccessKey":"testtest","Token":"","Expiration":"{soon}"}}"#),
        )
    });
    let mut command = place.command(&["run", "--env", "test", "--json"]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", container.url()));
    let ended = Ended::of(command.env("AWS_REGION", "us-east-1").output().expect("start lakefold"));
    assert_eq!(ended.code, 0, "{ended}");
    assert!(fetched.load(Ordering::SeqCst) > 1, "keys that had expired were used on");
}

#[test]
fn nobody_gives_credentials() {
    let server = S3::moto();
    let place = bills(1);
    place.write("env/test.toml", environment(&server, &format!("endpoint = \"{}\"\n", server.endpoint())));
    let mut command = place.command(&["run", "--env", "test"]);
    let ended = Ended::of(
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "us-east-1")
            .output()
            .expect("start lakefold"),
    );
    ended.refused(3, &["no AWS credentials were found", "AWS_PROFILE"]);
}
