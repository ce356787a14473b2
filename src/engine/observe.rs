//! What the store tells about a route, passed on to its scheduler and its waiting senders.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_storage::{ChunkId, ChunkInfo, DamageReport, Observer, Phase, Reader, SlotState};
use tokio::sync::Notify;

use super::health::Faults;
use super::hub::{Hub, What};
use crate::buffer::{Repeats, Room};
use crate::clock::Clock;
use crate::config::plan::Ordered;
use crate::flush::{Owed, Queued, RetryState, Scheduler, Staged};

const NS_PER_S: i64 = 1_000_000_000;

/// What a route's observer and its driver share.
pub(super) struct RouteState {
    pub(super) name: Arc<str>,
    pub(super) clock: Clock,
    /// Names of the route's outputs; their indices are the scheduler's destinations.
    pub(super) outputs: Vec<String>,
    /// Told when the driver has to look again.
    pub(super) wake: Notify,
    pub(super) room: Arc<Room>,
    /// `None` if no batch is recognised when it comes again.
    pub(super) repeats: Option<Arc<Repeats>>,
    pub(super) faults: Arc<Faults>,
    /// Told of what happens.
    pub(super) hub: Arc<Hub>,
    ordered: Ordered,
    scheduler: Mutex<Scheduler>,
    /// Retry history from before the start, of chunks not queued yet.
    history: Mutex<HashMap<(ChunkId, usize), RetryState>>,
    /// Destinations that are not what they were for an earlier state of the route: nothing waits for
    /// a time that was set before.
    renewed: HashSet<usize>,
}

impl RouteState {
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own")]
    pub(super) fn new(
        name: Arc<str>,
        clock: Clock,
        outputs: Vec<String>,
        room: Arc<Room>,
        repeats: Option<Arc<Repeats>>,
        faults: Arc<Faults>,
        ordered: Ordered,
        scheduler: Scheduler,
    ) -> Self {
        Self {
            name,
            clock,
            outputs,
            wake: Notify::new(),
            room,
            repeats,
            faults,
            hub: Arc::default(),
            ordered,
            scheduler: Mutex::new(scheduler),
            history: Mutex::default(),
            renewed: HashSet::new(),
        }
    }

    /// The same, with destinations that have changed since the state before.
    pub(super) fn renewed(self, renewed: HashSet<usize>) -> Self {
        Self { renewed, ..self }
    }

    /// The same, which tells `hub` of what happens.
    pub(super) fn telling(self, hub: &Arc<Hub>) -> Self {
        let hub = Arc::clone(hub);
        Self { hub, ..self }
    }

    /// Tells of something about a chunk, if anybody listens.
    pub(super) fn tell(&self, chunk: ChunkId, what: impl FnOnce(String, String) -> What) {
        let what = || what(self.name.to_string(), chunk.to_string());
        self.hub.tell(self.clock, what);
    }

    /// The scheduler, for a moment: no call to the store or an output while it is held.
    pub(super) fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the catalogue knows of chunks that are about to be queued.
    pub(super) fn remember(&self, history: HashMap<(ChunkId, usize), RetryState>) {
        *self.history.lock().unwrap_or_else(PoisonError::into_inner) = history;
    }

    /// Tells the scheduler of a chunk that was there at the start.
    pub(super) fn found(&self, chunk: &ChunkInfo) {
        match chunk.phase {
            Phase::Staged => self.staged(chunk),
            Phase::Queued => self.queued(chunk),
            // The store tells when its seal is durable, or that it is gone.
            Phase::Sealed | Phase::Purged => {}
        }
    }

    /// What an earlier state of the route had in flight is owed as before.
    pub(super) fn given_back(&self, chunk: ChunkId, destination: usize, retry: Option<RetryState>) {
        let retry = retry.map(|retry| self.as_of_now(destination, retry));
        let now = self.clock.now();
        self.scheduler().give_back(now, chunk, destination, retry);
    }

