//! Listings that survive a broken answer: the store's client repeats a request, but not one whose answer breaks off.

use super::fault::{self, Fault};
use super::{Object, layout, object};
use crate::error::Result;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use std::sync::Arc;
use std::time::Duration;

/// Breaks in a row, without an object between them, that end the listing.
const TRIES: u32 = 4;

type Page = BoxStream<'static, object_store::Result<ObjectMeta>>;

/// Where a listing stands.
struct Listing {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    objects: Page,
    last: Option<Path>,
    tries: u32,
}

/// Every object below `prefix`.
pub(super) fn list(store: Arc<dyn ObjectStore>, prefix: Path) -> impl Stream<Item = Result<Object>> + Send {
    let objects = below(store.as_ref(), &prefix, None);
    let listing = Listing { store, prefix, objects, last: None, tries: 0 };
    stream::unfold(Some(listing), |listing| async move { listing?.next().await })
}

fn below(store: &dyn ObjectStore, prefix: &Path, after: Option<&Path>) -> Page {
    let prefix = (!prefix.is_root()).then_some(prefix);
    match after {
        Some(last) => store.list_with_offset(prefix, last),
        None => store.list(prefix),
    }
}

impl Listing {
    /// The next object, and the listing behind it; an error ends it.
    async fn next(mut self) -> Option<(Result<Object>, Option<Self>)> {
        loop {
            match self.objects.next().await? {
                Ok(meta) => {
                    self.tries = 0;
                    self.last = Some(meta.location.clone());
                    return Some((object(meta), Some(self)));
                }
                Err(error) => {
                    self.tries += 1;
                    let what = format!("list {}", layout::shown(self.prefix.as_ref()));
                    if fault::classify(&error) != Fault::Unknown || self.tries >= TRIES {
                        return Some((Err(fault::error(&error, what)), None));
                    }
                    tracing::debug!(prefix = %self.prefix, tries = self.tries, "the listing is taken up again");
                    tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(self.tries)).await;
                    self.objects = below(self.store.as_ref(), &self.prefix, self.last.as_ref());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use object_store::{Error, ObjectStoreExt};

    #[tokio::test]
    async fn a_listing_goes_on_behind_the_last_object_seen() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        for key in ["t/a", "t/b", "t/c", "u/d"] {
            store.put(&Path::from(key), key.into()).await.expect("put");
        }
        let broken = || Err(Error::Generic { store: "S3", source: "error decoding response body".into() });
        let first = store.list(Some(&Path::from("t"))).take(1).chain(stream::iter([broken()])).boxed();
        let prefix = Path::from("t");
        let listing = Listing { store, prefix, objects: first, last: None, tries: 0 };
        let found: Vec<_> =
            stream::unfold(Some(listing), |listing| async move { listing?.next().await }).collect().await;
        let keys: Vec<String> = found.into_iter().map(|object| object.expect("an object").key).collect();
        assert_eq!(keys, ["t/a", "t/b", "t/c"]);
    }

    #[tokio::test]
    async fn what_no_repetition_cures_ends_it() {
        let denied = Error::PermissionDenied { path: "t".into(), source: "403".into() };
        let objects = stream::iter([Err(denied)]).boxed();
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let listing = Listing { store, prefix: Path::from("t"), objects, last: None, tries: 0 };
        let (found, rest) = listing.next().await.expect("an answer");
        assert_eq!(found.expect_err("denied").kind(), crate::error::Kind::Unavailable);
        assert!(rest.is_none());
    }
}
