//! Moving what will not be tried again, a chunk or records of it, to the dead letters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use forebay_storage::{
    Append, AppendError, Appended, ChunkId, ChunkInfo, Claim, DeadNote, ReadError, SealReason,
    SyncError,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::hub::What;
use super::route::{Destination, RunningRoute, share_of};
use crate::buffer::{DeadLetterBounds, DropCounts};
use crate::clock::Clock;
use crate::config::plan::GivenUp;
use crate::flush::{AfterBurial, Burial, Cause, RangeSet};
use crate::output::{Chunk, Frame};

/// How long a burial waits for room among the dead letters before the chunk goes back.
const ROOM_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a deleted dead letter may take to leave its space.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);

/// How long until dead letters are looked at again, at most.
const EXPIRY_RECHECK: Duration = Duration::from_secs(60);

/// Why a chunk could not be copied. It stays where it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuryError {
    #[error("cannot read the chunk")]
    Read(#[from] ReadError),
    #[error("cannot append to the dead letters")]
    Append(#[from] AppendError),
    #[error("the dead letters could not be synced")]
    Sync(#[from] SyncError),
    #[error("the dead letters have no room")]
    NoRoom,
}

impl RunningRoute {
    /// Copies records of a chunk to the dead letters, or drops them, as the scheduler decides, then
    /// settles the debt or gives the rest back.
    ///
    /// The debt is settled only when the copy is durable: a crash in between leaves both, and the
    /// chunk is tried, and perhaps buried, again.
    ///
    /// # Errors
    /// [`BuryError`], which has been logged; what is left of the chunk is tried again later.
    pub(super) async fn bury(
        self: Arc<Self>,
        claim: Claim,
        burial: Burial,
    ) -> Result<(), BuryError> {
        let buried = self.bury_all(claim, burial).await;
        self.state.wake.notify_one();
        self.settled.notify_one();
        buried
    }

    async fn bury_all(&self, claim: Claim, mut burial: Burial) -> Result<(), BuryError> {
        let (id, destination) = (burial.chunk, burial.destination);
        loop {
            if let Err(error) = self.give_up(&claim, &burial).await {
                self.not_buried(claim, &burial, &error);
                return Err(error);
            }
            let next = self
                .state
                .scheduler()
                .buried(self.clock.now(), id, destination);
            match next {
                AfterBurial::Next(next) => burial = next,
                AfterBurial::Settled | AfterBurial::Gone => {
                    self.catalog.remove(self.retry_key(id, destination));
                    if let Err(error) = claim.reject(self.clock.now().unix_ns) {
                        tracing::error!(chunk = %id, %error, "cannot note that the chunk is buried");
                    }
                    self.given_back(id, destination, None);
                    return Ok(());
                }
                AfterBurial::Open(retry) => {
                    self.remember(id, destination, retry.clone());
                    // Before the scheduler offers it: it can be claimed once at a time.
                    claim.roll_back();
                    self.state.scheduler().resume(id, destination);
                    self.given_back(id, destination, Some(retry));
                    return Ok(());
                }
            }
        }
    }

    /// Keeps the records as dead letters or drops them, and counts them.
    async fn give_up(&self, claim: &Claim, burial: &Burial) -> Result<(), BuryError> {
        let info = claim.info();
        let records = burial.records.as_ref();
        let events = records.map_or(info.event_count, RangeSet::len);
        let to = &self.destinations[burial.destination];
        if self.is_dropped(burial.cause) {
            let bytes = share_of(info.payload_bytes, events, info.event_count);
            self.drop_counts(burial.cause).count(events, bytes);
            tracing::warn!(
                route = %self.state.name, output = %to.name, chunk = %info.id, events,
                reason = burial.cause.word(), answer = burial.retry.last_reason,
                "dropped, as the configuration says"
            );
        } else {
            self.copy_to_dead_letters(claim, burial).await?;
            tracing::error!(
                route = %self.state.name, output = %to.name, chunk = %info.id, events,
                reason = burial.cause.word(), answer = burial.retry.last_reason,
                "moved to the dead letters"
            );
        }
        let stats = &self.stats;
        let counter = match burial.cause {
            Cause::Rejected => &stats.events_rejected,
            Cause::Exhausted => &stats.events_exhausted,
            Cause::Expired => &stats.events_expired,
            Cause::Operator => &stats.events_buried_by_operator,
        };
        counter.fetch_add(events, Relaxed);
        self.tell_given_up(to, burial, info.id, events);
        to.stats.rejected(events);
        Ok(())
    }

    fn tell_given_up(&self, to: &Destination, burial: &Burial, id: ChunkId, events: u64) {
        let reason = burial.cause.word().to_owned();
        let is_dropped = self.is_dropped(burial.cause);
        self.state.tell(id, |route, chunk| match is_dropped {
            true => What::ChunkDropped {
                route,
                chunk,
                events,
                reason,
            },
            false => What::ChunkBuried {
                route,
                output: to.name.to_string(),
                chunk,
                events,
                reason,
                answer: burial.retry.last_reason.clone(),
            },
        });
    }

    fn not_buried(&self, claim: Claim, burial: &Burial, error: &BuryError) {
        let to = &self.destinations[burial.destination];
        tracing::error!(
            route = %self.state.name, output = %to.name, chunk = %burial.chunk,
            error = error as &dyn std::error::Error, "cannot be moved to the dead letters"
        );
        claim.roll_back();
        self.state
            .scheduler()
            .not_buried(self.clock.now(), burial.chunk, burial.destination);
        self.given_back(burial.chunk, burial.destination, Some(burial.retry.clone()));
    }

    /// Whether the configuration has such records deleted; what a destination rejects, or the operator
    /// buries, never is.
    fn is_dropped(&self, cause: Cause) -> bool {
        let last_resort = match cause {
            Cause::Rejected | Cause::Operator => GivenUp::DeadLetter,
            Cause::Exhausted => self.last_resorts.on_exhausted,
            Cause::Expired => self.last_resorts.on_expired,
        };
        last_resort == GivenUp::Drop
    }

    fn drop_counts(&self, cause: Cause) -> &DropCounts {
        match cause {
            Cause::Expired => &self.stats.dropped_expired,
            Cause::Rejected | Cause::Exhausted | Cause::Operator => &self.stats.dropped_exhausted,
        }
    }

    async fn copy_to_dead_letters(&self, claim: &Claim, burial: &Burial) -> Result<(), BuryError> {
        let retry = &burial.retry;
        let note = DeadNote {
            reason: burial.cause.word().to_owned(),
            destination: Some(self.state.outputs[burial.destination].clone()),
            attempts: retry.failure_count,
            first_failure_ns: retry.first_failure_ns,
            last_failure_ns: retry.last_failure_ns,
            answer: retry.last_reason.clone(),
            source: Some(claim.id()),
        };
        let chunk = self.chunk(claim);
        let chunk = match &burial.records {
            None => chunk,
            Some(records) => chunk.part(records.clone()),
        };
        let mut chunks = BTreeSet::new();
        let copied = self.copy_frames(claim, &chunk, &note, &mut chunks).await;
        if copied.is_err() {
            // Part of a copy is of no use to anybody, and would take the room of the next attempt.
            for chunk in chunks {
                self.dead_letters.purge(chunk);
            }
        }
        copied
    }

    /// Appends every frame of the chunk, then seals the copy, since nothing else belongs into it,
    /// and waits until it is durable. `chunks` are those that hold it: the note is in no other.
    async fn copy_frames(
        &self,
        claim: &Claim,
        chunk: &Chunk,
        note: &DeadNote,
        chunks: &mut BTreeSet<ChunkId>,
    ) -> Result<(), BuryError> {
        let source = claim.info();
        let mut reader = chunk.windows()?;
        let mut receipts = Vec::new();
        while let Some(window) = reader.next_window().await? {
            for frame in window.frames() {
                let appended = self
                    .append_dead_letter(&source, note, frame, chunks)
                    .await?;
                chunks.insert(appended.chunk);
                receipts.push(appended.receipt);
            }
        }
        for chunk in chunks.iter() {
            self.dead_letters
                .seal(*chunk, SealReason::Request, self.clock.now().unix_ns);
        }
        for receipt in receipts {
            receipt.await?;
        }
        Ok(())
    }

    async fn append_dead_letter(
        &self,
        source: &ChunkInfo,
        note: &DeadNote,
        frame: Frame<'_>,
        copy: &BTreeSet<ChunkId>,
    ) -> Result<Appended, BuryError> {
        let key = source.key();
        let (time_min_ns, time_max_ns) = source.time_range_ns.unwrap_or_default();
        let append = Append {
            tag: if key.tag.is_some() { "" } else { frame.tag },
            batch_id: frame.batch_id,
            payload: frame.payload,
            event_count: frame.event_count,
            time_min_ns,
            time_max_ns,
        };
        let deadline = Instant::now() + ROOM_TIMEOUT;
        let attempt =
            || match self
                .dead_letters
                .append(self.clock.now().unix_ns, key, Some(note), append)
            {
                Err(error) if error.may_pass() => None,
                done => Some(done),
            };
        let mut appended = attempt();
        while appended.is_none() && self.makes_dead_room(copy) {
            // The store frees the space a moment later.
            let freed_by = deadline.min(Instant::now() + EVICTION_TIMEOUT);
            appended = self.dead_room.until(Some(freed_by), attempt).await.ok();
        }
        if let Some(done) = appended {
            return Ok(done?);
        }
        let appended = self.dead_room.until(Some(deadline), attempt).await;
        Ok(appended.map_err(|_| BuryError::NoRoom)??)
    }

    /// Deletes the oldest dead letter that is not part of `copy`, if the configuration wants it.
    fn makes_dead_room(&self, copy: &BTreeSet<ChunkId>) -> bool {
        let bounds = self.dead_evict.as_ref();
        bounds.is_some_and(|bounds| bounds.evict_oldest(copy))
    }
}

/// Deletes dead letters when they are `age_max` old, until `stop` is cancelled.
pub(super) async fn expire(
    bounds: DeadLetterBounds,
    age_max: Duration,
    clock: Clock,
    stop: CancellationToken,
) {
    loop {
        let now_ns = clock.now().unix_ns;
        let oldest_ns = bounds.expire(now_ns, age_max);
        let age_ns = oldest_ns.map_or(0, |oldest_ns| now_ns.saturating_sub(oldest_ns));
        let age = Duration::from_nanos(u64::try_from(age_ns).unwrap_or(0));
        // The wall clock may be set meanwhile.
        let wait = age_max.saturating_sub(age).min(EXPIRY_RECHECK);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests;
