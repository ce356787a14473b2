//! The bound on memory for what senders send, shared by all connections of an input.
//!
//! Every connection has [`FREE_SIZE`] bytes for itself, so that small messages never wait for
//! anybody. What it needs beyond that it takes from the input's budget before it allocates, and
//! gives back after it has freed. Whoever finds the budget spent waits and does not read meanwhile,
//! which holds its sender back.
//!
//! Shares grow while they are held: a message turns out longer than its first bytes said, and is
//! unpacked after it has come. Connections that each hold a part could wait for each other for
//! ever. Therefore there is one turn: who waits longest has it, and may go beyond the budget, up
//! to the limits of its own message. So an input takes at most the budget, what one message may
//! take, and [`FREE_SIZE`] for each connection.
//!
//! Who holds a share looks now and then whether it [is needed](Share::is_needed) by others, and
//! does not keep it for long if it is.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::InputStats;

/// What each connection, or request, has for itself, in bytes.
pub(super) const FREE_SIZE: usize = 16 * 1024;

/// Memory is counted in units of so many bytes.
const UNIT: usize = 1024;

/// An input's budget.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    units: Arc<Semaphore>,
    unit_count: u32,
    /// One permit: who has it may go beyond the budget.
    turn: Arc<Semaphore>,
    /// Shares that wait to grow.
    waiting: AtomicUsize,
    stats: Arc<InputStats>,
}

/// What one connection, or request, holds of the budget; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    /// Bytes, those that are free included.
    size: usize,
    permit: Option<OwnedSemaphorePermit>,
    /// Units beyond the budget; 0 without the turn.
    excess: u32,
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    _permit: OwnedSemaphorePermit,
    began: Instant,
}

impl Memory {
    /// A budget of `size` bytes, whose use is shown in `stats`.
    pub(super) fn new(size: usize, stats: &Arc<InputStats>) -> Self {
        let unit_count = units(size);
        stats.read_memory_max.store(bytes(unit_count), Relaxed);
        Self(Arc::new(Budget {
            units: Arc::new(Semaphore::new(unit_count as usize)),
            unit_count,
            turn: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
            stats: Arc::clone(stats),
        }))
    }

    /// An empty share.
    pub(super) fn share(&self) -> Share {
        Share {
            budget: Arc::clone(&self.0),
            size: 0,
            permit: None,
            excess: 0,
            turn: None,
        }
    }
}

impl Share {
    /// Grows by `more` bytes if it need not wait for them; else it stays as it is.
    pub(super) fn try_grow(&mut self, more: usize) -> bool {
        let size = self.size.saturating_add(more);
        let missing = charged(size).saturating_sub(self.unit_count());
        let is_granted = self.take_now(missing);
        if is_granted {
            self.size = size;
        }
        is_granted
    }

    /// Grows by `more` bytes, once they are there or the turn has come.
    ///
    /// Changes nothing if the future is dropped.
    pub(super) async fn grow(&mut self, more: usize) {
        if self.try_grow(more) {
            return;
        }
        let size = self.size.saturating_add(more);
        let missing = charged(size).saturating_sub(self.unit_count());
        let _waiting = Waiting::count(&self.budget);
        let turn = Arc::clone(&self.budget.turn).acquire_owned();
        tokio::select! {
            biased;
            // Neither semaphore is ever closed.
            Ok(permit) = self.budget.wait_for(missing) => self.add(permit),
            Ok(permit) = turn => {
                let began = Instant::now();
                self.turn = Some(Turn { _permit: permit, began });
                self.exceed(missing);
            }
            else => return,
        }
        self.size = size;
    }

    /// Gives `less` bytes back.
    pub(super) fn give_back(&mut self, less: usize) {
        self.size = self.size.saturating_sub(less);
        let surplus = self.unit_count().saturating_sub(charged(self.size));
        let of_excess = surplus.min(self.excess);
        self.budget.used_less(surplus);
        self.excess -= of_excess;
        if let Some(permit) = &mut self.permit {
            drop(permit.split((surplus - of_excess) as usize));
        }
        self.end_turn();
    }

    /// Gives all but `size` bytes back.
    pub(super) fn keep(&mut self, size: usize) {
        self.give_back(self.size.saturating_sub(size));
    }

    /// Whether this share holds what others are waiting for.
    pub(super) fn is_needed(&self) -> bool {
        self.unit_count() > 0 && self.budget.waiting.load(Relaxed) > 0
    }

    /// For how long it has been beyond the budget.
    pub(super) fn turn_age(&self) -> Duration {
        let turn = self.turn.as_ref();
        turn.map_or(Duration::ZERO, |turn| turn.began.elapsed())
    }

    fn unit_count(&self) -> u32 {
        let permits = self.permit.as_ref().map_or(0, |held| held.num_permits());
        u32::try_from(permits)
            .unwrap_or(u32::MAX)
            .saturating_add(self.excess)
    }

    fn take_now(&mut self, missing: u32) -> bool {
        if missing == 0 {
            return true;
        }
        match Arc::clone(&self.budget.units).try_acquire_many_owned(missing) {
            Ok(permit) => self.add(permit),
            Err(_) if self.turn.is_some() => self.exceed(missing),
            Err(_) => return false,
        }
        true
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        self.budget.used_more(more.num_permits() as u64);
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
    }

    fn exceed(&mut self, more: u32) {
        self.budget.used_more(more.into());
        self.excess = self.excess.saturating_add(more);
    }

    /// Lets the next one have the turn, once what is held fits the budget.
    fn end_turn(&mut self) {
        if self.turn.is_none() {
            return;
        }
        let excess = self.excess;
        if excess > 0 {
            let Ok(permit) = Arc::clone(&self.budget.units).try_acquire_many_owned(excess) else {
                return;
            };
            self.excess = 0;
            self.budget.used_less(excess);
            self.add(permit);
        }
        self.turn = None;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used_less(self.unit_count());
    }
}

impl Budget {
    /// Waits for so many units; for ever if there are fewer at all.
    async fn wait_for(
        self: &Arc<Self>,
        units: u32,
    ) -> Result<OwnedSemaphorePermit, tokio::sync::AcquireError> {
        if units > self.unit_count {
            std::future::pending().await
        }
        Arc::clone(&self.units).acquire_many_owned(units).await
    }

    fn used_more(&self, units: u64) {
        let more = units * UNIT as u64;
        self.stats.read_memory.fetch_add(more, Relaxed);
    }

    fn used_less(&self, units: u32) {
        self.stats.read_memory.fetch_sub(bytes(units), Relaxed);
    }
}

/// Counts a share as waiting while it lives.
struct Waiting(Arc<Budget>);

impl Waiting {
    fn count(budget: &Arc<Budget>) -> Self {
        budget.waiting.fetch_add(1, Relaxed);
        Self(Arc::clone(budget))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

/// What a share of so many bytes takes of the budget.
fn charged(size: usize) -> u32 {
    units(size.saturating_sub(FREE_SIZE))
}

fn units(size: usize) -> u32 {
    let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize / 2);
    u32::try_from(size.div_ceil(UNIT).min(most)).unwrap_or(u32::MAX)
}

fn bytes(units: u32) -> u64 {
    u64::from(units) * UNIT as u64
}

#[cfg(test)]
mod tests;
