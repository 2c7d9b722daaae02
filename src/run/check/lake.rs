//! The lake: whether an object can be written on condition, read, listed and removed, and a lease be taken.

use super::{tried, unmet};
use crate::error::{Kind, Result};
use crate::lake::{Expect, Lake, Version, layout};
use crate::model::collection::Namespace;
use crate::model::finding::{Finding, Mark};
use bytes::Bytes;
use futures::TryStreamExt;

/// The word for the lake in findings.
pub const SUBJECT: &str = "lake";

/// Tries everything a run does to objects, on one of its own.
pub async fn look(lake: &Lake, run_id: &str) -> Vec<Finding> {
    let mut findings = vec![Finding::new(Mark::Ok, SUBJECT, "connect", lake.url())];
    let key = layout::probe_key(run_id);
    let body = Bytes::from_static(b"lakefold check\n");
    let version = match lake.put(&key, body.clone(), Expect::Absent).await {
        Ok(version) => version,
        Err(error) => {
            findings.push(Finding::of_error(SUBJECT, "write", &error));
            let why = "not tried, because nothing can be written";
            let rest = ["condition", "read", "list", "delete", "lease"];
            findings.extend(rest.map(|what| Finding::new(Mark::Skipped, SUBJECT, what, why)));
            return findings;
        }
    };
    findings.push(Finding::new(Mark::Ok, SUBJECT, "write", format!("{key} was written")));
    findings.push(condition(lake, &key, &version).await);
    findings.push(tried(SUBJECT, "read", "it was read back", read(lake, &key, &body).await));
    findings.push(tried(SUBJECT, "list", "it was listed", list(lake, &key).await));
    findings.push(tried(SUBJECT, "delete", "it was removed", delete(lake, &key, version).await));
    findings.push(tried(SUBJECT, "lease", "a lease was taken and given back", lease(lake, run_id).await));
    findings
}

/// P9 rests on it: a write that expects nothing there must not replace what is there.
async fn condition(lake: &Lake, key: &str, version: &Version) -> Finding {
    let result = match lake.put(key, Bytes::from_static(b"second\n"), Expect::Absent).await {
        Err(error) if error.kind() == Kind::Conflict => match lake.head(key).await {
            Ok(Some(object)) if object.version == *version => Ok(()),
            Ok(_) => Err(unmet("the store refused a conditional write and made it all the same", STORE)),
            Err(error) => Err(error),
        },
        Ok(_) => Err(unmet("the store takes no notice of the condition of a write (If-None-Match)", STORE)),
        Err(error) => Err(error),
    };
    tried(SUBJECT, "condition", "a second write on the same condition was refused", result)
}

/// What to do about a store that does not do as S3 does.
const STORE: &str = "two runs at once would overwrite each other: use a store with conditional writes, as S3 has them";

async fn read(lake: &Lake, key: &str, body: &Bytes) -> Result<()> {
    match lake.get(key).await? {
        Some((found, _)) if found == *body => Ok(()),
        Some(_) => Err(unmet("the store gives other bytes than were written", STORE)),
        None => Err(unmet("what was just written is not there", STORE)),
    }
}

async fn list(lake: &Lake, key: &str) -> Result<()> {
    let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
    let found: Vec<String> = lake.list(folder).map_ok(|object| object.key).try_collect().await?;
    if found.iter().any(|found| found == key) {
        return Ok(());
    }
    Err(unmet("a listing does not show what was just written", STORE))
}

async fn delete(lake: &Lake, key: &str, version: Version) -> Result<()> {
    let removed = lake.delete(key, Expect::Version(version)).await;
    if removed.is_err() {
        // Its condition may have failed because the store ignored that of a write; the probe goes all the same.
        lake.delete(key, Expect::Any).await?;
    }
    removed
}

/// Of a name that no collection can have, because no database may fold to the folder of the state.
async fn lease(lake: &Lake, run_id: &str) -> Result<()> {
    let ns = Namespace { database: layout::STATE.to_owned(), collection: format!("check {run_id}") };
    let released = lake.lease(&ns, run_id).await?.release().await;
    // On a disk the lock's empty file stays behind a lease.
    let removed = lake.delete(&layout::lock_key(&ns), Expect::Any).await;
    released.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::test_lake::TestLake;

    #[tokio::test]
    async fn everything_is_tried_and_nothing_is_left() {
        let folder = TestLake::new();
        let lake = Lake::open(&folder.settings().lake).await.unwrap();
        let found = look(&lake, "20240501T000000Z-aaaaaa").await;
        let marks: Vec<(&str, Mark)> = found.iter().map(|f| (f.what.as_str(), f.mark)).collect();
        let all = ["connect", "write", "condition", "read", "list", "delete", "lease"];
        assert_eq!(marks, all.map(|what| (what, Mark::Ok)), "{found:#?}");
        let mut left: Vec<String> = lake.list("").map_ok(|object| object.key).try_collect().await.unwrap();
        // The lock that every write to a disk takes belongs to the lake.
        left.retain(|key| key != "_lakefold/write.lock");
        assert!(left.is_empty(), "{left:?}");
    }

    #[tokio::test]
    async fn a_lake_that_takes_no_writes_is_said_once() {
        let folder = TestLake::new();
        let lake = Lake::open(&folder.settings().lake).await.unwrap();
        // A file where the folder of the state should be: also root cannot write below it.
        std::fs::remove_dir_all(folder.folder.path().join("lake/_lakefold")).unwrap_or_default();
        std::fs::write(folder.folder.path().join("lake/_lakefold"), "in the way").unwrap();
        let found = look(&lake, "20240501T000000Z-aaaaaa").await;
        let failed: Vec<&str> = found.iter().filter(|f| f.mark == Mark::Failed).map(|f| f.what.as_str()).collect();
        assert_eq!(failed, ["write"], "{found:#?}");
        assert_eq!(found.iter().filter(|f| f.mark == Mark::Skipped).count(), 5);
    }
}
