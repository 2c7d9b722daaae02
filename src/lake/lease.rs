//! One run at a time for each collection (P9).
//!
//! On a disk the lease is an exclusive `flock` that dies with its process. In an object store it is an object that
//! its holder renews every 10 seconds and that gives way 30 seconds after the last renewal by the store's clock, or at
//! once when its owner was a process of this host that is dead. A lease is the polite half of the fence: writes stay
//! conditional, for an owner that slept through its own expiry.

use super::layout::{lease_key, lock_key};
use super::local::Disk;
use super::owner::Owner;
use super::remote::Remote;
use super::version::{Expect, Version};
use super::{Backend, Lake, blocking};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::kill_point::{KillPoint, bent, reach};
use crate::model::collection::Namespace;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinHandle;
use tracing::Instrument;

/// Version of the lease's JSON.
const FORMAT: u32 = 1;

/// How long after its last renewal a lease gives way; a test that waits for it may bend it.
fn expires_after() -> Duration {
    Duration::from_secs(bent("LAKEFOLD_LEASE_SECONDS").unwrap_or(30))
}

/// How often a holder renews its lease.
fn renew_every() -> Duration {
    expires_after() / 3
}

/// How long after its last renewal a holder distrusts its own lease: before others may take it.
fn trusted_for() -> Duration {
    expires_after() - expires_after() / 6
}

/// How often taking a lease is tried against others who take it at the same moment.
const TRIES: u32 = 5;

/// Who holds a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run.
    pub run_id: String,
    /// Host name of its process.
    pub host: String,
    /// Process id there.
    pub pid: u32,
    /// RFC 3339, UTC.
    pub since: String,
}

/// The lease as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    format: u32,
    #[serde(flatten)]
    owner: Owner,
    acquired_at: String,
    /// Also makes each renewal another version: ETags follow the content.
    renewals: u64,
    expires_after_seconds: u64,
}

impl Record {
    fn new(owner: Owner, at: DateTime<Utc>) -> Self {
        Self {
            format: FORMAT,
            owner,
            acquired_at: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            renewals: 0,
            expires_after_seconds: expires_after().as_secs(),
        }
    }

    fn bytes(&self) -> Result<Bytes> {
        let mut text = serde_json::to_vec(self).or_error(Kind::Lake, "write the lease")?;
        text.push(b'\n');
        Ok(text.into())
    }

    fn holder(&self) -> Holder {
        Holder {
            run_id: self.owner.run_id.clone(),
            host: self.owner.host.clone(),
            pid: self.owner.pid,
            since: self.acquired_at.clone(),
        }
    }
}

/// A collection held by this run, until it is released or dropped.
#[derive(Debug)]
pub struct Lease {
    ns: Namespace,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Local { file: File },
    Remote { remote: Arc<Remote>, key: Path, shared: Arc<Shared>, renewing: JoinHandle<()> },
}

/// What the renewing task and the holder both see.
#[derive(Debug)]
struct Shared {
    lost: AtomicBool,
    renewed: Mutex<Renewed>,
    /// Held while a renewal is on its way, so that a release does not pass it.
    renewing: tokio::sync::Mutex<()>,
}

/// How long the name of a holder that locked a file of this disk is waited for.
const NAMED_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Renewed {
    version: Version,
    /// Before the renewal was sent, by both clocks: the monotonic one may stand still while the machine sleeps.
    at: (Instant, SystemTime),
}

impl Lake {
    /// Holds the collection for `run_id`, until [`Lease::release`].
    ///
    /// # Errors
    /// [`Kind::Busy`] when another run holds it; the message names the holder.
    pub async fn lease(&self, ns: &Namespace, run_id: &str) -> Result<Lease> {
        reach(KillPoint::BeforeLease);
        let held = match &self.inner.backend {
            Backend::Local(disk) => {
                let (disk, key, owner) = (Arc::clone(disk), self.path(&lock_key(ns))?, Owner::this(run_id));
                blocking("take the lease", move || lock(&disk, &key, owner)).await
            }
            Backend::Remote(remote) => {
                acquire(self, Arc::clone(remote), self.path(&lease_key(ns))?, Owner::this(run_id)).await
            }
        };
        let held = held.map_err(|e| e.context(format!("lease {ns}")))?;
        reach(KillPoint::AfterLease);
        Ok(Lease { ns: ns.clone(), held })
    }

