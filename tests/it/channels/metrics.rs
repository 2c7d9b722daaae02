//! Prometheus: the textfile and the Pushgateway, whose stand-in parses what arrives with Prometheus' own parser.

use super::{outcome, place, run};
use crate::support::receivers::Receivers;

#[test]
fn both_get_every_run() {
    let receivers = Receivers::start();
    let metrics = format!("[metrics]\ntextfile = \"prom/lakefold.prom\"\npushgateway = \"{}\"\n", receivers.url("/"));
    let place = place(&metrics);
    let (_, record) = run(&place, 0);
    assert_eq!((outcome(&record, "textfile"), outcome(&record, "pushgateway")), ("sent", "sent"));
    let posts = receivers.posts();
    assert_eq!((posts.len(), posts[0]["method"].as_str()), (1, Some("PUT")));
    assert_eq!(posts[0]["path"], "/metrics/job/lakefold/environment/test");
    let text = posts[0]["body"].as_str().expect("a body");
    let rows =
        "lakefold_collection_rows{collection=\"bills\",database=\"hospital\",environment=\"test\",kind=\"inserted\"} 3";
    assert!(text.lines().any(|line| line == rows), "{text}");
    let file = place.path().join("prom/lakefold.prom");
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), text);
    let beside = std::fs::read_dir(place.path().join("prom")).expect("the folder").count();
    assert_eq!(beside, 1, "nothing is left aside");

    run(&place, 0);
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.contains(",kind=\"inserted\"} 0\n"), "the second run is in it:\n{text}");
}

#[test]
fn who_was_not_told_is_in_the_metrics() {
    let receivers = Receivers::start();
    let place = place(&format!(
        "[[webhook]]\nkind = \"slack\"\nurl = \"{}\"\n[metrics]\ntextfile = \"lakefold.prom\"\npushgateway = \"{}\"\n",
        receivers.url("/status/500"),
        format_args!("http://127.0.0.1:{}", crate::support::free_port()),
    ));
    let (_, record) = run(&place, 1);
    assert_eq!(outcome(&record, "textfile"), "sent");
    assert!(outcome(&record, "pushgateway").contains("the way to it from this machine"), "{record:#}");
    assert!(outcome(&record, "slack").contains("500"), "{record:#}");
    let text = std::fs::read_to_string(place.path().join("lakefold.prom")).expect("the file");
    assert!(text.contains("lakefold_notification_failed{channel=\"slack\",environment=\"test\"} 1"), "{text}");
}
