//! All routes' way in: the first route whose pattern matches takes the batch.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::direct;
use super::route_buffer::{RouteBuffer, Stored};
use super::stats::IntakeStats;
use super::{Accept, Failed, Incoming, Pending, Ready, Refused, malformed};
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

    /// The names of the routes, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let routes = self.routes.iter();
        routes.map(|route| route.name.clone()).collect()
    }

    /// The place of the route that takes `tag`.
    #[must_use]
    pub fn by_tag(&self, tag: &str) -> Option<usize> {
        self.routes.index(tag)
    }

    /// Hands a batch to the route at a place, whatever its tag.
    ///
    /// # Errors
    /// As [`Intake::accept`](super::Intake::accept).
    pub async fn store(&self, route: usize, batch: Incoming<'_>) -> Result<Pending, Refused> {
        let Some(buffer) = self.routes.get(route) else {
            return self.unmatched(batch);
        };
        self.accepted(buffer, batch).await
    }

    /// Hands plain entries, of which each is an event, to the dead letters of the route at a place.
    ///
    /// # Errors
    /// As [`Intake::accept`](super::Intake::accept).
    pub async fn bury(&self, route: usize, failed: Failed<'_>) -> Result<Pending, Refused> {
        let Some(buffer) = self.routes.get(route) else {
            return Err(Refused::Stopping);
        };
        let since = buffer.clock.monotonic();
        let stored = buffer.bury_failed(failed).await?;
        Ok(pending(Arc::clone(buffer), stored, since))
    }

    /// Counts events that no route takes.
    pub fn count_unmatched(&self, event_count: u64) {
        let unmatched = &self.stats.events_unmatched;
        unmatched.fetch_add(event_count, Relaxed);
    }

    async fn route(&self, batch: Incoming<'_>) -> Result<Pending, Refused> {
        match self.routes.route(batch.tag) {
            Some(buffer) => self.accepted(buffer, batch).await,
            None => self.unmatched(batch),
        }
    }

    /// Shows what a route has stored to whoever looks.
    fn show(&self, buffer: &RouteBuffer, batches: &[Incoming<'_>]) {
        let taps = &self.stats.taps;
        if taps.is_on() {
            taps.stored(&buffer.name, batches);
        }
    }

    async fn accepted(
        &self,
        buffer: &Arc<RouteBuffer>,
        batch: Incoming<'_>,
    ) -> Result<Pending, Refused> {
        let since = buffer.clock.monotonic();
        let stored = buffer.accept(batch).await?;
        self.show(buffer, &[batch]);
        Ok(pending(Arc::clone(buffer), stored, since))
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
        let since = buffer.clock.monotonic();
        let stored = buffer.accept_ready(&batches[..count])?;
        self.show(&buffer, &batches[..stored.batch_count]);
        let durable = async move {
            let synced = stored.receipt.await;
            synced.map_err(|error| buffer.not_durable(&error))?;
            buffer.durable_since(since);
            Ok(())
        };
        Some(Ready {
            batch_count: stored.batch_count,
            pending: Pending::new(stored.event_count, 0, Box::pin(durable)),
        })
    }
}

/// What was stored of a batch that was offered at `since`.
fn pending(buffer: Arc<RouteBuffer>, stored: Stored, since: Duration) -> Pending {
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
            buffer.durable_since(since);
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
