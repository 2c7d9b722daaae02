//! The one integration binary: real servers, the real program, the real lake. One binary, because linking is what
//! a test build costs.

// Helpers of tests end at the first surprise, as the tests themselves do.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod cli;
mod extract;
mod full;
mod halfway;
mod kill;
mod oracle;
mod s3;
mod signals;
mod store;
mod support;
mod synth;
mod terminal;
