//! Brings the ids of a window together with the index: which documents moved, which readings lost, what the index
//! becomes.

use super::bucket::Bucket;
use super::head::{Head, bucket_of};
use super::spool::{Entry, Spool};
use super::standing::Standing;
use super::times::{Asked, StoredTimes};
use crate::error::{Kind, Result, ResultExt};
use crate::lake::{Lake, Version};
use crate::merge::scratch;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What resolving needs.
pub struct Resolve<'a> {
    /// Where the buckets are.
    pub lake: &'a Lake,
    /// Key prefix of the table's index, ending in `/`.
    pub prefix: &'a str,
    /// The index as it stands; none: there is none, and a new one is built from the window alone.
    pub head: Option<&'a Head>,
    /// Folder texts by partition ordinal.
    pub partitions: &'a [String],
    /// Ids that were not read are gone (full runs).
    pub replace: bool,
    /// Generation of the buckets if they are built anew.
    pub run_id: &'a str,
    /// Local folder for the new buckets.
    pub folder: &'a Path,
    /// Buckets that are newer on local disk than in the lake, by key.
    pub local: HashMap<String, PathBuf>,
    /// What was found in the files that rows go to.
    pub standing: Standing,
    /// For dumps, which may be older than the lake: modified times of stored rows. A document does not move when its
    /// stored row is newer.
    pub stored_times: Option<StoredTimes<'a>>,
}

/// What a window means for the places of its ids.
#[derive(Debug, Default)]
pub struct Resolution {
    /// Old partition folder -> ids that leave it.
    pub moved_out: BTreeMap<String, HashSet<u128>>,
    /// New partition ordinal -> ids that come from another partition.
    pub moved_in: HashMap<u32, HashSet<u128>>,
    /// Old partition folder -> ordinals its ids went to.
    pub targets: BTreeMap<String, HashSet<u32>>,
    /// Partition ordinal -> sequence numbers that lost to a reading in another partition.
    pub losers: HashMap<u32, HashSet<u64>>,
    /// New partition ordinal -> ids whose stored row, in another partition, is newer.
    pub rejected: HashMap<u32, HashSet<u128>>,
    /// Partition folder -> ids whose newer reading is in another partition.
    pub stale: BTreeMap<String, HashSet<u128>>,
    /// Readings of ids that were read more than once.
    pub repeated: u64,
    /// Distinct ids read that the index knew.
    pub known: u64,
    /// New contents of buckets, on local disk: (object key, file).
    pub buckets: Vec<(String, PathBuf)>,
    /// Buckets looked up in the lake, with the version found; none: there was none.
    pub found: HashMap<String, Option<Version>>,
    /// Generation the buckets belong to.
    pub generation: String,
    /// Leading bits the buckets are cut by.
    pub bits: u32,
}

/// Buckets by number, filled in hash order.
type Fresh = BTreeMap<u32, Vec<(u128, Arc<str>)>>;

