//! What several tests need: servers to talk to.

pub mod s3;