    /// Who holds the collection now; `None`: nobody, or a lease that has run out.
    pub async fn lease_holder(&self, ns: &Namespace) -> Result<Option<Holder>> {
        match &self.inner.backend {
            Backend::Local(disk) => {
                let (disk, key) = (Arc::clone(disk), self.path(&lock_key(ns))?);
                blocking("look at the lease", move || locked_by(&disk, &key)).await
            }
            Backend::Remote(remote) => {
                let key = self.path(&lease_key(ns))?;
                let found = read(&self.store(), &key).await?;
                Ok(found.and_then(|stored| stored.blocks(remote.now()).then(|| stored.holder())))
            }
        }
    }
}

impl Lease {
    /// Whether the collection is still ours; to be asked before each write that others would see.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when another run took it, or may have.
    pub fn check(&self) -> Result<()> {
        let Held::Remote { shared, .. } = &self.held else { return Ok(()) };
        let why = if shared.lost.load(Ordering::Acquire) {
            "another run took the lease"
        } else if shared.age() > trusted_for() {
            "the lease could not be renewed in time"
        } else {
            return Ok(());
        };
        Err(Error::new(Kind::Conflict, format!("{}: {why}", self.ns))
            .hint("run again; the next run finishes or undoes what this one began"))
    }

    /// Gives the collection back at once.
    ///
    /// # Errors
    /// When the store cannot be reached; the lease runs out by itself then.
    pub async fn release(self) -> Result<()> {
        reach(KillPoint::BeforeLeaseReleased);
        let released = self.give_back().await;
        drop(self);
        reach(KillPoint::AfterLeaseReleased);
        released
    }

