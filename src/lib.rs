//! lakefold: folds the changes of MongoDB collections into a plain Parquet lake.

pub mod cli;
pub mod error;
pub mod extract;
pub mod lake;
pub mod manifest;
pub mod merge;
pub mod model;
pub mod notify;
pub mod publish;
pub mod run;
pub mod shape;
pub mod synth;
