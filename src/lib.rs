//! lakefold folds the changes of MongoDB collections into a plain Parquet lake: one self-contained binary that a
//! scheduler starts, no Spark, no service that has to stay up.
//!
//! ```text
//!  collections.csv  env/NAME.toml                      MongoDB or mongodump folder
//!        │               │                                        │
//!     manifest          cli                                    extract ── the window since the stored watermark,
//!        └───────┬───────┘                                        │       raw BSON batches
//!                ▼                                                ▼
//!               run ── knows the order, and nothing else ──►    shape ─── kinds seen ─► one schema ─► Arrow batches
//!                                                                 │
//!                                                                 ▼
//!                                            stored file ──►    merge ─── one row per _id, sorted, spilling to disk
//!                                                                 │
//!                                                                 ▼
//!  <lake>/<database>/<collection>/date=…/data.parquet  ◄──     publish ── data, then index, then watermark
//!                                                                 │
//!                                              run record ──►  notify ─── summary, mail
//! ```
//!
//! | folder | is | refuses to |
//! |---|---|---|
//! | [`model`] | the words all stages share: plain data and pure functions | do I/O |
//! | [`lake`] | the floor: object store, conditional writes, leases, keys, state objects | know of documents or schemas |
//! | [`manifest`] | 1. `collections.csv` to collections, every mistake at once | |
//! | [`extract`] | 2. a window of the source as raw BSON batches | look into values, beyond their times |
//! | [`shape`] | 3. raw batches to Arrow of one schema that only grows | do I/O |
//! | [`merge`] | 4. stored file + changes to a new local file; where each id's row is | write into the lake |
//! | [`publish`] | 5. puts files in their place, keeps the journal | |
//! | [`notify`] | 6. renders the record: summary, mail, page, chat, metrics; tells each channel | change the outcome of a run |
//! | [`run`] | the only module that knows the order | |
//! | [`cli`] | arguments, settings, printing, exit codes | decide anything about data |
//! | [`synth`] | a believable hospital to try it all on | |
//!
//! No stage imports another stage; `tests/tidy.rs` keeps it so.
//!
//! # The promises
//!
//! They hold at rest, after a completed run; code and tests quote their numbers.
//!
//! - **P1 one row per `_id`** in the whole table, also when a document moved to another partition. Among readings of
//!   one run, and for dumps, the latest modified time wins (equal: the one read last). What a later run reads from the
//!   same live source replaces the stored row.
//!   ([`merge::fold`] within a partition, [`merge::places`] across partitions)
//! - **P2 one file per partition**, replaced by one atomic object write; a partition left without rows loses its file.
//!   ([`lake::Lake::put_file`], [`publish::land`])
//! - **P3 the watermark follows the data**: it moves only after everything it covers can be read from the lake.
//! - **P4 kill it anywhere**: a run killed at any instant and started again leaves the same rows, schema and watermark
//!   as one never killed. (the journal, `run::recover`; a moved row's new place is written before its old one is
//!   cleaned, and the index of places is built anew from the files after a death; [`kill_point`] names the instants; a
//!   large full read goes on where it was, `run::resume`)
//! - **P5 order does not matter**: any sequence of runs leaves the same rows and columns as one full run that starts
//!   from the same kinds. (columns are a pure function of the kinds seen, and conversions commute with encoding)
//! - **P6 nothing vanishes silently**: rows read = inserted + updated + unchanged + superseded + quarantined, or the
//!   collection fails; values that had to change are kept exactly in `_misfits`.
//! - **P7 one schema per table**: all files agree on every column's type; a changed type rewrites the files that hold
//!   the old one in the same run.
//! - **P8 failures stay home**: a collection that fails changes nothing for the others.
//! - **P9 two at once are safe**: a lease per collection, and every data and state write is conditional on the version
//!   the run read.
//! - **P10 bounded and discreet**: memory is divided in [`merge::budget`]; foreign texts pass [`model::redact`], and
//!   secrets have no `Display`.
//!
//! # The order of one collection
//!
//! Window decided ([`run`]), first batch looked at (an idle collection ends here: one state object read, one query),
//! lease, journal of a dead run, what a full read that died has staged, read and shape everything (a large full read is
//! staged in the lake as it goes), find moved ids, then: journal, schema, data files, index, quarantine, watermark,
//! journal removed, staged rows removed, lease released. A signal or the deadline ends it at the next step, or drops the
//! step under way after four seconds.

pub mod aws;
pub mod cli;
pub mod error;
pub mod extract;
pub mod kill_point;
pub mod lake;
pub mod manifest;
pub mod merge;
pub mod model;
pub mod notify;
pub mod publish;
pub mod run;
pub mod shape;
pub mod synth;
pub mod tls;
