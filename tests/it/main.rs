//! The one integration binary: real servers, the real program, the real lake. One binary, because linking is what
//! a test build costs.

mod extract;
mod oracle;
mod store;
mod support;
mod synth;
