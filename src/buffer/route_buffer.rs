//! One route's way in: validate, group, append, wait for room.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use forebay_storage::{
    Append, AppendError, Appended, ChunkKey, DeadNote, Receipt, Route, SyncError,
};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::direct::{self, Direct, Passing};
use super::repeats::{Fingerprint, Repeats, Stamp, Turn};
use super::room::{NoRoom, Room};
use super::split::{Piece, PieceLimits, pieces};
use super::stats::RouteStats;
use super::{Failed, Incoming, Refused, malformed};
use crate::chunk_key::{Group, KeySpec, group};
use crate::clock::Clock;
use crate::config::plan::Overflow;
use crate::event::{self, Checked, EntryFault, Rejected, Timestamp};
use crate::telemetry;

/// Payloads above this take longer than a task may hold its thread.
const UNHURRIED_SIZE_MIN: usize = 512 << 10;

/// How long the space of a deleted chunk may take to become free before another is deleted.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);

/// When a refused sender should try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Deletes the oldest chunk of a route that nobody is delivering.
pub trait Evict: Send + Sync {
    /// Deletes it and counts it; false if there is none.
    fn evict_oldest(&self) -> bool;
}

/// What a route's buffer is made of.
pub struct RouteBuffer {
    /// The route's name.
    pub name: String,
    /// What groups events into chunks.
    pub keys: KeySpec,
    /// Where events go.
    pub chunks: Route,
    /// Where entries go that can never be delivered.
    pub dead_letters: Route,
    /// Most bytes of payload in one chunk.
    pub chunk_limit_size: u64,
    /// Most events in one chunk.
    pub chunk_limit_records: u64,
    /// What happens to a sender when the route is full.
    pub overflow: Overflow,
    /// Where senders wait.
    pub room: Arc<Room>,
    /// Where senders wait for room among the dead letters.
    pub dead_room: Arc<Room>,
    /// Who deletes dead letters to make room for others; `None`: nobody, senders wait.
    pub dead_evict: Option<Arc<dyn Evict>>,
    /// Held by the sender that makes room.
    pub making_room: Semaphore,
    /// Who deletes chunks to make room.
    pub evict: Arc<dyn Evict>,
    /// The batches that are recognised when they come again; `None`: none are.
    pub repeats: Option<Arc<Repeats>>,
    /// Outputs that batches go to at once.
    pub direct: Direct,
    /// Whether there are outputs that take chunks; if not, nothing is stored but dead letters.
    pub has_chunks: bool,
    /// What is counted.
    pub stats: Arc<RouteStats>,
    /// Time.
    pub clock: Clock,
}

/// Where an append goes.
#[derive(Clone, Copy)]
struct Place<'a> {
    route: &'a Route,
    room: &'a Room,
    key: &'a ChunkKey,
    note: Option<&'a DeadNote>,
}

/// A batch's receipts, and how much of it they cover.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) receipts: Vec<Receipt>,
    pub(super) event_count: u64,
    pub(super) set_aside_count: u64,
    /// What of it goes to outputs at once.
    pub(super) passing: Vec<Passing>,
}

impl RouteBuffer {
    /// Appends a whole batch, or what is missing of it, and begins to send it to direct outputs;
    /// see [`super::Intake::accept`].
    pub(super) async fn accept(&self, batch: Incoming<'_>) -> Result<Stored, Refused> {
        let mut stored = self.keep(batch).await?;
        let now = Timestamp::from_ns(self.clock.now().unix_ns);
        stored.passing = direct::pass_on(&self.direct, batch, now, self.limits())?;
        Ok(stored)
    }

    /// Appends a whole batch, or what is missing of it.
    async fn keep(&self, batch: Incoming<'_>) -> Result<Stored, Refused> {
        let deadline = batch.patience.map(|patience| Instant::now() + patience);
        let repeats = self.repeats.as_deref();
        let Some(repeats) = repeats.filter(|_| !batch.batch_id.is_empty()) else {
            return self.take(batch, None, deadline).await;
        };
        let fingerprint = unhurried(batch.payload.len(), || {
            Fingerprint::of(batch.tag, batch.batch_id, batch.payload)
        });
        let turn = repeats.turn(fingerprint, deadline).await;
        let turn = turn.map_err(|no_room| match no_room {
            NoRoom::Stopping => Refused::Stopping,
            NoRoom::OutOfPatience => self.held_back("the same batch is held back".to_owned()),
        })?;
        if let Some(known) = turn.known() {
            self.stats.repeated(1, known.event_count);
            return Ok(Stored {
                receipts: known.receipts,
                event_count: known.event_count,
                set_aside_count: 0,
                passing: Vec::new(),
            });
        }
        let taken = self.take(batch, Some(&turn), deadline).await;
        self.stats.batches_remembered.store(repeats.len(), Relaxed);
        taken
    }

