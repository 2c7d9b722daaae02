//! Where each id's row is: finds the old place of a document that moved to another partition (P1).
//!
//! The index is a cache in the lake, `_lakefold/index/<database>/<collection>/`: a head with every data file's version
//! and size, and buckets of (id hash, partition) by the leading bits of the hash, so that a window reads only the
//! buckets its ids fall into, and none for ids that stand where their rows go to. It is rebuilt from the data files
//! whenever it disagrees with their versions.
//!
//! Tables without partitions need no buckets: an id can be in one place only.

mod bucket;
mod head;
mod rebuild;
mod resolve;
mod spool;
mod standing;
mod times;

pub use bucket::Bucket;
pub use head::{FORMAT, FileInfo, Head};
pub use rebuild::rebuild;
pub use resolve::{Resolution, Resolve};
pub use spool::{Entry, SPOOL_MEMORY, Spool};
pub use standing::Standing;
pub use times::StoredTimes;
