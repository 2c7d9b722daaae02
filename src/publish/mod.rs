//! 5. Makes merged files visible, and the watermark last.
//!
//! Order is everything here (P3, P4): journal, schema, data files (new places before old ones), index, watermark, and
//! then the journal is removed. What the catalog is owed is on record before the watermark ([`catalog`]). Every write is conditional on the version this run read (P9).

pub mod catalog;
mod journal;
mod land;

pub use journal::{BESIDE, FORMAT as JOURNAL_FORMAT, Journal};
pub use land::{Landed, land};