impl Resolve<'_> {
    /// Resolves the ids in `spool`, one group of them at a time; none when the index cannot be relied on, because a bucket
    /// of it is gone or damaged.
    pub async fn run(&mut self, spool: &mut Spool) -> Result<Option<Resolution>> {
        let anew = self.replace || self.head.is_none();
        let old_bits = self.head.map_or(0, |h| h.bits);
        let mut resolution = Resolution {
            bits: if anew { Head::bits_for(spool.len()) } else { old_bits },
            generation: self.head.filter(|_| !anew).map_or(self.run_id, |h| &h.generation).to_owned(),
            ..Resolution::default()
        };
        let names: Vec<Arc<str>> = self.partitions.iter().map(|p| Arc::from(p.as_str())).collect();
        if !self.load_times(spool, &names).await? {
            return Ok(None);
        }
        let mut fresh = Fresh::new();
        for group in spool.groups()? {
            let entries = group.load()?;
            for entries in entries.chunk_by(|a, b| bucket_of(a.hash, old_bits) == bucket_of(b.hash, old_bits)) {
                let Some(first) = entries.first() else { continue };
                let number = bucket_of(first.hash, old_bits);
                let mut winners = winners(entries, &names, &mut resolution);
                let read = winners.len();
                winners.retain(|entry| !self.standing.holds(entry));
                resolution.known += (read - winners.len()) as u64;
                if winners.is_empty() {
                    continue;
                }
                let Some(old) = self.load(number, &mut resolution.found).await? else { return Ok(None) };
                self.reject_older(&old, &mut winners, &names, &mut resolution);
                note_moves(&old, &winners, &names, &mut resolution);
                if anew {
                    for entry in winners {
                        if let Some(name) = names.get(entry.partition as usize) {
                            let bucket = bucket_of(entry.hash, resolution.bits);
                            fresh.entry(bucket).or_default().push((entry.hash, name.clone()));
                        }
                    }
                } else if let Some(updated) = updated(old, &winners, &names) {
                    self.store(number, updated, &mut resolution)?;
                }
            }
            // Groups come in hash order, so every bucket but the last one begun is complete.
            while fresh.len() > 1 {
                if let Some((number, places)) = fresh.pop_first() {
                    self.store(number, places, &mut resolution)?;
                }
            }
        }
        for (number, places) in fresh {
            self.store(number, places, &mut resolution)?;
        }
        Ok(Some(resolution))
    }

    /// A bucket of the index as it stands; none when it is gone or damaged.
    async fn load(&self, bucket: u32, found: &mut HashMap<String, Option<Version>>) -> Result<Option<Bucket>> {
        let Some(head) = self.head else { return Ok(Some(Bucket::default())) };
        let key = bucket_key(self.prefix, &head.generation, bucket);
        if let Some(file) = self.local.get(&key) {
            let bytes = std::fs::read(file).or_error(Kind::Lake, "read an index bucket from local disk")?;
            return Bucket::decode(bytes.into()).map(Some);
        }
        let (bytes, version) = self.lake.get(&key).await?.unzip();
        let bucket = match bytes.map(Bucket::decode) {
            Some(Ok(bucket)) => bucket,
            // Ids are never looked up where they are not: their rows would be doubled.
            Some(Err(error)) => {
                tracing::warn!("the index of places is damaged: {error}");
                return Ok(None);
            }
            None if head.fills_buckets() => {
                tracing::warn!("a bucket of the index of places is gone");
                return Ok(None);
            }
            None => Bucket::default(),
        };
        found.insert(key, version);
        Ok(Some(bucket))
    }

    /// Reads the times of stored rows that may be newer than what would move them; false when the index cannot be relied
    /// on.
    async fn load_times(&mut self, spool: &mut Spool, names: &[Arc<str>]) -> Result<bool> {
        if self.stored_times.is_none() {
            return Ok(true);
        }
        let bits = self.head.map_or(0, |h| h.bits);
        let mut asked = Asked::new();
        for group in spool.groups()? {
            let entries = group.load()?;
            for entries in entries.chunk_by(|a, b| bucket_of(a.hash, bits) == bucket_of(b.hash, bits)) {
                let newest = entries.chunk_by(|a, b| a.hash == b.hash).filter_map(|readings| readings.first());
                let away: Vec<&Entry> = newest.filter(|entry| !self.standing.holds(entry)).collect();
                let Some(first) = away.first() else { continue };
                let Some(old) = self.load(bucket_of(first.hash, bits), &mut HashMap::new()).await? else {
                    return Ok(false);
                };
                for entry in away {
                    if let Some(place) = old.find(entry.hash)
                        && names.get(entry.partition as usize) != Some(place)
                    {
                        asked.entry(place.to_string()).or_default().insert(entry.hash);
                    }
                }
            }
        }
        if let Some(times) = &mut self.stored_times {
            times.load(asked).await?;
        }
        Ok(true)
    }

    /// Takes out of `winners` those whose stored row is newer.
    fn reject_older(&self, old: &Bucket, winners: &mut Vec<Entry>, names: &[Arc<str>], resolution: &mut Resolution) {
        let Some(times) = &self.stored_times else { return };
        let mut kept = Vec::with_capacity(winners.len());
        for entry in winners.drain(..) {
            let moves = |place: &&Arc<str>| names.get(entry.partition as usize) != Some(*place);
            let newer = match old.find(entry.hash).filter(moves) {
                Some(place) => times.of(place, entry.hash).is_some_and(|stored| stored > entry.modified_ms),
                None => false,
            };
            if newer {
                resolution.known += 1;
                resolution.rejected.entry(entry.partition).or_default().insert(entry.hash);
            } else {
                kept.push(entry);
            }
        }
        *winners = kept;
    }

    fn store(&mut self, number: u32, places: Vec<(u128, Arc<str>)>, resolution: &mut Resolution) -> Result<()> {
        let file = self.folder.join(format!("bucket-{number:04x}.parquet"));
        std::fs::write(&file, Bucket { places }.encode()?)
            .map_err(|e| scratch::error("write an index bucket to", &file, &e))?;
        let key = bucket_key(self.prefix, &resolution.generation, number);
        // A bucket that is wider than the spool's groups is written once for each and goes on from the last.
        self.local.insert(key.clone(), file.clone());
        if resolution.buckets.last().is_none_or(|(last, _)| *last != key) {
            resolution.buckets.push((key, file));
        }
        Ok(())
    }
}

