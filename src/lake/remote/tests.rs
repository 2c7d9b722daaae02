//! What is made of answers that lie: the write was carried out though the answer says otherwise, or the reverse.

use super::*;
use crate::lake::counting::Counting;
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, Error as StoreError, GetResult, ListResult, MultipartUpload, PutMultipartOptions, RenameOptions,
    Result as StoreResult,
};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;

/// What happens to one write.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// Carried out, then repeated by the client because the answer got lost: 412.
    DoneButPrecondition,
    /// Carried out, no answer.
    DoneButSilent,
    /// Not carried out, no answer.
    LostAndSilent,
    /// Not carried out, because another write of the key is on its way: 409.
    Raced,
    /// Carried out by somebody else just before: 412.
    Overtaken,
}

/// An in-memory store whose writes end as scripted; unscripted ones are honest.
#[derive(Debug)]
struct Lying {
    inner: InMemory,
    script: Mutex<VecDeque<Lie>>,
}

impl std::fmt::Display for Lying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lying")
    }
}

fn silent() -> StoreError {
    StoreError::Generic { store: "S3", source: "operation timed out".into() }
}

#[async_trait]
impl ObjectStore for Lying {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> StoreResult<PutResult> {
        let lie = self.script.lock().expect("script").pop_front();
        let precondition = || StoreError::Precondition { path: path.to_string(), source: "412".into() };
        match lie {
            None => self.inner.put_opts(path, payload, opts).await,
            Some(Lie::LostAndSilent) => Err(silent()),
            Some(Lie::Raced) => Err(StoreError::AlreadyExists { path: path.to_string(), source: "409".into() }),
            Some(Lie::DoneButPrecondition) => {
                self.inner.put_opts(path, payload, opts).await?;
                Err(precondition())
            }
            Some(Lie::DoneButSilent) => {
                self.inner.put_opts(path, payload, opts).await?;
                Err(silent())
            }
            Some(Lie::Overtaken) => {
                self.inner.put(path, "theirs".into()).await?;
                Err(precondition())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

fn remote(script: &[Lie]) -> (Remote, Arc<dyn ObjectStore>, Path) {
    let counters = Arc::new(Counters::default());
    let script = Mutex::new(script.iter().copied().collect());
    let lying = Lying { inner: InMemory::new(), script };
    let store: Arc<dyn ObjectStore> = Arc::new(Counting::new(lying, Arc::clone(&counters)));
    let wire = Wire::new(Arc::clone(&counters), 64);
    (Remote::new(Arc::clone(&store), Completion::S3, S3Parts::default(), wire, counters), store, Path::from("key"))
}

async fn stored(store: &Arc<dyn ObjectStore>, key: &Path) -> Bytes {
    store.get(key).await.expect("get").bytes().await.expect("bytes")
}

#[tokio::test]
async fn a_write_that_was_carried_out_is_a_success_whatever_the_answer() {
    for lie in [Lie::DoneButPrecondition, Lie::DoneButSilent] {
        let (remote, store, key) = remote(&[lie]);
        let version = remote.put(&key, "ours".into(), &Expect::Absent).await.expect("create");
        assert_eq!(Version::of_meta(&store.head(&key).await.expect("head")), Some(version), "{lie:?}");
    }
}

#[tokio::test]
async fn a_write_that_got_lost_is_begun_again() {
    for lie in [Lie::LostAndSilent, Lie::Raced] {
        let (remote, store, key) = remote(&[lie, lie]);
        remote.put(&key, "ours".into(), &Expect::Absent).await.expect("create");
        assert_eq!(stored(&store, &key).await, "ours", "{lie:?}");
    }
}

#[tokio::test]
async fn an_update_keeps_its_condition_when_it_is_begun_again() {
    let (remote, store, key) = remote(&[]);
    let read = remote.put(&key, "old".into(), &Expect::Absent).await.expect("create");
    remote.put(&key, "theirs".into(), &Expect::Any).await.expect("overtake");
    let error = remote.put(&key, "ours".into(), &Expect::Version(read)).await.expect_err("conflict");
    assert_eq!((error.kind(), stored(&store, &key).await), (Kind::Conflict, "theirs".into()));
}

#[tokio::test]
async fn another_write_of_the_same_bytes_is_not_taken_for_ours() {
    let (remote, store, key) = remote(&[Lie::Overtaken]);
    let error = remote.put(&key, "theirs".into(), &Expect::Absent).await.expect_err("conflict");
    assert_eq!((error.kind(), stored(&store, &key).await), (Kind::Conflict, "theirs".into()));
}

#[tokio::test]
async fn a_store_that_never_answers_is_a_failure_and_no_conflict() {
    let (remote, _, key) = remote(&[Lie::LostAndSilent; TRIES as usize]);
    let error = remote.put(&key, "ours".into(), &Expect::Absent).await.expect_err("failure");
    assert_eq!(error.kind(), Kind::Lake, "{error}");
}