    /// Appends a batch that is not known, at least not as a whole.
    async fn take(
        &self,
        batch: Incoming<'_>,
        turn: Option<&Turn<'_>>,
        deadline: Option<Instant>,
    ) -> Result<Stored, Refused> {
        let checked = unhurried(batch.payload.len(), || event::check(batch.payload))
            .map_err(|error| malformed(&error, batch.payload))?;
        let mut stored = Stored::default();
        if checked.all_plain && self.fits_a_chunk(batch.payload) {
            self.store(batch, turn, &checked, deadline, &mut stored)
                .await?;
        } else {
            self.store_what_can_be(batch, turn, deadline, &mut stored)
                .await?;
        }
        Ok(stored)
    }

    /// The slow path: entries that can never be stored are set aside, the rest is stored.
    async fn store_what_can_be(
        &self,
        batch: Incoming<'_>,
        turn: Option<&Turn<'_>>,
        deadline: Option<Instant>,
        stored: &mut Stored,
    ) -> Result<(), Refused> {
        let now = Timestamp::from_ns(self.clock.now().unix_ns);
        let normalized = unhurried(batch.payload.len(), || {
            event::normalize(batch.payload, now, self.limits())
        });
        for rejected in &normalized.rejected {
            self.set_aside(batch.tag, rejected, deadline, stored)
                .await?;
        }
        let rest = Incoming {
            payload: &normalized.payload,
            ..batch
        };
        // The chunks do not say what is among the dead letters: such a batch is not remembered.
        let turn = turn.filter(|_| normalized.rejected.is_empty());
        self.store(rest, turn, &normalized.checked, deadline, stored)
            .await
    }

    fn limits(&self) -> event::Limits {
        event::Limits {
            entry_size_max: usize::try_from(self.chunk_limit_size).unwrap_or(usize::MAX),
        }
    }

    /// Stores plain entries; what of them is known already is not stored again.
    async fn store(
        &self,
        batch: Incoming<'_>,
        turn: Option<&Turn<'_>>,
        checked: &Checked,
        deadline: Option<Instant>,
        stored: &mut Stored,
    ) -> Result<(), Refused> {
        if !self.has_chunks {
            stored.event_count += checked.event_count;
            return Ok(());
        }
        let groups = group(&self.keys, batch.tag, batch.payload, checked).map_err(|fault| {
            Refused::Malformed {
                offset: 0,
                reason: fault.to_string(),
            }
        })?;
        let pieces = self.pieces(&groups);
        let payloads: Vec<_> = pieces.iter().map(|(_, piece)| piece.payload).collect();
        let stamps = turn.and_then(|turn| Some((turn, turn.stamps(&payloads)?)));
        for (index, (group, piece)) in pieces.into_iter().enumerate() {
            let known = stamps
                .as_ref()
                .map(|(turn, stamps)| (*turn, &stamps[index]));
            self.store_piece(batch, known, group, piece, deadline, stored)
                .await?;
        }
        Ok(())
    }

    /// What one append can hold, with the group it is of.
    fn pieces<'g>(&self, groups: &'g [Group<'_>]) -> Vec<(&'g Group<'g>, Piece<'g>)> {
        let limits = PieceLimits {
            size_max: self.chunk_limit_size,
            event_count_max: self.chunk_limit_records,
        };
        let of_group = |group: &'g Group<'_>| {
            let pieces = pieces(&group.payload, group.checked.event_count, limits);
            pieces.into_iter().map(move |piece| (group, piece))
        };
        groups.iter().flat_map(of_group).collect()
    }

