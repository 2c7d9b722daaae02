//! The command line.

pub mod files;
pub mod settings;
