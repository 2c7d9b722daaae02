//! Stage 3: raw batches to Arrow of one schema.
//!
//! ```text
//! raw BSON -> check (damage goes to the quarantine)
//!          -> observe: kinds by path, a union that only grows
//!          -> columns: one pure function from kinds to types
//!          -> decode: column builders made once per schema -> RecordBatch
//! ```
//! Documents that bring nothing new, which are most, take all of these steps in one walk over their bytes
//! (`decode::express`); the others the long way, step by step.
//!
//! Batches written before the schema grew, and files of earlier runs, are brought up by the [`Converter`]; conversions
//! commute with encoding, which is what makes the order of arrival irrelevant (P5). Nothing vanishes: a value that its
//! column cannot hold exactly is kept in `_misfits` (P6).
//!
//! It does no I/O and knows nothing of sources, files or merging.

mod canonical;
mod changes;
mod columns;
mod convert;
mod decode;
mod describe;
mod guards;
mod hashing;
mod id;
mod misfits;
mod names;
mod observe;
mod partition;
mod pins;
mod privacy;
mod raw;
mod shaper;
#[cfg(test)]
mod tests;

pub use convert::Converter;
pub use describe::describe;
pub use id::id_hashes;
pub use shaper::Shaper;