    async fn store_piece(
        &self,
        batch: Incoming<'_>,
        known: Option<(&Turn<'_>, &Stamp)>,
        group: &Group<'_>,
        piece: Piece<'_>,
        deadline: Option<Instant>,
        stored: &mut Stored,
    ) -> Result<(), Refused> {
        stored.event_count += piece.event_count;
        if let Some(receipt) = known.and_then(|(turn, stamp)| turn.known_piece(stamp)) {
            stored.receipts.extend(receipt);
            self.stats.repeated(0, piece.event_count);
            return Ok(());
        }
        let stamped = known.and_then(|(_, stamp)| stamp.behind(batch.batch_id));
        let as_stored = Incoming {
            batch_id: stamped.as_deref().unwrap_or(batch.batch_id),
            ..batch
        };
        let appended = self.append(as_stored, group, piece, deadline).await?;
        if let (Some((turn, stamp)), Some(_)) = (known, stamped) {
            let event_count = u32::try_from(piece.event_count).unwrap_or(u32::MAX);
            let now_ns = self.clock.now().unix_ns;
            turn.remember(stamp, event_count, &appended, now_ns);
        }
        stored.receipts.push(appended.receipt);
        self.stats
            .stored(piece.event_count, byte_count(piece.payload));
        Ok(())
    }

    async fn append(
        &self,
        batch: Incoming<'_>,
        group: &Group<'_>,
        piece: Piece<'_>,
        deadline: Option<Instant>,
    ) -> Result<Appended, Refused> {
        let append = Append {
            tag: if self.keys.tag { "" } else { batch.tag },
            batch_id: batch.batch_id,
            payload: piece.payload,
            event_count: u32::try_from(piece.event_count).unwrap_or(u32::MAX),
            time_min_ns: group.checked.time_min.ns(),
            time_max_ns: group.checked.time_max.ns(),
        };
        let place = Place {
            route: &self.chunks,
            room: &self.room,
            key: &group.key,
            note: None,
        };
        match self.try_append(place, append) {
            Err(AppendError::Invalid(why)) => {
                let note = at_intake("not an event", why);
                self.bury(batch.tag, &note, append, deadline).await
            }
            // That passes soon, and to delete a chunk would not help.
            Err(AppendError::OutOfFiles(_)) => self.wait(place, append, deadline).await,
            Err(error) if error.is_full() => match self.overflow {
                Overflow::Reject => Err(self.refused(&error)),
                Overflow::Block => self.wait(place, append, deadline).await,
                Overflow::DropOldestChunk => {
                    self.make_room(&*self.evict, place, append, deadline).await
                }
            },
            done => done.map_err(|error| self.refused(&error)),
        }
    }

    fn try_append(&self, place: Place<'_>, append: Append<'_>) -> Result<Appended, AppendError> {
        let now_ns = self.clock.now().unix_ns;
        unhurried(append.payload.len(), || {
            place.route.append(now_ns, place.key, place.note, append)
        })
    }

    /// Deletes the oldest chunks, one by one, until the append fits.
    ///
    /// The store frees a deleted chunk's space a moment later, so each is waited for before the
    /// next is deleted, and one sender at a time makes room.
    async fn make_room(
        &self,
        evict: &dyn Evict,
        place: Place<'_>,
        append: Append<'_>,
        deadline: Option<Instant>,
    ) -> Result<Appended, Refused> {
        let _turn = self.making_room.acquire().await;
        let mut attempt = || match self.try_append(place, append) {
            Err(error) if error.is_full() => None,
            done => Some(done),
        };
        let mut made = attempt();
        while made.is_none() && evict.evict_oldest() {
            let freed_by = Instant::now() + EVICTION_TIMEOUT;
            match place.room.until(Some(freed_by), &mut attempt).await {
                Ok(done) => made = Some(done),
                Err(NoRoom::OutOfPatience) => {}
                Err(NoRoom::Stopping) => return Err(Refused::Stopping),
            }
        }
        match made {
            Some(done) => done.map_err(|error| self.refused(&error)),
            None => self.wait(place, append, deadline).await,
        }
    }

    /// Holds the sender back until the append has room.
    async fn wait(
        &self,
        place: Place<'_>,
        append: Append<'_>,
        deadline: Option<Instant>,
    ) -> Result<Appended, Refused> {
        let _held_back = self.stats.hold_back();
        let mut full = String::new();
        let attempt = || match self.try_append(place, append) {
            Err(error) if error.may_pass() => {
                full = error.to_string();
                None
            }
            done => Some(done),
        };
        match place.room.until(deadline, attempt).await {
            Ok(done) => done.map_err(|error| self.refused(&error)),
            Err(NoRoom::Stopping) => Err(Refused::Stopping),
            Err(NoRoom::OutOfPatience) => Err(self.held_back(full)),
        }
    }

    /// Keeps entries that can never be delivered, with the reason.
    async fn set_aside(
        &self,
        tag: &str,
        rejected: &Rejected,
        deadline: Option<Instant>,
        stored: &mut Stored,
    ) -> Result<(), Refused> {
        let counter = match rejected.why {
            EntryFault::TooLarge => &self.stats.set_aside_too_large,
            _ => &self.stats.set_aside_malformed,
        };
        let append = Append {
            tag,
            batch_id: &[],
            payload: &rejected.payload,
            event_count: u32::try_from(rejected.event_count).unwrap_or(u32::MAX),
            time_min_ns: 0,
            time_max_ns: 0,
        };
        let note = at_intake("not an event", &rejected.why.to_string());
        let appended = self.bury(tag, &note, append, deadline).await?;
        stored.receipts.push(appended.receipt);
        stored.set_aside_count += rejected.event_count;
        counter.fetch_add(rejected.event_count, Relaxed);
        Ok(())
    }

    /// Keeps events that somebody before the route has given up.
    pub(super) async fn bury_failed(&self, failed: Failed<'_>) -> Result<Stored, Refused> {
        let deadline = failed.patience.map(|patience| Instant::now() + patience);
        let note = at_intake(failed.reason, failed.detail);
        let append = Append {
            tag: failed.tag,
            batch_id: &[],
            payload: failed.payload,
            event_count: u32::try_from(failed.event_count).unwrap_or(u32::MAX),
            time_min_ns: 0,
            time_max_ns: 0,
        };
        let appended = self.bury(failed.tag, &note, append, deadline).await?;
        Ok(Stored {
            receipts: vec![appended.receipt],
            event_count: 0,
            set_aside_count: failed.event_count,
            passing: Vec::new(),
        })
    }

    /// Appends to the dead letters what no chunk of the route can take.
    async fn bury(
        &self,
        tag: &str,
        note: &DeadNote,
        append: Append<'_>,
        deadline: Option<Instant>,
    ) -> Result<Appended, Refused> {
        let append = Append { tag, ..append };
        let place = Place {
            route: &self.dead_letters,
            room: &self.dead_room,
            key: &ChunkKey::default(),
            note: Some(note),
        };
        match (self.try_append(place, append), self.dead_evict.as_deref()) {
            (Err(error), Some(evict)) if error.is_full() => {
                self.make_room(evict, place, append, deadline).await
            }
            (Err(error), _) if error.may_pass() => self.wait(place, append, deadline).await,
            (done, _) => done.map_err(|error| self.refused(&error)),
        }
    }

    pub(super) fn fits_a_chunk(&self, payload: &[u8]) -> bool {
        byte_count(payload) <= self.chunk_limit_size
    }

    fn refused(&self, error: &AppendError) -> Refused {
        match error {
            AppendError::Closed => Refused::Stopping,
            full if full.may_pass() => self.held_back(full.to_string()),
            _ => {
                self.stats.refused_unwritten.fetch_add(1, Relaxed);
                Refused::NotStored {
                    route: self.name.clone(),
                    reason: telemetry::reason(error),
                }
            }
        }
    }

    /// Notes that what was offered at `since`, by the monotonic clock, is durable.
    pub(super) fn durable_since(&self, since: Duration) {
        let took = self.clock.monotonic().saturating_sub(since);
        self.stats.append_latency.observe(took);
    }

    /// What the sender of a batch is told whose bytes could not be synced.
    pub(super) fn not_durable(&self, error: &SyncError) -> Refused {
        self.stats.refused_unsynced.fetch_add(1, Relaxed);
        Refused::NotStored {
            route: self.name.clone(),
            reason: telemetry::reason(error),
        }
    }

    fn held_back(&self, reason: String) -> Refused {
        self.stats.refused_full.fetch_add(1, Relaxed);
        Refused::HeldBack {
            route: self.name.clone(),
            reason,
            retry_after: RETRY_AFTER,
        }
    }
}

/// One note for each kind of fault, so that entries with the same fault share a chunk.
fn at_intake(reason: &str, why: &str) -> DeadNote {
    DeadNote {
        reason: reason.to_owned(),
        destination: None,
        attempts: 0,
        first_failure_ns: 0,
        last_failure_ns: 0,
        answer: why.to_owned(),
        source: None,
    }
}

/// Does `work` on so many bytes; if they are many, so that the runtime's other tasks go on.
pub(crate) fn unhurried<T>(size: usize, work: impl FnOnce() -> T) -> T {
    let is_multi_thread = || {
        Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
    };
    if size > UNHURRIED_SIZE_MIN && is_multi_thread() {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

pub(super) fn byte_count(payload: &[u8]) -> u64 {
    u64::try_from(payload.len()).unwrap_or(u64::MAX)
}
