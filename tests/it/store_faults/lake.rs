//! Two lakes of one source: one in a bucket behind the proxy, one on disk that nobody disturbs.

use crate::support::ground::{COLLECTIONS, Clinic, Ground};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::Ended;
use crate::support::s3::S3;
use crate::support::s3_proxy::{Rule, S3Proxy};
use crate::support::s3_request::{Kind, Verb};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, doc};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeSet;

/// Two of these in one partition make a file that is sent in parts.
const SCAN_BYTES: usize = 9 << 19;

/// Where the disturbed lake is in the bucket.
const PREFIX: &str = "faults";

/// What the store's client is told, so that a store that never answers is given up within seconds.
const PATIENCE: [(&str, &str); 2] = [("AWS_TIMEOUT", "2s"), ("AWS_MAX_ATTEMPTS", "2")];

/// Both lakes and their source.
pub struct Lakes<'a> {
    clinic: Clinic,
    bucket: Ground<'a>,
    disk: Ground<'a>,
    server: &'a S3,
    proxy: &'a S3Proxy,
    changes: i32,
}

/// How a run ended that met faults.
pub struct Disturbed {
    pub ended: Ended,
    /// When it came so far.
    pub record: Option<Value>,
}

impl<'a> Lakes<'a> {
    /// The first load has landed in both.
    pub async fn new(server: &'a S3, proxy: &'a S3Proxy) -> Self {
        let clinic = Clinic::with(24).await;
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for id in [0, 6] {
            let mut bytes = vec![0; SCAN_BYTES];
            random.fill_bytes(&mut bytes);
            let scan = doc! { "$set": { "scan": Binary { subtype: BinarySubtype::Generic, bytes } } };
            clinic.collection("bills").update_one(doc! { "_id": id }, scan).await.expect("update");
        }
        clinic.set("lonely", doc! { "site": "L0" }).await;
        let (bucket, disk) = (Ground::s3(&clinic, server, PREFIX), Ground::disk(&clinic));
        bucket.run(&[]);
        disk.run(&[]);
        Self { clinic, bucket, disk, server, proxy, changes: 0 }
    }

    /// A change that makes a run do everything: a large file is replaced, a document moves and leaves an empty
    /// partition, a column is new.
    pub async fn change(&mut self) {
        self.changes += 1;
        let n = self.changes;
        self.clinic.set(0, doc! { "n": -n }).await;
        self.clinic.set("lonely", doc! { "site": format!("L{n}"), format!("extra_{n}"): n }).await;
        self.clinic.insert(1).await;
    }

    /// Runs through the proxy as it is set, with more variables.
    pub fn attempt(&self, variables: &[(String, String)]) -> Disturbed {
        let mut command = self.bucket.command(&[]);
        command.envs(PATIENCE).envs(variables.iter().cloned()).env("AWS_ENDPOINT_URL", self.proxy.endpoint());
        let ended = Ended::of(command.output().expect("start lakefold"));
        assert!(!ended.stderr.contains("panicked"), "{ended}");
        Disturbed { record: serde_json::from_str(&ended.stdout).ok(), ended }
    }

    /// A change, and a run that meets `rule`.
    pub async fn disturbed(&mut self, rule: Rule) -> Disturbed {
        self.change().await;
        self.proxy.set(rule);
        self.attempt(&[])
    }

    /// The kinds of requests that a change makes a run send.
    pub async fn every_kind(&mut self) -> BTreeSet<Kind> {
        self.change().await;
        self.proxy.set(None);
        let Disturbed { ended, .. } = self.attempt(&[]);
        assert_eq!(ended.code, 0, "{ended}");
        self.compare("no fault").await;
        let kinds: BTreeSet<Kind> = self.proxy.seen().into_keys().collect();
        for verb in [Verb::Begin, Verb::Part, Verb::Complete, Verb::Delete, Verb::Put, Verb::List] {
            assert!(kinds.iter().any(|kind| kind.0 == verb), "no run sends {verb:?}: {kinds:?}");
        }
        kinds
    }

