//! The words all stages share: plain data and pure functions, no I/O.
//!
//! Everything that crosses a border between two stages is a type of this folder, so that no stage imports another.

pub mod athena;
pub mod batch;
pub mod catalog;
pub mod collection;
pub mod column;
pub mod command;
pub mod dashboard;
pub mod description;
pub mod finding;
pub mod flat;
pub mod lag;
pub mod modified;
pub mod names;
pub mod pin;
pub mod plan;
pub mod problem;
pub mod progress;
pub mod projection;
pub mod proposal;
pub mod read_plan;
pub mod record;
pub mod redact;
pub mod secret;
pub mod seen;
pub mod settings;
pub mod signal;
pub mod status;
pub mod table;
pub mod time;
pub mod window;
