//! Runs object_store's own expectations of a store, one by one, against the S3 server that the `AWS_` variables name, in
//! the bucket given; prints one line for each. The bucket's content is deleted.

use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use object_store::{ObjectStore, ObjectStoreExt, integration};
use std::future::Future;
use std::sync::Arc;

#[tokio::main]
async fn main() {
    let bucket = std::env::args().nth(1).expect("usage: store-conformance BUCKET");
    let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_allow_http(true);
    // The header-less way of AWS: `copy_if_not_exists` by a multipart copy on condition.
    let store =
        Arc::new(builder.with_copy_if_not_exists(S3CopyIfNotExists::Multipart).build().expect("set up a client"));
    // What panics on the way is what the line says; the backtrace of the panic is of no use to the reader.
    std::panic::set_hook(Box::new(|_| {}));
    let of = |store: &Arc<AmazonS3>| Arc::clone(store);
    check("put, get, delete, list", of(&store), |s| async move { integration::put_get_delete_list(&*s).await }).await;
    check("attributes", of(&store), |s| async move { integration::put_get_attributes(&*s).await }).await;
    check("conditional reads", of(&store), |s| async move { integration::get_opts(&*s).await }).await;
    check("conditional puts", of(&store), |s| async move { integration::put_opts(&*s, true).await }).await;
    check("streamed reads and ranges", of(&store), |s| async move { integration::stream_get(&*s).await }).await;
    check(
        "folders in listings",
        of(&store),
        |s| async move { integration::list_uses_directories_correctly(&*s).await },
    )
    .await;
    check("listing with delimiter", of(&store), |s| async move { integration::list_with_delimiter(&*s).await }).await;
    check(
        "listing from an offset",
        of(&store),
        |s| async move { integration::list_with_offset_exclusivity(&*s).await },
    )
    .await;
    check("listing in pages", of(&store), |s| async move { integration::list_paginated(&*s, &*s).await }).await;
    check("rename and copy", of(&store), |s| async move { integration::rename_and_copy(&*s).await }).await;
    check("copy if not there", of(&store), |s| async move { integration::copy_if_not_exists(&*s).await }).await;
    check("copy of what is not there", of(&store), |s| async move {
        integration::copy_rename_nonexistent_object(&*s).await
    })
    .await;
    check("multipart", of(&store), |s| async move { integration::multipart(&*s, &*s).await }).await;
    check("multipart out of order", of(&store), |s| async move { integration::multipart_out_of_order(&*s).await })
        .await;
    check("multipart race", of(&store), |s| async move { integration::multipart_race_condition(&*s, true).await })
        .await;
    check("read of what is not there", of(&store), |s| async move {
        let error =
            integration::get_nonexistent_object(&*s, Some("nonexistent".into())).await.expect_err("nothing there");
        assert!(matches!(error, object_store::Error::NotFound { .. }), "{error}");
    })
    .await;
    let _ = store.delete(&"nonexistent".into()).await;
}

async fn check<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    store: Arc<AmazonS3>,
    expectation: impl FnOnce(Arc<AmazonS3>) -> F,
) {
    // Some leave objects behind, which others do not expect.
    let left: Vec<_> = store.list(None).try_collect().await.expect("list the bucket");
    for object in left {
        store.delete(&object.location).await.expect("empty the bucket");
    }
    match tokio::spawn(expectation(store)).await {
        Ok(()) => println!("| {name} | met |"),
        Err(error) => {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            let line: String = text.lines().collect::<Vec<_>>().join(" ").chars().take(160).collect();
            println!("| {name} | not met: {line} |");
        }
    }
}