    fn as_of_now(&self, destination: usize, retry: RetryState) -> RetryState {
        match self.renewed.contains(&destination) {
            true => RetryState {
                next_attempt_ns: self.clock.now().unix_ns,
                ..retry
            },
            false => retry,
        }
    }

    fn owed(&self, chunk: &ChunkInfo) -> Vec<Owed> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = chunk.destinations().iter().zip(&chunk.slots);
        slots
            .filter(|(_, slot)| slot.state == SlotState::Owed)
            .filter_map(|(name, _)| self.outputs.iter().position(|output| output == name))
            .map(|destination| Owed {
                destination,
                retry: history
                    .remove(&(chunk.id, destination))
                    .map(|retry| self.as_of_now(destination, retry)),
            })
            .collect()
    }

    /// Chunks with the same key have the same number.
    fn lane(&self, chunk: &ChunkInfo) -> Option<NonZeroU64> {
        (self.ordered == Ordered::Key).then(|| {
            let mut hasher = DefaultHasher::new();
            chunk.key().hash(&mut hasher);
            NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN)
        })
    }
}

impl Observer for RouteState {
    fn staged(&self, chunk: &ChunkInfo) {
        let window = chunk.key().window;
        let window_end_ns = window.map(|window| {
            let end_s = window.start_s.saturating_add(i64::from(window.len_s));
            end_s.saturating_mul(NS_PER_S)
        });
        let staged = Staged {
            chunk: chunk.id,
            created_ns: chunk.created_ns,
            window_end_ns,
        };
        // Told first, here and below: what follows from it happens at once.
        self.tell(chunk.id, |route, chunk| What::ChunkStaged { route, chunk });
        self.scheduler().staged(self.clock.now(), staged);
        self.wake.notify_one();
    }

    fn queued(&self, chunk: &ChunkInfo) {
        let queued = Queued {
            chunk: chunk.id,
            event_count: chunk.event_count,
            sealed_ns: chunk.sealed.map_or(chunk.created_ns, |(at_ns, _)| at_ns),
            lane: self.lane(chunk),
            owed: self.owed(chunk),
        };
        let (events, bytes, sealed) = (chunk.event_count, chunk.payload_bytes, chunk.sealed);
        self.tell(chunk.id, |route, chunk| What::ChunkQueued {
            route,
            chunk,
            events,
            bytes,
            reason: sealed.map_or_else(String::new, |(_, why)| format!("{why:?}").to_lowercase()),
        });
        self.scheduler().queued(self.clock.now(), queued);
        self.wake.notify_one();
    }

    fn purged(&self, chunk: &ChunkInfo) {
        self.scheduler().purged(self.clock.now(), chunk.id);
        self.tell(chunk.id, |route, chunk| What::ChunkGone { route, chunk });
    }

    fn recovering(&self, chunk: &ChunkInfo, reader: Reader) {
        if let Some(repeats) = &self.repeats {
            repeats.recovering(chunk, reader, self.clock.now().unix_ns);
        }
    }

    fn removing(&self, id: ChunkId, path: &Path) {
        if let Some(repeats) = &self.repeats {
            repeats.chunk_goes(id, path, self.clock.now().unix_ns);
        }
    }

    fn freed(&self) {
        self.room.freed();
    }

    fn damaged(&self, damage: &DamageReport) {
        self.faults.damaged(damage);
        self.tell(damage.chunk, |route, chunk| What::DamageFound {
            route,
            chunk,
            bytes: damage.len,
        });
    }

    fn sync_failed(&self, path: &Path, error: &io::Error) {
        self.faults.sync_failed(path, error);
    }
}

/// What the store tells about a route's dead letters.
pub(super) struct DeadLetterState {
    pub(super) room: Arc<Room>,
    pub(super) faults: Arc<Faults>,
}

impl Observer for DeadLetterState {
    fn freed(&self) {
        self.room.freed();
    }

    fn damaged(&self, damage: &DamageReport) {
        self.faults.damaged(damage);
    }

    fn sync_failed(&self, path: &Path, error: &io::Error) {
        self.faults.sync_failed(path, error);
    }
}
