//! Moving a chunk that will not be tried again to the dead letters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forebay_storage::{
    Append, AppendError, Appended, ChunkId, ChunkInfo, Claim, DeadNote, ReadError, SealReason,
    SyncError,
};

use super::route::RunningRoute;
use crate::flush::{Cause, RetryState};
use crate::output::Frame;

/// How long a burial waits for room among the dead letters before the chunk goes back.
const ROOM_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a chunk could not be copied. It stays where it is.
#[derive(Debug, thiserror::Error)]
enum BuryError {
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
    /// Copies a chunk to the dead letters, with its reason and history, then settles its debt.
    ///
    /// The debt is settled only when the copy is durable: a crash in between leaves both, and the
    /// chunk is tried, and perhaps buried, again.
    pub(super) async fn bury(
        self: Arc<Self>,
        claim: Claim,
        destination: usize,
        retry: RetryState,
        cause: Cause,
    ) {
        let to = &self.destinations[destination];
        let (id, events) = (claim.id(), claim.info().event_count);
        to.stats.failed(retry.last_failure_ns);
        *to.last_error() = Some(retry.last_reason.clone());
        match self
            .copy_to_dead_letters(&claim, destination, &retry, cause)
            .await
        {
            Ok(()) => {
                tracing::error!(
                    route = %self.state.name, output = %to.name, chunk = %id, events,
                    reason = cause.word(), answer = retry.last_reason, "moved to the dead letters"
                );
                to.stats.rejected(events);
                self.catalog.remove(self.retry_key(id, destination));
                if let Err(error) = claim.reject(self.clock.now().unix_ns) {
                    tracing::error!(chunk = %id, %error, "cannot note that the chunk is buried");
                }
                self.state.scheduler().buried(id, destination);
            }
            Err(error) => {
                tracing::error!(
                    route = %self.state.name, output = %to.name, chunk = %id,
                    error = &error as &dyn std::error::Error, "cannot be moved to the dead letters"
                );
                claim.roll_back();
                self.state
                    .scheduler()
                    .not_buried(self.clock.now(), id, destination);
            }
        }
        self.state.wake.notify_one();
        self.settled.notify_one();
    }

    async fn copy_to_dead_letters(
        &self,
        claim: &Claim,
        destination: usize,
        retry: &RetryState,
        cause: Cause,
    ) -> Result<(), BuryError> {
        let note = DeadNote {
            reason: cause.word().to_owned(),
            destination: Some(self.state.outputs[destination].clone()),
            attempts: retry.failure_count,
            first_failure_ns: retry.first_failure_ns,
            last_failure_ns: retry.last_failure_ns,
            answer: retry.last_reason.clone(),
            source: Some(claim.id()),
        };
        let mut chunks = BTreeSet::new();
        let copied = self.copy_frames(claim, &note, &mut chunks).await;
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
        note: &DeadNote,
        chunks: &mut BTreeSet<ChunkId>,
    ) -> Result<(), BuryError> {
        let source = claim.info();
        let mut reader = self.chunk(claim).windows()?;
        let mut receipts = Vec::new();
        while let Some(window) = reader.next_window().await? {
            for frame in window.frames() {
                let appended = self.append_dead_letter(&source, note, frame).await?;
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
        let deadline = tokio::time::Instant::now() + ROOM_TIMEOUT;
        let attempt =
            || match self
                .dead_letters
                .append(self.clock.now().unix_ns, key, Some(note), append)
            {
                Err(
                    AppendError::Full { .. }
                    | AppendError::DiskFull(_)
                    | AppendError::OutOfFiles(_),
                ) => None,
                done => Some(done),
            };
        let appended = self.dead_room.until(Some(deadline), attempt).await;
        Ok(appended.map_err(|_| BuryError::NoRoom)??)
    }
}

#[cfg(test)]
mod tests;
