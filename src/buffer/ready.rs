//! The short way in: small batches that came together are taken without waiting, by one write.
//!
//! Of a batch of one event the event is the least part: routing, locks, a system call and a receipt
//! cost several times as much. Here all of a run share them. Whatever needs a decision (an entry that
//! is not plain, a repeat, a full buffer, several chunk keys in one batch) ends the run before it, and
//! goes the long way: nothing is refused here. So does everything of a route with direct outputs.

use std::sync::atomic::Ordering::Relaxed;

use forebay_storage::{Append, ChunkKey, Receipt};

use super::Incoming;
use super::repeats::{Fingerprint, Repeats, Stamp, Turns};
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
    /// What it is remembered by, where batches are.
    fingerprint: Option<Fingerprint>,
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
        let mut turns = self.repeats.as_deref().map(Repeats::turns);
        let mut run = Vec::with_capacity(batches.len());
        run.push(first);
        // Each group is as large as all before it together: few times the lock for a long run, and
        // never much is looked at in vain that comes once more in the next run.
        let (mut taken, mut ready) = (0, 1);
        while take_turns(&mut turns, &mut run, taken) && run.len() == ready {
            taken = ready;
            ready = batches.len().min(2 * taken);
            if taken == ready {
                break;
            }
            let candidates = batches[taken..ready].iter().map_while(|batch| {
                let candidate = self.candidate(*batch)?;
                self.is_key_of(&candidate, &key).then_some(candidate)
            });
            run.extend(candidates);
        }
        self.append_run(&key, &run, turns)
    }

    fn candidate<'a>(&self, batch: Incoming<'a>) -> Option<Candidate<'a>> {
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
        let is_remembered = self.repeats.is_some() && !batch.batch_id.is_empty();
        if is_remembered && !Stamp::fits_behind(batch.batch_id) {
            return None;
        }
        let fingerprint =
            is_remembered.then(|| Fingerprint::of(batch.tag, batch.batch_id, batch.payload));
        Some(Candidate {
            batch,
            checked,
            fingerprint,
        })
    }

    /// Whether all events of the candidate, which has the first one's tag, belong to `key`.
    fn is_key_of(&self, candidate: &Candidate<'_>, key: &ChunkKey) -> bool {
        let key_of = || common_key(&self.keys, candidate.batch.tag, &candidate.checked);
        self.keys.time.is_none() || key_of().as_ref() == Some(key)
    }

    fn append_run(
        &self,
        key: &ChunkKey,
        run: &[Candidate<'_>],
        turns: Option<Turns<'_>>,
    ) -> Option<StoredRun> {
        let now_ns = self.clock.now().unix_ns;
        let ids = FrameIds::of(run);
        let appends = run.iter().zip(ids.iter());
        let appends: Vec<_> = appends.map(|(one, id)| self.append_of(one, id)).collect();
        // What went wrong, the long way meets again, and decides.
        let appended = self.chunks.append_run(now_ns, key, &appends).ok()?;
        let count = appended.count;
        if let Some(turns) = turns {
            let event_counts = appends[..count].iter().map(|append| append.event_count);
            turns.remember(event_counts, &appended, now_ns);
        }
        Some(self.count_run(appended.receipt, &run[..count]))
    }

    fn append_of<'a>(&self, one: &Candidate<'a>, batch_id: &'a [u8]) -> Append<'a> {
        Append {
            tag: if self.keys.tag { "" } else { one.batch.tag },
            batch_id,
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

/// Takes the right to store what is in the run from `taken` on; ends the run before the first batch of
/// which there is none. Says whether there is of all.
fn take_turns(turns: &mut Option<Turns<'_>>, run: &mut Vec<Candidate<'_>>, taken: usize) -> bool {
    let Some(turns) = turns else {
        return true;
    };
    let fingerprints = run[taken..].iter().map(|one| one.fingerprint);
    let count = taken + turns.take(fingerprints);
    let is_all = count == run.len();
    run.truncate(count);
    is_all
}

/// What the frames of a run say as their batch ids, back to back.
struct FrameIds {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl FrameIds {
    fn of(run: &[Candidate<'_>]) -> Self {
        let len_max = |one: &Candidate<'_>| Stamp::len_behind(one.batch.batch_id);
        let mut bytes = Vec::with_capacity(run.iter().map(len_max).sum());
        let ends = run.iter().map(|one| {
            let batch_id = one.batch.batch_id;
            match one.fingerprint {
                Some(batch) => Stamp::of_whole(batch).write_behind(batch_id, &mut bytes),
                None => bytes.extend_from_slice(batch_id),
            }
            bytes.len()
        });
        let ends = ends.collect();
        Self { bytes, ends }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let spans = starts.zip(&self.ends);
        spans.map(|(start, end)| &self.bytes[start..*end])
    }
}
