//! Runs the queries of a request, several ranges at once, and repeats what breaks.
//!
//! Every query has a task of its own and hands its batches over one by one: a slow consumer holds the tasks back, so
//! that at most one reply per reader waits in memory. The server forgets a cursor that rests for ten minutes; that is
//! a break like others.

use super::connect::Connection;
use super::failure::{TRIES, backoff, is_plan_killed, is_transient, refuses_hint, refuses_majority};
use super::glance;
use super::ids;
use super::layout::{self, Layout};
use super::member::{self, Unfound};
use super::plan::{self, Query, Selection};
use super::reply;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::extract::filter::projection;
use crate::extract::{CollectionKind, Placed, ReadRequest};
use crate::model::collection::Namespace;
use crate::model::read_plan::{Position, ReadPlan};
use bson::{Document, Timestamp, doc};
use futures::stream::{self, Stream, StreamExt};
use mongodb::options::{Collation, FindOptions, ReadConcern, SelectionCriteria};
use mongodb::raw_batch_cursor::SessionRawBatchCursor;
use mongodb::{ClientSession, Collection};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument;

/// Where batches go.
type Sender = mpsc::Sender<Placed>;

/// Starts reading, along `plan` if there is one; dropping the stream ends all of it.
pub(super) fn start(
    connection: Arc<Connection>,
    request: ReadRequest,
    plan: Option<ReadPlan>,
) -> impl Stream<Item = Result<Placed>> + Send {
    let (sender, receiver) = mpsc::channel(1);
    let mut work = JoinSet::new();
    work.spawn(run(connection, request, plan, sender).in_current_span());
    stream::unfold(Some((receiver, work)), async |reading| {
        let (mut receiver, mut work) = reading?;
        match receiver.recv().await {
            Some(batch) => Some((Ok(batch), Some((receiver, work)))),
            // All senders are gone: done, failed, or a task panicked, which must not look like the end.
            None => Some((Err(joined(work.join_next().await).err()?), None)),
        }
    })
}

async fn run(connection: Arc<Connection>, request: ReadRequest, plan: Option<ReadPlan>, sender: Sender) -> Result<()> {
    let layout = layout::of(&connection, &request.namespace).await?;
    let reader = Arc::new(Reader { connection, request, layout, sender });
    let queries = match plan {
        Some(plan) => plan::along(plan),
        None if reader.glance().await? => return Ok(()),
        None => plan::queries(&reader.connection, &reader.request, &reader.layout).await?,
    };
    let in_parallel = queries.iter().any(|query| matches!(query.selection, Selection::Range { .. }));
    let readers = if in_parallel { reader.request.ranges.max(1) } else { 1 };
    let mut running = JoinSet::new();
    for query in queries {
        if running.len() >= readers {
            joined(running.join_next().await)?;
        }
        let reader = Arc::clone(&reader);
        running.spawn(async move { reader.read(query).await }.in_current_span());
    }
    while let Some(ended) = running.join_next().await {
        joined(Some(ended))?;
    }
    Ok(())
}

fn joined(ended: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    ended.map_or(Ok(()), |ended| ended.or_error(Kind::Invariant, "read from MongoDB").flatten())
}

/// How one try of a query ended without an error of the driver.
enum Ended {
    /// Everything was handed over.
    Complete,
    /// Nobody wants more.
    Abandoned,
}

/// Why one try of a query failed.
pub(super) enum Broken {
    /// The driver's words.
    Driver(mongodb::error::Error),
    /// What was read cannot be accepted.
    Refused(Error),
}

/// What the queries of one request share.
pub(super) struct Reader {
    pub connection: Arc<Connection>,
    pub request: ReadRequest,
    pub layout: Arc<Layout>,
    pub sender: Sender,
}

