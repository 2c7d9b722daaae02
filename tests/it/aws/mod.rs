//! lakefold in an AWS account: who it is, where it gets its files and secrets, what it is allowed to do.

mod bare_root;
mod calls;
mod chain;
mod faults;
mod files;
mod lambda;
mod policies;
mod probes;
mod s3_options;
mod secrets;
mod ses;
mod uploads;

use crate::support::lakefold::{Ended, Workplace};
use crate::support::s3::S3;
use lakefold::aws::Aws;
use mongodb::bson::{Document, doc};

/// A workplace with a dump of `documents` bills and a manifest of the one collection.
fn bills(documents: i32) -> Workplace {
    let place = Workplace::new();
    let bills: Vec<Document> = (0..documents)
        .map(|id| doc! { "_id": id, "updated_at": mongodb::bson::DateTime::from_millis(1_714_521_600_000), "n": id })
        .collect();
    let bytes: Vec<u8> = bills.iter().flat_map(|bill| bill.to_vec().expect("BSON")).collect();
    place.write("source/hospital/bills.bson", bytes);
    place.write("collections.csv", MANIFEST);
    place
}

/// One collection, in one file.
const MANIFEST: &str = "database,collection,timestamp_column\nhospital,bills,updated_at\n";

/// An environment whose lake is the server's bucket, with more lines for `[lake]` and below.
fn environment(server: &S3, more: &str) -> String {
    format!("[source]\nuri = \"dump:source\"\n[lake]\nurl = \"{}\"\npath_style = true\n{more}", server.url("lake"))
}

/// The program as a process that reaches the server, run to its end.
fn run(place: &Workplace, server: &S3, arguments: &[&str]) -> Ended {
    Ended::of(place.command(arguments).envs(server.variables()).output().expect("start lakefold"))
}

/// The way to the server for clients of the test itself.
fn way(server: &S3) -> Aws {
    Aws::of_variables(&server.variables())
}
