//! A bad network between lakefold and its source: cut, slow, frozen and gone for a while.

use crate::support::folding::{Flags, Folding, Midway, Origin};
use crate::support::lake_rows::read_table;
use crate::support::mongod::Mongod;
use crate::support::tcp_proxy::TcpProxy;
use lakefold::model::progress::{Progress, Silent};
use lakefold::model::record::{CollectionRecord, Outcome};
use mongodb::bson::{DateTime, Document, doc};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Enough for ranges of `_id`, each of several replies.
const DOCUMENTS: i64 = 12_000;

/// So that the driver notices within seconds what takes half a minute by its defaults.
const ALERT: &str = "heartbeatFrequencyMS=500&connectTimeoutMS=1000&serverSelectionTimeoutMS=10000";

/// A collection behind a proxy, and an empty lake.
async fn behind_a_proxy() -> (Origin, Arc<TcpProxy>, Folding) {
    let origin = Origin::new().await;
    let document = |id: i64| -> Document {
        doc! { "_id": id, "updated_at": DateTime::now(), "padding": "x".repeat(1500) }
    };
    origin.documents().insert_many((0..DOCUMENTS).map(document)).await.expect("insert");
    let proxy = Arc::new(TcpProxy::before(Mongod::shared().port()));
    let folding = Folding::from(&proxy.uri(ALERT), &origin.database, "updated_at,");
    (origin, proxy, folding)
}

/// Every document once, in the counts (P6) and in the lake (P1).
#[track_caller]
fn whole(record: &CollectionRecord, folding: &Folding, database: &str) {
    assert_eq!(record.outcome, Outcome::Ok, "{record:#?}");
    assert_eq!((record.rows.read, record.rows.inserted), (DOCUMENTS as u64, DOCUMENTS as u64), "{record:#?}");
    let rows = read_table(&folding.lake(), &format!("{database}/c")).rows;
    let ids: BTreeSet<i64> = rows.iter().filter_map(|row| row.columns["_id"].as_i64()).collect();
    assert!(rows.len() == DOCUMENTS as usize && ids.into_iter().eq(0..DOCUMENTS), "{} rows", rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut() {
    let (origin, proxy, folding) = behind_a_proxy().await;
    proxy.cut(3, 1_000_000);
    let record = folding.watched(Flags::default(), Arc::new(Silent)).await;
    whole(&record, &folding, &origin.database);
    assert_eq!(proxy.hurt(), 3);
    assert!(record.retries > 0, "{record:#?}");
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_goes_silent() {
    let (origin, proxy, folding) = behind_a_proxy().await;
    let freeze = {
        let proxy = Arc::clone(&proxy);
        move || {
            proxy.freeze(i64::MAX, 0);
            let proxy = Arc::clone(&proxy);
            std::thread::spawn(move || {
                proxy.await_attempts(1);
                proxy.freeze(0, 0);
            });
        }
    };
    let progress: Arc<dyn Progress> = Arc::new(Midway::after(2, freeze));
    let record = folding.watched(Flags::default(), progress).await;
    whole(&record, &folding, &origin.database);
    assert!(proxy.hurt() > 0 && record.retries > 0, "{record:#?}");
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_for_a_while() {
    let (origin, proxy, folding) = behind_a_proxy().await;
    let leave = {
        let proxy = Arc::clone(&proxy);
        move || {
            proxy.set_down(true);
            let proxy = Arc::clone(&proxy);
            std::thread::spawn(move || {
                proxy.await_attempts(4);
                proxy.set_down(false);
            });
        }
    };
    let progress: Arc<dyn Progress> = Arc::new(Midway::after(2, leave));
    let record = folding.watched(Flags::default(), progress).await;
    whole(&record, &folding, &origin.database);
    assert!(record.retries > 0, "{record:#?}");
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_is_no_failure() {
    let (origin, proxy, folding) = behind_a_proxy().await;
    proxy.slow(6_000_000);
    let started = Instant::now();
    let record = folding.watched(Flags::default(), Arc::new(Silent)).await;
    whole(&record, &folding, &origin.database);
    // Two readers share 18 MB.
    assert!(started.elapsed() > Duration::from_millis(1200), "the proxy was in the way");
    assert_eq!(record.retries, 0, "{record:#?}");
    origin.drop().await;
}