    async fn give_back(&self) -> Result<()> {
        let what = format!("release the lease of {}", self.ns);
        match &self.held {
            Held::Local { .. } => Ok(()),
            Held::Remote { remote, key, shared, renewing } => {
                let _quiet = shared.renewing.lock().await;
                renewing.abort();
                let version = shared.renewed().version;
                match remote.delete(key, &Expect::Version(version)).await {
                    // It is somebody else's by now: nothing of ours is left to give back.
                    Err(e) if e.kind() == Kind::Conflict => Ok(()),
                    answer => answer.map_err(|e| e.context(what)),
                }
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match &mut self.held {
            // The lock goes with the file; its text only names the holder while the lock is held.
            Held::Local { file } => {
                let _ = file.set_len(0);
            }
            Held::Remote { renewing, .. } => renewing.abort(),
        }
    }
}

impl Shared {
    fn renewed(&self) -> Renewed {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Time since the last renewal that succeeded, by the clock that says more.
    fn age(&self) -> Duration {
        let (monotonic, wall) = self.renewed().at;
        monotonic.elapsed().max(wall.elapsed().unwrap_or_default())
    }
}

fn busy(holder: &Holder) -> Error {
    let Holder { run_id, host, pid, since } = holder;
    Error::new(Kind::Busy, format!("held by run {run_id} on {host} (pid {pid}) since {since}"))
        .hint("wait for it to end, then run again")
}

fn lock(disk: &Disk, key: &Path, owner: Owner) -> Result<Held> {
    let mut file = taken(disk, key, Disk::try_lock)?.map_err(|holder| busy(&holder))?;
    let record = Record::new(owner, Utc::now()).bytes()?;
    file.set_len(0)
        .and_then(|()| file.write_all(&record))
        .map_err(|e| disk.failed(&e, format!("name the holder in {key}")))?;
    Ok(Held::Local { file })
}

fn locked_by(disk: &Disk, key: &Path) -> Result<Option<Holder>> {
    if !disk.file(key).exists() {
        return Ok(None);
    }
    Ok(taken(disk, key, Disk::try_to_look)?.err())
}

/// The lock, or who holds it, by the file's text. A holder writes its name right after it has the lock, which may be at
/// this moment; somebody who looks holds the lock for a moment and writes none, so that it is tried again meanwhile.
fn taken(
    disk: &Disk,
    key: &Path,
    take: impl Fn(&Disk, &Path) -> Result<Option<File>>,
) -> Result<std::result::Result<File, Holder>> {
    let asked = Instant::now();
    loop {
        if let Some(file) = take(disk, key)? {
            return Ok(Ok(file));
        }
        let text = std::fs::read(disk.file(key)).unwrap_or_default();
        match serde_json::from_slice::<Record>(&text) {
            // A run that was killed left its name.
            Ok(record) if !record.owner.is_dead() => return Ok(Err(record.holder())),
            _ if asked.elapsed() > NAMED_WITHIN => return Ok(Err(unknown_holder())),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn unknown_holder() -> Holder {
    Holder { run_id: "unknown".into(), host: "unknown host".into(), pid: 0, since: "just now".into() }
}

/// A lease as found in the store.
struct Stored {
    version: Version,
    modified: DateTime<Utc>,
    /// `None`: unreadable, so only its age counts.
    record: Option<Record>,
}

impl Stored {
    /// Whether it keeps others out at `now`, the store's time.
    fn blocks(&self, now: DateTime<Utc>) -> bool {
        let (dead, expires_after) = match &self.record {
            Some(record) => (record.owner.is_dead(), Duration::from_secs(record.expires_after_seconds)),
            None => (false, expires_after()),
        };
        let age = (now - self.modified).to_std().unwrap_or_default();
        !dead && age <= expires_after
    }

    fn holder(&self) -> Holder {
        self.record.as_ref().map_or_else(unknown_holder, Record::holder)
    }
}

async fn read(store: &Arc<dyn ObjectStore>, key: &Path) -> Result<Option<Stored>> {
    let what = || format!("read {key}");
    let result = match store.get(key).await {
        Ok(result) => result,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(e) => return Err(super::fault::error(&e, what())),
    };
    let (version, modified) = (super::version_of(&result.meta, key.as_ref())?, result.meta.last_modified);
    let bytes = result.bytes().await.map_err(|e| super::fault::error(&e, what()))?;
    Ok(Some(Stored { version, modified, record: serde_json::from_slice(&bytes).ok() }))
}

async fn acquire(lake: &Lake, remote: Arc<Remote>, key: Path, owner: Owner) -> Result<Held> {
    let mut record = Record::new(owner, remote.now());
    let store = lake.store();
    for _ in 0..TRIES {
        let found = read(&store, &key).await?;
        let now = remote.now();
        if let Some(stored) = found.as_ref().filter(|stored| stored.blocks(now)) {
            return Err(busy(&stored.holder()));
        }
        record.acquired_at = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        let at = (Instant::now(), SystemTime::now());
        let expect = Expect::unchanged(found.map(|stored| stored.version));
        match remote.put(&key, record.bytes()?, &expect).await {
            Ok(version) => {
                let renewed = Mutex::new(Renewed { version, at });
                let shared = Arc::new(Shared { lost: AtomicBool::new(false), renewed, renewing: Default::default() });
                let task = renew(store, Arc::clone(&remote), key.clone(), Arc::clone(&shared), record);
                return Ok(Held::Remote { remote, key, shared, renewing: tokio::spawn(task.in_current_span()) });
            }
            // Somebody else took it, or gave it back, between our look and our write.
            Err(e) if e.kind() == Kind::Conflict => {}
            Err(e) => return Err(e),
        }
    }
    Err(Error::new(Kind::Busy, "other runs take it at the same moment").hint("start again"))
}

/// Renews until the lease is lost; a renewal that fails for another reason is tried again at the next turn, and
/// [`Lease::check`] notices when that takes too long.
async fn renew(store: Arc<dyn ObjectStore>, remote: Arc<Remote>, key: Path, shared: Arc<Shared>, mut record: Record) {
    let mut turns = tokio::time::interval(renew_every());
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    turns.tick().await;
    // When the first of those was sent that got no answer.
    let mut unanswered = None;
    loop {
        turns.tick().await;
        let _renewing = shared.renewing.lock().await;
        record.renewals += 1;
        let at = (Instant::now(), SystemTime::now());
        let expect = Expect::Version(shared.renewed().version);
        let renewal = match record.bytes() {
            Ok(bytes) => tokio::time::timeout(expires_after(), remote.put(&key, bytes, &expect)).await,
            Err(e) => Ok(Err(e)),
        };
        let is_now = |version, at| {
            *shared.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Renewed { version, at };
        };
        match renewal {
            Ok(Ok(version)) => {
                is_now(version, at);
                unanswered = None;
            }
            Ok(Err(e)) if e.kind() == Kind::Conflict => match (read(&store, &key).await, unanswered) {
                // One that got no answer was carried out: nobody can have held the lease since.
                (Ok(Some(stored)), Some(at)) if stored.record.as_ref().is_some_and(|r| r.owner == record.owner) => {
                    is_now(stored.version, at);
                    unanswered = None;
                    turns.reset_immediately();
                }
                (Err(e), Some(_)) => tracing::warn!(%key, error = %e, "the lease was not renewed"),
                _ => {
                    tracing::warn!(%key, "another run took the lease");
                    shared.lost.store(true, Ordering::Release);
                    return;
                }
            },
            Ok(Err(e)) => {
                unanswered = unanswered.or(Some(at));
                tracing::warn!(%key, error = %e, "the lease was not renewed");
            }
            Err(_) => {
                unanswered = unanswered.or(Some(at));
                tracing::warn!(%key, "the lease was not renewed: no answer");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(owner: Owner, age: i64) -> (Stored, DateTime<Utc>) {
        let now = Utc::now();
        let version = Version::from_text("1");
        let record = Some(Record::new(owner, now));
        (Stored { version, modified: now - chrono::TimeDelta::seconds(age), record }, now)
    }

    #[test]
    fn a_lease_blocks_until_its_time_is_over_or_its_owner_dead() {
        let elsewhere = Owner { place: Some("elsewhere".into()), ..Owner::this("R") };
        let (fresh, now) = stored(elsewhere.clone(), 29);
        assert!(fresh.blocks(now));
        let (expired, now) = stored(elsewhere, 31);
        assert!(!expired.blocks(now));
        let (dead, now) = stored(Owner { started: Some("1".into()), ..Owner::this("R") }, 0);
        assert!(!dead.blocks(now));
    }

    /// `status` looks at the moment a run starts.
    #[tokio::test]
    async fn somebody_who_looks_keeps_no_run_from_its_lease() {
        let folder = tempfile::tempdir().expect("folder");
        let settings = crate::model::settings::LakeSettings::at(&format!("file:{}", folder.path().display()));
        let lake = Lake::open(&settings).await.expect("lake");
        let ns = Namespace { database: "h".into(), collection: "c".into() };
        lake.lease(&ns, "R1").await.expect("lease").release().await.expect("release");
        let looker = File::open(folder.path().join(lock_key(&ns))).expect("the lock");
        looker.lock_shared().expect("look");
        assert_eq!(lake.lease_holder(&ns).await.expect("look"), None, "two may look");
        let gone = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(looker);
        });
        let lease = lake.lease(&ns, "R2").await.expect("it was waited for");
        assert_eq!(lake.lease_holder(&ns).await.expect("look").expect("held").run_id, "R2");
        gone.join().expect("the looker");
        drop(lease);
    }

    #[test]
    fn a_damaged_lease_blocks_by_its_age() {
        let (stored, now) = stored(Owner::this("R"), 5);
        let damaged = Stored { record: None, ..stored };
        assert!(damaged.blocks(now) && !damaged.blocks(now + chrono::TimeDelta::seconds(60)));
    }

    #[test]
    fn a_holder_distrusts_its_lease_before_others_may_take_it() {
        let shared = |seconds: u64| {
            let wall = SystemTime::now() - Duration::from_secs(seconds);
            let renewed = Renewed { version: Version::from_text("1"), at: (Instant::now(), wall) };
            Shared { lost: AtomicBool::new(false), renewed: Mutex::new(renewed), renewing: Default::default() }
        };
        assert!(shared(20).age() < trusted_for());
        assert!(shared(26).age() > trusted_for(), "a machine that slept shows in its wall clock");
    }
}