/// Key of a bucket.
fn bucket_key(prefix: &str, generation: &str, number: u32) -> String {
    format!("{prefix}{generation}/{number:04x}.parquet")
}

/// The newest reading of each id. Older ones in another partition than the winner's are noted as losers; those in the
/// same partition lose in the fold.
fn winners(entries: &[Entry], names: &[Arc<str>], resolution: &mut Resolution) -> Vec<Entry> {
    let mut winners: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match winners.last() {
            Some(winner) if winner.hash == entry.hash => {
                resolution.repeated += 1;
                if winner.partition != entry.partition {
                    resolution.losers.entry(entry.partition).or_default().insert(entry.sequence);
                    if let Some(name) = names.get(entry.partition as usize) {
                        resolution.stale.entry(name.to_string()).or_default().insert(entry.hash);
                    }
                }
            }
            _ => winners.push(*entry),
        }
    }
    winners
}

fn note_moves(old: &Bucket, winners: &[Entry], names: &[Arc<str>], resolution: &mut Resolution) {
    for entry in winners {
        let Some(place) = old.find(entry.hash) else { continue };
        resolution.known += 1;
        if names.get(entry.partition as usize).is_some_and(|name| name != place) {
            resolution.moved_out.entry(place.to_string()).or_default().insert(entry.hash);
            resolution.targets.entry(place.to_string()).or_default().insert(entry.partition);
            resolution.moved_in.entry(entry.partition).or_default().insert(entry.hash);
        }
    }
}