    /// Lets the undisturbed lake catch up and compares what readers see.
    pub async fn compare(&self, what: &str) {
        self.disk.run(&[]);
        // The documents are large, and what differs is one of the small ones.
        let (bucket, disk) = (self.bucket.seen().await, self.disk.seen().await);
        for (bucket, disk) in bucket.iter().zip(&disk) {
            assert_eq!(bucket.types, disk.types, "{what}: disturbed (left), undisturbed (right)");
            let differing: Vec<String> =
                bucket.rows.symmetric_difference(&disk.rows).map(|row| row.chars().take(300).collect()).collect();
            assert!(differing.is_empty(), "{what}: only in one of the lakes: {differing:#?}");
        }
    }

    /// Watermark files by collection: all that P3 is about.
    pub fn state(&self) -> Vec<String> {
        COLLECTIONS.iter().map(|name| self.object("watermarks", &format!("{name}.csv")).expect("a watermark")).collect()
    }

    /// A state object of the disturbed lake, past the proxy.
    fn object(&self, kind: &str, name: &str) -> Option<String> {
        let key = format!("{PREFIX}/_lakefold/{kind}/{}/{name}", self.clinic.database);
        let (status, text) = self.server.signed("GET", &key, "");
        assert!(matches!(status, 200 | 404), "{status} for {key}");
        (status == 200).then_some(text)
    }

    /// What holds after a run that met faults: files are whole, the watermark of what failed is where it was or covers
    /// what is there, and the next run makes it right.
    pub async fn after_a_failure(&self, disturbed: &Disturbed, before: &[String], what: &str) {
        let Disturbed { ended, record } = disturbed;
        assert!([0, 1, 3].contains(&ended.code), "{what}: {ended}");
        let objects = self.bucket.objects().await;
        for name in COLLECTIONS {
            // Reads every file whole.
            read_table(objects.path(), &format!("{}/{name}", self.clinic.database));
        }
        let moved = self.state();
        if ended.code == 0 || moved.iter().zip(before).all(|(now, before)| now != before) {
            self.compare(what).await;
        }
        for (at, name) in COLLECTIONS.iter().enumerate() {
            let outcome = record.as_ref().map(|record| &record["collections"][at]);
            let failed = outcome.is_none_or(|outcome| outcome["outcome"] == "failed");
            // After the watermark only the journal is left to be removed.
            let late = what.contains("Journal");
            assert!(!failed || late || moved[at] == before[at], "{what}: the watermark of {name} moved\n{ended}");
            let reason = outcome.and_then(|outcome| outcome["reason"].as_str());
            assert!(!failed || record.is_none() || reason.is_some_and(|text| text.len() > 20), "{what}: {ended}");
        }
        assert!(ended.code == 0 || record.is_some() || ended.stderr.contains("error: "), "{what}: {ended}");
        self.heal(what).await;
    }

    /// What landed has landed: the summary is there all the same, and names what is not.
    pub fn says_that_its_record_is_missing(&self, disturbed: &Disturbed) {
        let Disturbed { ended, record } = disturbed;
        let record = record.as_ref().unwrap_or_else(|| panic!("no record: {ended}"));
        let told = record["notifications"].as_array().expect("notifications");
        // A write whose answers alone are lost has happened.
        let missing = told.iter().any(|told| told["channel"] == "run record");
        assert!(missing == (ended.code == 1), "{ended}");
        assert!(record["collections"].as_array().expect("collections").iter().all(|c| c["outcome"] == "ok"), "{ended}");
    }

    /// The next run, undisturbed, makes it right.
    pub async fn heal(&self, what: &str) {
        self.proxy.set(None);
        self.bucket.run(&[]);
        self.compare(what).await;
        let journal = COLLECTIONS.iter().find(|name| self.object("journal", &format!("{name}.json")).is_some());
        assert_eq!(journal, None, "{what}: a journal is left");
    }

    pub async fn drop(self) {
        self.clinic.drop().await;
    }
}
