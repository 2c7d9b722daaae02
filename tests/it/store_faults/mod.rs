//! A store that misbehaves on the wire (P1-P4, P8): SeaweedFS behind a proxy that spoils chosen requests.
//!
//! One wrong answer to any request costs nothing. A request that fails for good fails its collection, with the
//! watermark where it was; the next run makes it right. Either way nothing half-written is ever in the lake, and the
//! end is the lake of a run that nobody disturbed.

mod discreet;
mod lake;

use crate::support::s3::S3;
use crate::support::s3_proxy::{Fault, Rule, S3Proxy};
use crate::support::s3_request::{Kind, Place, Verb};
use crate::support::soak::{Patience, covered, soaking};
use lake::{Disturbed, Lakes};
use std::collections::BTreeSet;

/// A store's bad moments, each as it is seen on the wire.
const FAULTS: [Fault; 13] = [
    Fault::Refuse(500, "InternalError"),
    Fault::Refuse(503, "SlowDown"),
    Fault::Refuse(409, "ConditionalRequestConflict"),
    Fault::Refuse(412, "PreconditionFailed"),
    Fault::Drop,
    Fault::Silence,
    Fault::CutRequest,
    Fault::CutAnswer,
    Fault::DoneThenRefuse(500, "InternalError"),
    Fault::DoneThenRefuse(503, "SlowDown"),
    Fault::DoneThenDrop,
    Fault::DoneThenSilence,
    Fault::Slow(300),
];

/// What a person has to cure.
const DENIED: Fault = Fault::Refuse(403, "AccessDenied");

/// What is not carried out, however often it is repeated.
const REFUSED: Fault = Fault::Refuse(500, "InternalError");

/// Requests for which silence is tried in `make test`: each costs the client's whole patience.
const WAITED_FOR: [Kind; 6] = [
    Kind(Verb::Get, Place::Watermark),
    Kind(Verb::Get, Place::Data),
    Kind(Verb::Put, Place::Data),
    Kind(Verb::Complete, Place::Data),
    Kind(Verb::Delete, Place::Data),
    Kind(Verb::Put, Place::Watermark),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wrong_answer_to_any_request_costs_nothing() {
    let server = S3::seaweed();
    let proxy = S3Proxy::before(server.port());
    let mut lakes = Lakes::new(&server, &proxy).await;
    let kinds = lakes.every_kind().await;
    let mut met = BTreeSet::new();
    for fault in FAULTS {
        let mut rule = Rule::once_each(fault);
        if matches!(fault, Fault::Silence | Fault::DoneThenSilence) && !soaking() {
            rule.kinds = WAITED_FOR.to_vec();
        }
        let mut meant = kinds.iter().filter(|kind| rule.means(**kind)).copied().collect::<BTreeSet<_>>();
        let Disturbed { ended, .. } = lakes.disturbed(rule).await;
        assert_eq!(ended.code, 0, "{fault:?} at {:?}\n{ended}", proxy.hit());
        met.extend(proxy.hit());
        meant.retain(|kind| !proxy.hit().contains(kind));
        assert!(meant.is_empty(), "{fault:?}: no request met it of {meant:?}");
        lakes.compare(&format!("{fault:?}")).await;
    }
    assert!(met.is_superset(&kinds), "met no fault: {:?}", kinds.difference(&met));
    covered(format_args!("{} faults once each at {} kinds of request", FAULTS.len(), met.len()));
    lakes.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_fails_for_good_fails_cleanly() {
    let server = S3::seaweed();
    let proxy = S3Proxy::before(server.port());
    let mut lakes = Lakes::new(&server, &proxy).await;
    let kinds = lakes.every_kind().await;
    let (mut failed, patience) = (0, Patience::new());
    for (at, kind) in kinds.into_iter().enumerate() {
        let fitting: Vec<Fault> =
            FAULTS.into_iter().chain([DENIED]).filter(|f| f.fits(kind) && !matches!(f, Fault::Slow(_))).collect();
        // Time for one of them, another one for each kind of request; silence is for the soak.
        let quick: Vec<Fault> =
            fitting.iter().copied().filter(|fault| !matches!(fault, Fault::Silence | Fault::DoneThenSilence)).collect();
        let mut chosen = if soaking() && patience.lasts() { fitting } else { vec![quick[at % quick.len()]] };
        // Some faults leave the request carried out: what a run leaves behind has to be refused as well.
        let Kind(verb, place) = kind;
        let leaves = matches!(verb, Verb::Put | Verb::Part | Verb::Complete) && place == Place::Data;
        if (leaves || kind == Kind(Verb::Put, Place::Record)) && !chosen.contains(&REFUSED) {
            chosen.push(REFUSED);
        }
        for fault in chosen {
            let before = lakes.state();
            let disturbed = lakes.disturbed(Rule::always(kind, fault)).await;
            assert!(proxy.hit().contains(&kind), "{kind:?} {fault:?}: no request met it");
            if kind == Kind(Verb::Put, Place::Record) {
                lakes.says_that_its_record_is_missing(&disturbed);
            }
            lakes.after_a_failure(&disturbed, &before, &format!("{kind:?} {fault:?}")).await;
            failed += 1;
        }
    }
    covered(format_args!("{failed} times a request failed for good"));
    lakes.drop().await;
}

/// P8: the table whose data cannot be written fails by itself, and the other one lands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_refuses_one_table_leaves_the_other_alone() {
    let server = S3::seaweed();
    let proxy = S3Proxy::before(server.port());
    let mut lakes = Lakes::new(&server, &proxy).await;
    for fault in [DENIED, Fault::Refuse(500, "InternalError")] {
        let rule = Rule { key: "/bills/".to_owned(), ..Rule::always(Kind(Verb::Put, Place::Data), fault) };
        let Disturbed { ended, record } = lakes.disturbed(rule).await;
        let record = record.expect("a record");
        let outcomes: Vec<&str> = record["collections"]
            .as_array()
            .expect("collections")
            .iter()
            .filter_map(|c| c["outcome"].as_str())
            .collect();
        assert_eq!((ended.code, outcomes.as_slice()), (1, ["failed", "ok"].as_slice()), "{ended}");
        let reason = record["collections"][0]["reason"].as_str().expect("a reason");
        assert!(reason.contains("bills/") && reason.contains("data.parquet"), "{reason}");
        lakes.heal(&format!("{fault:?}")).await;
    }
    lakes.drop().await;
}

/// What is read with keys that may not write (SeaweedFS's identity `reader`) is told so, and nothing changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_may_only_read_change_nothing() {
    let server = S3::seaweed();
    let proxy = S3Proxy::before(server.port());
    let mut lakes = Lakes::new(&server, &proxy).await;
    let before = lakes.state();
    lakes.change().await;
    let Disturbed { ended, record } = lakes.attempt(&server.reader());
    assert_eq!(ended.code, 3, "{ended}");
    let record = record.expect("a record");
    for collection in record["collections"].as_array().expect("collections") {
        let reason = collection["reason"].as_str().expect("a reason");
        assert!(reason.contains("no permission") && reason.contains("PutObject"), "{reason}");
    }
    assert!(proxy.seen().contains_key(&Kind(Verb::Get, Place::Watermark)), "{:?}", proxy.seen());
    assert_eq!(lakes.state(), before);
    lakes.heal("read-only keys").await;
    lakes.drop().await;
}
