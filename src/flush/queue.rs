//! What one destination still owes: chunks that are ready, chunks that wait for their retry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::breaker::{Attempt, Breaker};
use super::decision::DestinationPolicy;
use super::outcome::FailureScope;

/// The order in which chunks of a route were queued; older first.
pub(super) type Serial = u64;

/// The queue of one destination, which knows chunks by their serials. Times are monotonic; each call costs O(log n).
#[derive(Debug)]
pub(super) struct DestinationQueue {
    pub(super) policy: DestinationPolicy,
    /// Chunks not settled, whatever state they are in.
    pub(super) owed_count: usize,
    breaker: Breaker,
    ready: BTreeSet<Serial>,
    /// Those that failed, by when they are due.
    waiting: BTreeMap<(Duration, Serial), FailureScope>,
    /// A chunk that somebody asked for: once it is ready it goes before older ones.
    preferred: Option<Serial>,
    in_flight_count: usize,
}

/// A chunk that is to be delivered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) serial: Serial,
    pub(super) is_probe: bool,
}

impl DestinationQueue {
    pub(super) fn new(policy: DestinationPolicy) -> Self {
        Self {
            policy,
            owed_count: 0,
            breaker: Breaker::new(),
            ready: BTreeSet::new(),
            waiting: BTreeMap::new(),
            preferred: None,
            in_flight_count: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.breaker.is_closed()
    }

    /// When the outage began, while the breaker is open.
    pub(super) fn open_since(&self) -> Option<Duration> {
        self.breaker.open_since()
    }

    /// The chunk that has been ready for longest.
    pub(super) fn oldest_ready(&self) -> Option<Serial> {
        self.ready.first().copied()
    }

    /// When the next probe may start, while the breaker is open.
    pub(super) fn probe_at(&self) -> Option<Duration> {
        self.breaker.probe_at()
    }

    pub(super) fn in_flight_count(&self) -> usize {
        self.in_flight_count
    }

    pub(super) fn push(&mut self, serial: Serial) {
        self.ready.insert(serial);
    }

    /// Has the chunk wait until `at`.
    pub(super) fn push_waiting(&mut self, at: Duration, serial: Serial, scope: FailureScope) {
        self.waiting.insert((at, serial), scope);
    }

    /// Takes the chunk that is to be delivered now, and counts it as in flight.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Next> {
        self.wake(now);
        if self.in_flight_count >= self.policy.max_concurrent {
            return None;
        }
        let next = if self.breaker.is_closed() {
            self.pop_ready().map(|serial| Next {
                serial,
                is_probe: false,
            })
        } else if self.breaker.may_probe(now) {
            self.pop_probe()
        } else {
            None
        }?;
        self.in_flight_count += 1;
        Some(next)
    }

    /// When [`pop`](Self::pop) may give something that it does not give now.
    pub(super) fn next_at(&self) -> Option<Duration> {
        if self.in_flight_count >= self.policy.max_concurrent {
            return None;
        }
        if self.breaker.is_closed() {
            return self.waiting.first_key_value().map(|((at, _), _)| *at);
        }
        let has_work = !self.ready.is_empty() || !self.waiting.is_empty();
        self.breaker.probe_at().filter(|_| has_work)
    }

    /// A delivery succeeded. Chunks that wait because of the outage it ended are ready at once.
    pub(super) fn succeed(&mut self, now: Duration, is_probe: bool) {
        self.in_flight_count -= 1;
        if self.breaker.succeed(now) && is_probe {
            self.release();
        }
    }

    /// A delivery failed; see [`Breaker::fail`].
    pub(super) fn fail(
        &mut self,
        now: Duration,
        attempt: Attempt,
        scope: FailureScope,
        wait: impl FnOnce(u32) -> Duration,
    ) {
        self.in_flight_count -= 1;
        self.breaker.fail(now, attempt, scope, wait);
    }

    /// A delivery ended without saying anything about the destination.
    pub(super) fn call_off(&mut self, now: Duration, is_probe: bool) {
        self.in_flight_count -= 1;
        if is_probe {
            self.breaker.call_off_probe(now);
        }
    }

    /// Forgets a chunk that is ready or waiting.
    pub(super) fn remove(&mut self, serial: Serial, waiting_until: Option<Duration>) {
        self.ready.remove(&serial);
        if let Some(at) = waiting_until {
            self.waiting.remove(&(at, serial));
        }
    }

    /// Offers a chunk that is ready before all others, and if need be to a destination that is not
    /// due yet.
    pub(super) fn prefer(&mut self, now: Duration, serial: Serial) {
        self.preferred = Some(serial);
        self.breaker.probe_now(now);
    }

    /// Whatever waits is ready, and the destination is due. Returns whether anything did wait.
    pub(super) fn retry_now(&mut self, now: Duration) -> bool {
        let is_due = self.breaker.probe_now(now);
        let waiting = std::mem::take(&mut self.waiting);
        let has_waited = is_due || !waiting.is_empty();
        let ready = waiting.into_keys().map(|(_, serial)| serial);
        self.ready.extend(ready);
        has_waited
    }

    /// The chunk that was asked for, or else the oldest.
    fn pop_ready(&mut self) -> Option<Serial> {
        let preferred = self.preferred.take();
        let preferred = preferred.filter(|serial| self.ready.remove(serial));
        preferred.or_else(|| self.ready.pop_first())
    }

    fn wake(&mut self, now: Duration) {
        while let Some(first) = self.waiting.first_entry() {
            let (at, serial) = *first.key();
            if at > now {
                return;
            }
            first.remove();
            self.ready.insert(serial);
        }
    }

    /// The oldest chunk that is ready, or else the one whose retry is due first.
    fn pop_probe(&mut self) -> Option<Next> {
        let serial = match self.pop_ready() {
            Some(serial) => serial,
            None => self.waiting.pop_first()?.0.1,
        };
        self.breaker.probe();
        Some(Next {
            serial,
            is_probe: true,
        })
    }

    fn release(&mut self) {
        for ((at, serial), scope) in std::mem::take(&mut self.waiting) {
            if scope == FailureScope::Chunk {
                self.waiting.insert((at, serial), scope);
            } else {
                self.ready.insert(serial);
            }
        }
    }
}
