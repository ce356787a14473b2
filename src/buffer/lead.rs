//! Where an intake leads to: one way at a time, which can be replaced while batches come.
//!
//! A batch takes one look at where it goes, and goes there to its end. That look costs four atomic
//! operations a batch, or a run of small batches, none an event: a read lock is taken and released
//! again, and the way is held on to meanwhile.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::oneshot;

use super::Accept;

/// A way in, and who is on it.
pub(super) struct Way {
    pub(super) accept: Arc<dyn Accept>,
    /// Goes with the last who holds on to the way.
    _open: oneshot::Sender<()>,
}

/// The way of now.
pub(super) struct Lead(RwLock<(Arc<Way>, Left)>);

/// Resolves when the last batch has left a way that was replaced.
pub struct Left(oneshot::Receiver<()>);

impl Left {
    /// Waits until it has.
    pub async fn wait(self) {
        // Nobody ever sends: it fails when the other end is dropped.
        let _ = self.0.await;
    }
}

impl Lead {
    pub(super) fn to(accept: Arc<dyn Accept>) -> Self {
        Self(RwLock::new(way(accept)))
    }

    pub(super) fn now(&self) -> Arc<Way> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Whether it still leads that way.
    pub(super) fn is(&self, other: &Arc<Way>) -> bool {
        Arc::ptr_eq(
            &self.0.read().unwrap_or_else(PoisonError::into_inner).0,
            other,
        )
    }

    pub(super) fn turn_to(&self, accept: Arc<dyn Accept>) -> Left {
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (before, left) = std::mem::replace(&mut *place, way(accept));
        drop(place);
        drop(before);
        left
    }
}

fn way(accept: Arc<dyn Accept>) -> (Arc<Way>, Left) {
    let (open, left) = oneshot::channel();
    let way = Way {
        accept,
        _open: open,
    };
    (Arc::new(way), Left(left))
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::Notify;

    use super::super::{Incoming, Intake, Pending, Refused};
    use super::*;

    /// Counts batches, and holds them until it is told to let go or to refuse.
    #[derive(Default)]
    struct Gate {
        count: AtomicU64,
        is_gone: bool,
        opened: Notify,
    }

    impl Accept for Gate {
        fn accept<'a>(
            &'a self,
            _: Incoming<'a>,
        ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>> {
            Box::pin(async move {
                self.opened.notified().await;
                if self.is_gone {
                    return Err(Refused::Stopping);
                }
                self.count.fetch_add(1, Ordering::SeqCst);
                Ok(Pending::new(1, 0, Box::pin(std::future::ready(Ok(())))))
            })
        }
    }

    const BATCH: Incoming<'static> = Incoming {
        tag: "app",
        payload: b"",
        batch_id: b"",
        patience: None,
    };

    #[tokio::test(start_paused = true)]
    async fn a_batch_goes_its_way_to_the_end_and_the_next_takes_the_new_one() {
        let (before, after) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
        let intake = Intake::new(before.clone());
        let first = tokio::spawn({
            let intake = intake.clone();
            async move { intake.accept(BATCH).await.map(drop) }
        });
        tokio::task::yield_now().await;
        let left = tokio::spawn(intake.lead_to(after.clone()).wait());
        after.opened.notify_one();
        assert!(intake.accept(BATCH).await.is_ok());
        assert!(!left.is_finished(), "somebody is still on the old way");
        before.opened.notify_one();
        assert!(first.await.unwrap().is_ok());
        left.await.unwrap();
        let counts = [&before, &after].map(|gate| gate.count.load(Ordering::SeqCst));
        assert_eq!(counts, [1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_because_the_way_is_gone_takes_the_new_one() {
        let gone = Arc::new(Gate {
            is_gone: true,
            ..Gate::default()
        });
        let after = Arc::new(Gate::default());
        let intake = Intake::new(gone.clone());
        let sender = tokio::spawn({
            let intake = intake.clone();
            async move { intake.accept(BATCH).await.map(drop) }
        });
        tokio::task::yield_now().await;
        let _left = intake.lead_to(after.clone());
        gone.opened.notify_one();
        after.opened.notify_one();
        assert_eq!(sender.await.unwrap(), Ok(()));
        assert_eq!(after.count.load(Ordering::SeqCst), 1);

        let stopping = Intake::new(gone.clone());
        gone.opened.notify_one();
        let refused = stopping.accept(BATCH).await.map(drop);
        assert_eq!(refused, Err(Refused::Stopping), "there is no other way");
    }
}
