//! Receipts: how a caller learns that its append is durable.
//!
//! All appends of a chunk share one [`Progress`]; a receipt is a reference to it and the offset
//! where its append ends, so that resolving a group of appends is one store and a few wake-ups.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::error::SyncError;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, lock, wait};

/// Resolves when the append is durable (with `Durability::Memory`: at once) or never will be.
///
/// Dropping it loses nothing but the answer. Clones resolve alike, each for whoever polls it.
#[derive(Debug)]
#[must_use = "an append is acknowledged only when its receipt resolves"]
pub struct Receipt {
    progress: Arc<Progress>,
    /// Where the append ends in the file.
    end: u64,
    /// Tells the clones of one receipt apart; 0 is the first.
    number: u32,
}

impl Receipt {
    pub(crate) fn new(progress: Arc<Progress>, end: u64) -> Receipt {
        Receipt {
            progress,
            end,
            number: 0,
        }
    }

    /// Blocks until the append is durable or never will be.
    ///
    /// # Errors
    /// The append did not become durable; see [`SyncError`].
    pub fn wait(self) -> Result<(), SyncError> {
        let mut waiting = lock(&self.progress.waiting);
        loop {
            if let Some(outcome) = self.progress.outcome(self.end, &waiting) {
                return outcome;
            }
            waiting = wait(&self.progress.changed, waiting);
        }
    }

    /// The outcome, if there is one already.
    pub fn outcome(&self) -> Option<Result<(), SyncError>> {
        self.progress
            .outcome(self.end, &lock(&self.progress.waiting))
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Receipt {
        Receipt {
            progress: Arc::clone(&self.progress),
            end: self.end,
            number: self.progress.clone_count.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }
}

impl Future for Receipt {
    type Output = Result<(), SyncError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.progress.is_durable(self.end) {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = lock(&self.progress.waiting);
        if let Some(outcome) = self.progress.outcome(self.end, &waiting) {
            return Poll::Ready(outcome);
        }
        // The end is unique within the chunk and the number among the clones, so this replaces the
        // waker of an earlier poll.
        let waiter = (self.end, self.number);
        waiting.wakers.insert(waiter, context.waker().clone());
        Poll::Pending
    }
}

/// How far a chunk's data is durable, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Everything below this file offset is durable. Changed with `waiting` locked.
    durable_end: AtomicU64,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// Clones made of all receipts.
    clone_count: AtomicU32,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By the end of the append they wait for, and the receipt's number.
    wakers: BTreeMap<(u64, u32), Waker>,
    /// Why nothing beyond `durable_end` will become durable.
    failure: Option<SyncError>,
}

impl Progress {
    fn is_durable(&self, end: u64) -> bool {
        self.durable_end.load(Ordering::Acquire) >= end
    }

    fn outcome(&self, end: u64, waiting: &Waiting) -> Option<Result<(), SyncError>> {
        if self.is_durable(end) {
            return Some(Ok(()));
        }
        waiting.failure.clone().map(Err)
    }

    /// Everything below `end` is durable: moves who waited for it to `woken`. After a failure
    /// nothing is.
    pub(crate) fn advance(&self, end: u64, woken: &mut Vec<Waker>) {
        let mut waiting = lock(&self.waiting);
        if waiting.failure.is_some() {
            return;
        }
        self.durable_end.fetch_max(end, Ordering::Release);
        let rest = match end.checked_add(1) {
            Some(next) => waiting.wakers.split_off(&(next, 0)),
            None => BTreeMap::new(),
        };
        woken.extend(std::mem::replace(&mut waiting.wakers, rest).into_values());
        drop(waiting);
        self.changed.notify_all();
    }

    /// Nothing more will become durable: moves everybody who still waits to `woken`.
    pub(crate) fn fail(&self, failure: SyncError, woken: &mut Vec<Waker>) {
        let mut waiting = lock(&self.waiting);
        waiting.failure.get_or_insert(failure);
        woken.extend(std::mem::take(&mut waiting.wakers).into_values());
        drop(waiting);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(receipt: &mut Receipt) -> Poll<Result<(), SyncError>> {
        Pin::new(receipt).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_receipt_resolves_when_its_end_is_durable_and_not_before() {
        let progress = Arc::new(Progress::default());
        let mut receipt = Receipt::new(Arc::clone(&progress), 100);
        assert!(poll(&mut receipt).is_pending());
        let mut woken = Vec::new();
        progress.advance(99, &mut woken);
        assert!(woken.is_empty() && poll(&mut receipt).is_pending());
        progress.advance(100, &mut woken);
        assert_eq!(woken.len(), 1);
        assert!(matches!(poll(&mut receipt), Poll::Ready(Ok(()))));
    }

    #[test]
    fn every_clone_is_woken() {
        let progress = Arc::new(Progress::default());
        let mut receipt = Receipt::new(Arc::clone(&progress), 100);
        let mut clones = [receipt.clone(), receipt.clone()];
        assert!(poll(&mut receipt).is_pending());
        assert!(clones.iter_mut().all(|clone| poll(clone).is_pending()));
        let mut woken = Vec::new();
        progress.advance(100, &mut woken);
        assert_eq!(woken.len(), 3);
    }

    #[test]
    fn a_failure_refuses_what_is_not_durable_and_keeps_what_is() {
        let progress = Arc::new(Progress::default());
        let mut woken = Vec::new();
        progress.advance(100, &mut woken);
        progress.fail(SyncError::Closed, &mut woken);
        assert!(Receipt::new(Arc::clone(&progress), 100).wait().is_ok());
        assert!(Receipt::new(Arc::clone(&progress), 101).wait().is_err());
        progress.advance(200, &mut woken);
        assert!(Receipt::new(progress, 101).wait().is_err());
    }
}
