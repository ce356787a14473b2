//! The short way in: small batches that came together are taken without waiting, by one write.
//!
//! Of a batch of one event the event is the least part: routing, locks, a system call and a receipt
//! cost several times as much. Here all of a run share them. Whatever needs a decision (an entry that
//! is not plain, a repeat, a full buffer, several chunk keys in one batch) ends the run before it, and
//! goes the long way: nothing is refused here. So does everything of a route with direct outputs.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use forebay_storage::{Append, Appended, ChunkKey, Receipt};

use super::Incoming;
use super::repeats::{Fingerprint, Stamp, Turn};
use super::route_buffer::{RouteBuffer, byte_count};
use crate::chunk_key::common_key;
use crate::event::{self, Checked};

/// A longer payload gains nothing: its bytes would be copied once more.
pub const READY_SIZE_MAX: usize = 4 * 1024;

/// Batches that were taken together.
pub(super) struct StoredRun {
    pub(super) receipt: Receipt,
    pub(super) batch_count: usize,
    pub(super) event_count: u64,
}

/// A batch that may be taken.
struct Candidate<'a> {
    batch: Incoming<'a>,
    checked: Checked,
    /// What its frame says as its batch id.
    batch_id: Cow<'a, [u8]>,
    /// The right to store it, where batches are remembered.
    turn: Option<(Turn<'a>, Stamp)>,
}

impl RouteBuffer {
    /// Appends the first of `batches`, which have one tag, and as many more as can be; see
    /// [`super::Intake::accept_ready`].
    pub(super) fn accept_ready(&self, batches: &[Incoming<'_>]) -> Option<StoredRun> {
        if !self.direct.is_empty() {
            return None;
        }
        let first = self.candidate(*batches.first()?)?;
        let key = common_key(&self.keys, first.batch.tag, &first.checked)?;
        let mut run = Vec::with_capacity(batches.len());
        run.push(first);
        let others = batches[1..].iter();
        run.extend(others.map_while(|batch| {
            let candidate = self.candidate(*batch)?;
            self.is_key_of(&candidate, &key).then_some(candidate)
        }));
        self.append_run(&key, &run)
    }

    fn candidate<'a>(&'a self, batch: Incoming<'a>) -> Option<Candidate<'a>> {
        let size = batch.payload.len();
        if size > READY_SIZE_MAX || !self.fits_a_chunk(batch.payload) {
            return None;
        }
        let checked = event::check(batch.payload).ok()?;
        let is_usual =
            checked.all_plain && (1..=self.chunk_limit_records).contains(&checked.event_count);
        if !is_usual {
            return None;
        }
        let (turn, batch_id) = match &self.repeats {
            Some(repeats) if !batch.batch_id.is_empty() => {
                let fingerprint = Fingerprint::of(batch.tag, batch.batch_id, batch.payload);
                let turn = repeats.turn_now(fingerprint)?;
                let stamp = Stamp::of_whole(fingerprint);
                let batch_id = stamp.behind(batch.batch_id)?.into();
                (Some((turn, stamp)), batch_id)
            }
            _ => (None, batch.batch_id.into()),
        };
        let is_known = |(turn, _): &(Turn<'_>, Stamp)| turn.known().is_some();
        if turn.as_ref().is_some_and(is_known) {
            return None;
        }
        Some(Candidate {
            batch,
            checked,
            batch_id,
            turn,
        })
    }

    /// Whether all events of the candidate, which has the first one's tag, belong to `key`.
    fn is_key_of(&self, candidate: &Candidate<'_>, key: &ChunkKey) -> bool {
        let key_of = || common_key(&self.keys, candidate.batch.tag, &candidate.checked);
        self.keys.time.is_none() || key_of().as_ref() == Some(key)
    }

    fn append_run(&self, key: &ChunkKey, run: &[Candidate<'_>]) -> Option<StoredRun> {
        let now_ns = self.clock.now().unix_ns;
        let appends: Vec<_> = run.iter().map(|one| self.append_of(one)).collect();
        // What went wrong, the long way meets again, and decides.
        let appended = self.chunks.append_run(now_ns, key, &appends).ok()?;
        let taken = &run[..appended.count];
        let (receipt, chunk) = (appended.receipt, appended.chunk);
        for (one, append) in taken.iter().zip(&appends) {
            if let Some((turn, stamp)) = &one.turn {
                let receipt = receipt.clone();
                let appended = Appended { receipt, chunk };
                turn.remember(stamp, append.event_count, &appended, now_ns);
            }
        }
        Some(self.count_run(receipt, taken))
    }

    fn append_of<'a>(&self, one: &'a Candidate<'_>) -> Append<'a> {
        Append {
            tag: if self.keys.tag { "" } else { one.batch.tag },
            batch_id: &one.batch_id,
            payload: one.batch.payload,
            event_count: u32::try_from(one.checked.event_count).unwrap_or(u32::MAX),
            time_min_ns: one.checked.time_min.ns(),
            time_max_ns: one.checked.time_max.ns(),
        }
    }

    fn count_run(&self, receipt: Receipt, taken: &[Candidate<'_>]) -> StoredRun {
        let event_count = taken.iter().map(|one| one.checked.event_count).sum();
        let bytes = taken.iter().map(|one| byte_count(one.batch.payload)).sum();
        self.stats
            .stored_run(taken.len() as u64, event_count, bytes);
        if let Some(repeats) = &self.repeats {
            self.stats.batches_remembered.store(repeats.len(), Relaxed);
        }
        StoredRun {
            receipt,
            batch_count: taken.len(),
            event_count,
        }
    }
}