impl Reader {
    async fn read(&self, mut query: Query) -> Result<()> {
        let doing = format!("read {}", self.request.namespace);
        let mut tries = 0;
        loop {
            let mut progress = false;
            let majority = self.connection.majority();
            let error = match self.attempt(&mut query, &mut progress).await {
                Ok(Ended::Complete | Ended::Abandoned) => return Ok(()),
                Err(Broken::Refused(error)) => return Err(error.context(doing)),
                Err(Broken::Driver(error)) => error,
            };
            if refuses_majority(&error) && majority {
                self.connection.forgo_majority();
                continue;
            }
            // A hint buys speed and nothing else.
            if refuses_hint(&error) && query.hint.take().is_some() {
                let what = "the index is being built, or gone: reading without it";
                tracing::warn!(collection = %self.request.namespace, "{what}");
                continue;
            }
            // Only a range that goes on where it broke comes to an end by being patient.
            tries = if progress { 1 } else { tries + 1 };
            let passes = is_transient(&error) || (is_plan_killed(&error) && self.is_still_there().await);
            if !passes || tries >= TRIES {
                return Err(self.connection.explain(&error, &self.request.namespace, &doing));
            }
            self.connection.count_retry(&self.request.namespace);
            self.connection.members().forget();
            let wait = backoff(tries);
            tracing::debug!(tries, ?wait, "reading again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether what is being read is known to stand under its name now: a dropped index, or a range that moved to
    /// another shard, ends queries as a dropped collection does.
    async fn is_still_there(&self) -> bool {
        let described = self.layout.described(None);
        let same = layout::is_same(&self.connection, &self.request.namespace, &described);
        described.identity.is_some() && same.await.unwrap_or(false)
    }

    /// One cursor, from where `query` stands to its end. `progress`: whether the next try has less to read.
    async fn attempt(&self, query: &mut Query, progress: &mut bool) -> Result<Ended, Broken> {
        let member = self.member().await?;
        let mut session = self.session().await?;
        let mut cursor = self.open(query, member, &mut session).await.map_err(Broken::Driver)?;
        let mut replies = cursor.stream(&mut session);
        while let Some(reply) = replies.next().await {
            let reply = reply.map_err(Broken::Driver)?;
            self.connection.rate().take(reply.as_raw_document().as_bytes().len()).await;
            let portion = reply::portion(reply, &query.keep, self.request.batch_bytes, self.request.batch_documents);
            let portion = portion.map_err(Broken::Driver)?;
            if !portion.all_have_ids && self.layout.kind == CollectionKind::View {
                return Err(Broken::Refused(
                    Error::new(Kind::Source, format!("view {} gives documents without _id", self.request.namespace))
                        .hint("let the view's pipeline keep or make a unique _id"),
                ));
            }
            let mut position = None;
            if let (Selection::Range { range, number }, Some(last)) = (&mut query.selection, portion.last_id) {
                range.resume_after(last.clone());
                position = Some(Position { range: *number, last });
                *progress = true;
            }
            let mut batches = portion.batches.into_iter().peekable();
            while let Some(batch) = batches.next() {
                // Only with the last one has all of the reply been handed over.
                let reached = if batches.peek().is_none() { position.take() } else { None };
                if self.sender.send((batch, reached)).await.is_err() {
                    return Ok(Ended::Abandoned);
                }
            }
        }
        Ok(Ended::Complete)
    }

    /// Who is to answer; `None`: whom the read preference finds.
    pub(super) async fn member(&self) -> Result<Option<SelectionCriteria>, Broken> {
        // The pipeline of a view may take longer than anybody waits for a member that is behind.
        let time = self.request.not_before.filter(|_| self.layout.kind == CollectionKind::Collection);
        let member = member::choose(&self.connection, &self.request.namespace, time).await;
        member.map_err(|unfound| match unfound {
            Unfound::Driver(error) => Broken::Driver(error),
            Unfound::Refused(error) => Broken::Refused(error),
        })
    }

    /// A session whose reads wait until the member that answers has seen what the bound covers.
    pub(super) async fn session(&self) -> Result<ClientSession, Broken> {
        let client = self.connection.client().await.map_err(Broken::Refused)?;
        let causal = self.request.not_before.is_some();
        let mut session = client.start_session().causal_consistency(causal).await.map_err(Broken::Driver)?;
        if let Some(time) = self.request.not_before {
            session.advance_operation_time(Timestamp { time: time.seconds, increment: time.increment });
        }
        Ok(session)
    }

    pub(super) async fn open(
        &self,
        query: &Query,
        member: Option<SelectionCriteria>,
        session: &mut ClientSession,
    ) -> mongodb::error::Result<SessionRawBatchCursor> {
        let client = session.client();
        let Namespace { database, collection } = &self.request.namespace;
        let collection: Collection<Document> = client.database(database).collection(collection);
        let (filter, sort) = match &query.selection {
            Selection::Filter(filter) | Selection::Glance(filter) => (filter.clone(), None),
            Selection::Range { range, .. } => (ids::filter(range), Some(doc! { "_id": 1 })),
        };
        let mut options = FindOptions::default();
        options.sort = sort;
        options.selection_criteria = member;
        options.hint = query.hint.clone();
        options.projection = projection(&self.request.exclude);
        options.batch_size = Some(self.batch_size());
        if let Selection::Glance(_) = query.selection {
            // One more than is taken tells that there is more; the first reply holds them all, or it is too large.
            options.limit = Some(i64::from(glance::DOCUMENTS) + 1);
            options.batch_size = Some(glance::DOCUMENTS + 1);
            options.max_time = Some(glance::PATIENCE);
        }
        options.comment = Some(self.connection.comment().into());
        if self.layout.wants_plain_texts() {
            options.collation = Some(Collation::builder().locale("simple").build());
        }
        // A server that tells its operationTime keeps what a majority has.
        if self.request.not_before.is_some() && self.connection.majority() {
            options.read_concern = Some(ReadConcern::majority());
        }
        collection.find(filter).with_options(options).session(session).batch().await
    }

    /// Documents asked for at once, so that a reply is about as large as a batch.
    fn batch_size(&self) -> u32 {
        let average = match (self.layout.bytes, self.layout.documents) {
            (Some(bytes), Some(documents)) => usize::try_from(bytes / documents.max(1)).unwrap_or(usize::MAX),
            _ => 0,
        };
        let fitting = self.request.batch_bytes / average.max(1);
        // The server takes 0 for "none at all" and 1 for "close after the first".
        u32::try_from(fitting.min(self.request.batch_documents).max(2)).unwrap_or(u32::MAX)
    }
}
