//! All routes' way in: the first route whose pattern matches takes the batch.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::direct;
use super::route_buffer::{RouteBuffer, Stored};
use super::stats::IntakeStats;
use super::{Accept, Incoming, Pending, Ready, Refused, malformed};
use crate::event;
use crate::route::TagRouter;

/// The real [`Accept`]: sends batches to their routes.
pub struct Router {
    routes: TagRouter<Arc<RouteBuffer>>,
    stats: Arc<IntakeStats>,
}

impl Router {
    /// A router over `routes`; batches that none of them takes are counted in `stats`.
    #[must_use]
    pub fn new(routes: TagRouter<Arc<RouteBuffer>>, stats: Arc<IntakeStats>) -> Self {
        Self { routes, stats }
    }

    async fn route(&self, batch: Incoming<'_>) -> Result<Pending, Refused> {
        match self.routes.route(batch.tag) {
            Some(buffer) => {
                let stored = buffer.accept(batch).await?;
                Ok(pending(Arc::clone(buffer), stored))
            }
            None => self.unmatched(batch),
        }
    }

    fn unmatched(&self, batch: Incoming<'_>) -> Result<Pending, Refused> {
        let checked =
            event::check(batch.payload).map_err(|error| malformed(&error, batch.payload))?;
        self.stats
            .events_unmatched
            .fetch_add(checked.event_count, Relaxed);
        tracing::debug!(tag = batch.tag, "no route matches");
        Ok(Pending::new(0, 0, Box::pin(std::future::ready(Ok(())))))
    }
}

impl Accept for Router {
    fn accept<'a>(
        &'a self,
        batch: Incoming<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>> {
        Box::pin(self.route(batch))
    }

    fn accept_ready(&self, batches: &[Incoming<'_>]) -> Option<Ready> {
        let tag = batches.first()?.tag;
        let count = batches.iter().take_while(|batch| batch.tag == tag).count();
        let buffer = Arc::clone(self.routes.route(tag)?);
        let stored = buffer.accept_ready(&batches[..count])?;
        let durable = async move {
            let synced = stored.receipt.await;
            synced.map_err(|error| buffer.not_durable(&error))
        };
        Some(Ready {
            batch_count: stored.batch_count,
            pending: Pending::new(stored.event_count, 0, Box::pin(durable)),
        })
    }
}

fn pending(buffer: Arc<RouteBuffer>, stored: Stored) -> Pending {
    let Stored {
        receipts,
        event_count,
        set_aside_count,
        passing,
    } = stored;
    let durable = async move {
        let synced = async {
            for receipt in receipts {
                receipt.await.map_err(|error| buffer.not_durable(&error))?;
            }
            Ok(())
        };
        // Nearly always there is nothing to pass on.
        if passing.is_empty() {
            return synced.await;
        }
        let (synced, passed) = tokio::join!(synced, direct::passed(passing));
        synced.and(passed)
    };
    Pending::new(event_count, set_aside_count, Box::pin(durable))
}
