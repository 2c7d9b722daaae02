//! Glue over HTTP, with the real program: who is told of which table, when, and what happens when Glue refuses.
//!
//! The stand-in differs from AWS in what no tool here can do: a crawl reads nothing, so that tables a crawler would
//! have made are put into Glue by the tests, as a crawler writes them; and it checks neither signatures nor policies, so
//! that a missing permission is a refusal the test asks for. Where moto is laxer than AWS (sizes of batches, pages,
//! versions of tables, crawlers that run) `tools/aws-stand-in` is as strict.

mod columns;
mod crawler;
mod faults;
pub mod killed;
pub mod stand;
mod tables;
