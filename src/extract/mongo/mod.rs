//! A MongoDB: standalone, replica set or sharded cluster, read through the driver's raw batches.

mod bound;
mod connect;
mod failure;
mod glance;
mod ids;
mod layout;
mod member;
mod plan;
mod rate;
mod read;
mod reply;
mod survey;

use super::{Described, Listed, Placed, ReadRequest, Source, Survey, WindowRequest};
use crate::error::Result;
use crate::model::batch::RawBatch;
use crate::model::collection::{FieldPath, Namespace};
use crate::model::read_plan::ReadPlan;
use crate::model::settings::SourceSettings;
use crate::model::window::Bound;
use async_trait::async_trait;
use connect::Connection;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use std::sync::Arc;

/// A MongoDB, connected to at its first use.
pub(super) struct Mongo {
    connection: Arc<Connection>,
}

impl Mongo {
    /// Checks the URI without connecting.
    pub fn new(settings: &SourceSettings, run_id: &str) -> Result<Self> {
        Ok(Self { connection: Arc::new(Connection::new(settings, run_id)?) })
    }
}

#[async_trait]
impl Source for Mongo {
    async fn bound(&self) -> Result<Bound> {
        bound::bound(&self.connection).await
    }

    async fn describe(&self, namespace: &Namespace, timestamp: Option<&FieldPath>) -> Result<Described> {
        Ok(layout::of(&self.connection, namespace).await?.described(timestamp))
    }

    async fn is_same(&self, namespace: &Namespace, described: &Described) -> Result<bool> {
        layout::is_same(&self.connection, namespace, described).await
    }

    fn read(&self, request: ReadRequest) -> BoxStream<'static, Result<RawBatch>> {
        let connection = Arc::clone(&self.connection);
        stream::once(async move { read::start(connection, request, None) }).flatten().map_ok(|(batch, _)| batch).boxed()
    }

    async fn plan(&self, request: &ReadRequest) -> Result<Option<ReadPlan>> {
        let layout = layout::of(&self.connection, &request.namespace).await?;
        plan::cut(&self.connection, request, &layout).await
    }

    fn read_along(&self, request: ReadRequest, plan: ReadPlan) -> BoxStream<'static, Result<Placed>> {
        let connection = Arc::clone(&self.connection);
        stream::once(async move { read::start(connection, request, Some(plan)) }).flatten().boxed()
    }

    fn retries(&self, namespace: &Namespace) -> u64 {
        self.connection.retries(namespace)
    }

    fn is_dump(&self) -> bool {
        false
    }
}

#[async_trait]
impl Survey for Mongo {
    async fn collections(&self) -> Result<Vec<Listed>> {
        survey::collections(&self.connection).await
    }

    async fn window_documents(&self, window: &WindowRequest) -> Result<Option<u64>> {
        survey::window_documents(&self.connection, window).await
    }

    async fn sample(&self, namespace: &Namespace, exclude: &[FieldPath], documents: usize) -> Result<RawBatch> {
        survey::sample(&self.connection, namespace, exclude, documents).await
    }
}
