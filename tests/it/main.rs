//! The one integration binary: real servers, the real program, the real lake. One binary, because linking is what
//! a test build costs.

// Helpers of tests end at the first surprise, as the tests themselves do.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod access;
mod aws;
mod catalog;
mod channels;
mod cli;
mod clocks;
mod connection;
mod dashboard;
mod disk;
mod docs;
mod drill;
mod extract;
mod fence;
mod full;
mod fuzz;
mod guest;
mod halfway;
mod instructions;
mod kill;
mod killed_at_each_point;
mod limits;
mod names;
mod oracle;
mod privacy;
mod queries;
mod readers;
mod replica;
mod report;
mod restored;
mod resume;
mod s3;
mod signals;
mod store;
mod store_faults;
mod support;
mod synth;
mod taking_over;
mod terminal;
mod torture;
mod two_at_once;
mod views;
