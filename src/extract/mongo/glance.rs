//! A window that holds little is read by one query.
//!
//! Most windows of most collections are empty or small. The queries of a window follow one index each, and so are two;
//! this one asks for all of it and lets the server unite the two indexes, which is cheap for a few documents and not for
//! many: the server remembers every record it has found. Nothing depends on it: when it does not hold the whole window,
//! takes long or fails, it has been in vain and the window is read as others are.

use super::plan;
use super::read::{Broken, Reader};
use super::reply;
use crate::error::Result;
use futures::StreamExt;
use mongodb::raw_batch_cursor::RawBatch;
use std::time::Duration;

/// Most documents of such a window.
pub(super) const DOCUMENTS: u32 = 1000;

/// How long the server may look. It chooses its plan itself, and one that is not over both indexes ends here.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

impl Reader {
    /// Hands over the whole window and tells so, if it fits into one reply.
    pub(super) async fn glance(&self) -> Result<bool> {
        let Some(query) = plan::glance(&self.request, &self.layout) else { return Ok(false) };
        let Ok(reply) = self.only_reply(&query).await else {
            // If there is something to be said, the queries that follow meet it as well.
            tracing::debug!("the window cannot be read at a glance");
            return Ok(false);
        };
        let Some(reply) = reply else { return Ok(false) };
        self.connection.rate().take(reply.as_raw_document().as_bytes().len()).await;
        let portion = reply::portion(reply, &query.keep, self.request.batch_bytes, self.request.batch_documents);
        let portion =
            portion.map_err(|error| self.connection.explain(&error, &self.request.namespace, "read a reply"))?;
        for batch in portion.batches {
            if self.sender.send((batch, None)).await.is_err() {
                break;
            }
        }
        Ok(true)
    }

    /// The reply, if it is the only one and not cut short.
    async fn only_reply(&self, query: &plan::Query) -> Result<Option<RawBatch>, Broken> {
        let member = self.member().await?;
        let mut session = self.session().await?;
        let mut cursor = self.open(query, member, &mut session).await.map_err(Broken::Driver)?;
        let mut replies = cursor.stream(&mut session);
        let reply = replies.next().await.transpose().map_err(Broken::Driver)?;
        Ok(reply.filter(|reply| reply::is_all(reply, DOCUMENTS as usize)))
    }
}