/// The bucket with the winners' places; none when nothing in it changes.
fn updated(old: Bucket, winners: &[Entry], names: &[Arc<str>]) -> Option<Vec<(u128, Arc<str>)>> {
    let mut places: BTreeMap<u128, Arc<str>> = BTreeMap::new();
    for entry in winners {
        let name = names.get(entry.partition as usize)?;
        if old.find(entry.hash) != Some(name) {
            places.insert(entry.hash, name.clone());
        }
    }
    if places.is_empty() {
        return None;
    }
    for (hash, place) in old.places {
        places.entry(hash).or_insert(place);
    }
    Some(places.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Expect;
    use crate::merge::places::standing::tests::standing;
    use crate::model::settings::LakeSettings;

    fn entry(hash: u128) -> Entry {
        Entry { hash, partition: 0, modified_ms: 0, sequence: 0 }
    }

    /// Windows that go to `partitions`, against the index of `head` in `index/`.
    fn against<'a>(lake: &'a Lake, head: &'a Head, partitions: &'a [String], folder: &'a Path) -> Resolve<'a> {
        Resolve {
            lake,
            prefix: "index/",
            head: Some(head),
            partitions,
            replace: false,
            run_id: "r",
            folder,
            local: HashMap::new(),
            standing: Standing::default(),
            stored_times: None,
        }
    }

    #[tokio::test]
    async fn a_bucket_wider_than_the_groups_of_the_spool_keeps_what_each_of_them_adds() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file:{}", folder.path().join("lake").display());
        let settings = LakeSettings::at(&url);
        let lake = Lake::open(&settings).await.unwrap();
        let known = Bucket { places: vec![(1, Arc::from("p=old"))] };
        lake.put(&bucket_key("index/", "g", 0), known.encode().unwrap().into(), Expect::Absent).await.unwrap();
        // So little memory that every id goes to disk, into the group of its leading bits.
        let mut spool = Spool::new(folder.path(), "ids", 1);
        let hashes = [2, 1 << 124, u128::MAX];
        hashes.iter().for_each(|&hash| spool.push(entry(hash)).unwrap());
        let head = Head { generation: "g".into(), ..Head::default() };
        let partitions = ["p=new".to_owned()];
        let resolution = against(&lake, &head, &partitions, folder.path()).run(&mut spool).await.unwrap().unwrap();
        let [(key, file)] = resolution.buckets.as_slice() else { panic!("{:?}", resolution.buckets) };
        assert_eq!(*key, bucket_key("index/", "g", 0));
        let bucket = Bucket::decode(std::fs::read(file).unwrap().into()).unwrap();
        let found: Vec<(u128, &str)> = bucket.places.iter().map(|(hash, place)| (*hash, place.as_ref())).collect();
        assert_eq!(found, [(1, "p=old"), (2, "p=new"), (1 << 124, "p=new"), (u128::MAX, "p=new")]);
    }

    #[tokio::test]
    async fn only_ids_that_are_not_where_they_go_are_looked_up() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file:{}", folder.path().join("lake").display());
        let lake = Lake::open(&LakeSettings::at(&url)).await.unwrap();
        let known = [
            Bucket { places: vec![(1, "p=a".into()), (2, "p=b".into())] },
            Bucket { places: vec![(1 << 127, "p=a".into())] },
        ];
        for (number, bucket) in (0..).zip(known) {
            let key = bucket_key("index/", "g", number);
            lake.put(&key, bucket.encode().unwrap().into(), Expect::Absent).await.unwrap();
        }
        let head = Head { generation: "g".into(), bits: 1, ..Head::default() };
        let partitions = ["p=a".to_owned()];
        let resolved = async |hashes: &[u128]| {
            let mut spool = Spool::new(folder.path(), "ids", 1 << 20);
            hashes.iter().for_each(|&hash| spool.push(entry(hash)).unwrap());
            let standing = standing(0, &[1, 1 << 127]);
            let mut resolve = Resolve { standing, ..against(&lake, &head, &partitions, folder.path()) };
            resolve.run(&mut spool).await.unwrap().unwrap()
        };
        let in_place = resolved(&[1, 1 << 127]).await;
        assert_eq!((in_place.known, in_place.found.len(), in_place.buckets.len()), (2, 0, 0));
        let moved = resolved(&[1, 2, 3, 1 << 127]).await;
        assert_eq!(moved.found.keys().collect::<Vec<_>>(), [&bucket_key("index/", "g", 0)]);
        assert_eq!((moved.known, &moved.moved_out), (3, &[("p=b".to_owned(), HashSet::from([2]))].into()));
        let [(_, file)] = moved.buckets.as_slice() else { panic!("{:?}", moved.buckets) };
        let bucket = Bucket::decode(std::fs::read(file).unwrap().into()).unwrap();
        assert_eq!(bucket.places, [1, 2, 3].map(|hash| (hash, Arc::from("p=a"))));
    }
}
