//! Recognising a batch that a sender repeats because it missed our acknowledgement.
//!
//! Losing an event is worse than storing one twice. So a batch counts as known only if
//! - its tag, its id (forward's `chunk`, HTTP's `Idempotency-Key`) and all its bytes are the same, by a
//!   hash of 128 bits: ids that begin again after a sender's restart cost nothing but memory;
//! - every piece of it was stored, all of them of one way to split it. A batch that was stored in part
//!   (a kill between two pieces, a refusal half way) is completed: its missing pieces are stored;
//! - no receipt of it has failed. The repeat is acknowledged when the first one's receipts resolve.
//!
//! Where it is remembered:
//! - Each frame says in its batch id which piece of which batch it is ([`Stamp`]), so what is on disk
//!   is remembered by the chunk files themselves: there is nothing beside them to keep in step.
//! - Chunks go when they are delivered. Just before a chunk's file is removed its stamps are written to
//!   a small [`Journal`]: a killed process leaves the file or the record, or both. The catalogue would
//!   not do: sled keeps what it was told in memory for seconds.
//! - At the start both are read into the [`Index`], newest chunks first: those that were sealed within
//!   the window, until the number or [`LOAD_BYTES_MAX`] is reached. Small chunks are read once, by the store's
//!   recovery, and shown to us; the others are opened for it. Frames are read whole: only one with
//!   a sound body may be acknowledged once more. What they hold is synced first, since a repeat of it is
//!   acknowledged without a sync of its own.
//!
//! Stored again all the same is a batch (a) that comes after the window, after too many others, or after
//! a restart behind [`LOAD_BYTES_MAX`] of newer ones that were not delivered; (b)
//! of which something was set aside as a dead letter; (c) whose chunk was delivered and removed within
//! the last seconds before a power cut, since the journal is not synced; (d) whose journal record
//! could not be written because the disk was full; (e) of events that the HTTP input gives the time of
//! their arrival, which differs each time; (f) that was refused because of a failed sync, and whose chunk
//! could not be cut back before the process ended.
//!
//! Memory: about 60 bytes for each piece, and 130 for each chunk that holds some: for 100,000 in each route
//! 6 MB if the chunks are few, 20 MB at most, and none before the first batch with an id comes; on disk 104
//! bytes. Time: the hash takes 4 us for 1,000 events of 225 bytes, about one in a hundred of what storing
//! them costs; batches that are taken together share the locks.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use forebay_storage::{
    Appended, AppendedRun, ChunkId, ChunkInfo, Fs, ReadError, Reader, Receipt, Route,
};
use tokio::time::Instant;

use super::room::{NoRoom, Room};
use crate::config::plan::DeduplicatePlan;

mod index;
mod journal;
mod seed;
mod stamp;

use index::{Index, Stored, Whole};
use journal::{Journal, Record};
use seed::Seed;
pub(super) use stamp::{Fingerprint, Stamp};

/// Most payload that is read at the start, so that a large backlog does not hold it up.
const LOAD_BYTES_MAX: u64 = 1 << 30;

/// From so many chunks on a second thread reads, too: most of the time goes into the system's calls.
const SHARED_FROM: usize = 128;

/// The batches that a route remembers.
pub struct Repeats {
    fs: Arc<dyn Fs>,
    window_ns: i64,
    piece_count_max: usize,
    known: Mutex<Known>,
    /// `None` if its files cannot be used: then nothing outlives its chunk.
    journal: Mutex<Option<Journal>>,
    /// What has been found on disk, until [`Repeats::loaded`].
    loading: Mutex<Option<Loading>>,
    /// Where senders wait whose batch somebody else is storing.
    room: Room,
    journal_failures: AtomicU64,
}

/// What nobody else needs to store.
struct Known {
    index: Index,
    /// Batches that are being stored at this moment.
    taken: HashSet<Fingerprint, Seed>,
}

/// What is known before the work begins.
#[derive(Default)]
struct Loading {
    found: Vec<Found>,
    /// Chunks that need not be opened.
    seen: Vec<ChunkId>,
    /// Pieces that small chunks remember.
    seen_piece_count: usize,
}

/// What a chunk's frames say.
struct Remembered {
    records: Vec<Record>,
    /// Whether nothing in the chunk was damaged.
    is_sound: bool,
}

/// A piece that was found on disk.
struct Found {
    record: Record,
    chunk: Option<ChunkId>,
}

/// The right to store one batch; others that bring the same wait until it is dropped.
pub(super) struct Turn<'a> {
    repeats: &'a Repeats,
    batch: Fingerprint,
}

/// The right to store several batches, each as one piece, as a [`Turn`] is to store one.
pub(super) struct Turns<'a> {
    repeats: &'a Repeats,
    /// `None` has no id, and is not remembered.
    batches: Vec<Option<Fingerprint>>,
}

impl Repeats {
    /// What the journal in the folder `dir` knows, which is made if it is absent. A journal that cannot
    /// be used costs the memory of chunks that are gone; why is the second value.
    pub fn open(
        fs: Arc<dyn Fs>,
        dir: PathBuf,
        plan: &DeduplicatePlan,
        room: Room,
    ) -> (Self, Option<io::Error>) {
        let window_ns = i64::try_from(plan.window.as_nanos()).unwrap_or(i64::MAX);
        let mut found = Vec::new();
        let opened = Journal::open(
            Arc::clone(&fs),
            dir,
            plan.batches_max as u64,
            window_ns,
            |record| {
                found.push(Found {
                    record,
                    chunk: None,
                });
            },
        );
        let (journal, problem) = match opened {
            Ok(journal) => (Some(journal), None),
            Err(error) => (None, Some(error)),
        };
        let seed = Seed::random();
        let known = Known {
            index: Index::new(window_ns, plan.batches_max, seed),
            taken: HashSet::with_hasher(seed),
        };
        let repeats = Self {
            fs,
            window_ns,
            piece_count_max: plan.batches_max,
            known: Mutex::new(known),
            journal: Mutex::new(journal),
            loading: Mutex::new(Some(Loading {
                found,
                ..Loading::default()
            })),
            room,
            journal_failures: AtomicU64::new(0),
        };
        (repeats, problem)
    }

    /// Takes in what a small chunk remembers, while its route is recovered. A damaged one is left to
    /// [`load`](Self::load), whose reading has the damage set aside.
    pub fn recovering(&self, chunk: &ChunkInfo, reader: Reader, now_ns: i64) {
        let mut loading = lock(&self.loading);
        let Some(loading) = loading.as_mut() else {
            return;
        };
        let at_ns = sealed_ns(chunk, now_ns);
        let is_wanted =
            self.is_recent(at_ns, now_ns) && loading.seen_piece_count < self.piece_count_max;
        if is_wanted {
            match read(reader, at_ns) {
                Ok(Remembered {
                    records,
                    is_sound: true,
                }) => {
                    loading.seen_piece_count += records.len();
                    loading.note(&records, Some(chunk.id));
                }
                Ok(_) | Err(_) => return,
            }
        }
        loading.seen.push(chunk.id);
    }

    /// Reads what the recovered chunks of `route` remember, newest first, and begins to work. Their
    /// bytes must be durable: a repeat of them is acknowledged without a sync.
    pub fn load(&self, route: &Route, chunks: &[ChunkInfo], now_ns: i64) {
        let next = Mutex::new(self.to_load(chunks, self.seen(), now_ns));
        let piece_count = AtomicUsize::new(0);
        let read_on = || {
            while piece_count.load(Relaxed) < self.piece_count_max {
                let Some((id, at_ns)) = lock(&next).next() else {
                    break;
                };
                piece_count.fetch_add(self.load_chunk(route, id, at_ns), Relaxed);
            }
        };
        thread::scope(|scope| {
            if chunks.len() >= SHARED_FROM {
                let builder = thread::Builder::new().name("forebay-load".to_owned());
                // Without it this thread reads them all.
                let _ = builder.spawn_scoped(scope, read_on);
            }
            read_on();
        });
        self.loaded(now_ns);
    }

    /// The chunks of which something may be known, newest first, and when they were sealed.
    fn to_load(
        &self,
        chunks: &[ChunkInfo],
        seen: Vec<ChunkId>,
        now_ns: i64,
    ) -> impl Iterator<Item = (ChunkId, i64)> + Send {
        let mut byte_count = 0;
        let unseen = chunks
            .iter()
            .rev()
            .filter(move |chunk| seen.binary_search(&chunk.id).is_err());
        let recent = unseen.filter_map(move |chunk| {
            let at_ns = sealed_ns(chunk, now_ns);
            self.is_recent(at_ns, now_ns).then_some((chunk, at_ns))
        });
        recent.map_while(move |(chunk, at_ns)| {
            byte_count += chunk.data_bytes;
            (byte_count <= LOAD_BYTES_MAX).then_some((chunk.id, at_ns))
        })
    }

    /// The chunks that need not be opened, in the order of their ids.
    fn seen(&self) -> Vec<ChunkId> {
        let loading = &mut *lock(&self.loading);
        let mut seen = loading
            .as_mut()
            .map(|loading| std::mem::take(&mut loading.seen))
            .unwrap_or_default();
        seen.sort_unstable();
        seen
    }

    fn is_recent(&self, at_ns: i64, now_ns: i64) -> bool {
        now_ns.saturating_sub(at_ns) <= self.window_ns
    }

    /// Gives how many pieces the chunk remembers.
    fn load_chunk(&self, route: &Route, id: ChunkId, at_ns: i64) -> usize {
        match route.read(id).and_then(|reader| read(reader, at_ns)) {
            Ok(Remembered { records, .. }) => {
                if let Some(loading) = lock(&self.loading).as_mut() {
                    loading.note(&records, Some(id));
                }
                records.len()
            }
            Err(error) => {
                tracing::warn!(chunk = %id, %error, "cannot read what a chunk remembers");
                0
            }
        }
    }

    /// Begins to work with what was found so far.
    pub fn loaded(&self, now_ns: i64) {
        let Loading { mut found, .. } = lock(&self.loading).take().unwrap_or_default();
        // Together, so that two splits of one batch do not push each other out piece by piece.
        found.sort_by_key(|found| (found.record.at_ns, found.record.stamp.split));
        let index = &mut lock(&self.known).index;
        for Found { record, chunk } in found {
            let at_ns = record.at_ns.min(now_ns);
            // Nothing that is on disk waits for a receipt.
            if !self.is_recent(at_ns, now_ns) || index.is_complete(record.stamp.batch) {
                continue;
            }
            let stored = Stored {
                chunk,
                receipt: None,
            };
            let piece = (record.stamp, record.event_count);
            index.remember([piece].into_iter(), stored, at_ns);
        }
    }

    /// A chunk's file is about to be removed: what it remembers goes to the journal. Called by the
    /// store's observer, also while the store recovers.
    pub fn chunk_goes(&self, id: ChunkId, path: &std::path::Path, now_ns: i64) {
        let records = if let Some(loading) = lock(&self.loading).as_mut() {
            // It was delivered, and its removal was cut short.
            let reader = Reader::open(&*self.fs, path);
            let remembered = reader.and_then(|reader| read(reader, now_ns));
            let records = remembered.map_or_else(|_| Vec::new(), |remembered| remembered.records);
            loading.note(&records, None);
            records
        } else {
            lock(&self.known).index.leave_chunk(id, now_ns)
        };
        let mut journal = lock(&self.journal);
        let written = journal
            .as_mut()
            .map_or(Ok(()), |journal| journal.append(&records));
        if let Err(error) = written {
            self.journal_failures.fetch_add(1, Relaxed);
            tracing::debug!(%error, "what a chunk remembers is forgotten with the process");
        }
    }

    /// Receipts that are still kept.
    #[cfg(test)]
    pub(super) fn unresolved_count(&self) -> usize {
        lock(&self.known).index.unresolved_count()
    }

    /// Batches remembered.
    #[must_use]
    pub fn len(&self) -> u64 {
        lock(&self.known).index.len() as u64
    }

    /// Whether no batch is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits while somebody else stores the same batch.
    pub(super) async fn turn(
        &self,
        batch: Fingerprint,
        deadline: Option<Instant>,
    ) -> Result<Turn<'_>, NoRoom> {
        let attempt = || lock(&self.known).taken.insert(batch).then_some(());
        self.room.until(deadline, attempt).await?;
        Ok(Turn {
            repeats: self,
            batch,
        })
    }

    /// The right to store several batches: none of them yet.
    pub(super) fn turns(&self) -> Turns<'_> {
        Turns {
            repeats: self,
            batches: Vec::new(),
        }
    }
}

impl Loading {
    fn note(&mut self, records: &[Record], chunk: Option<ChunkId>) {
        let found = records.iter().map(|record| Found {
            record: *record,
            chunk,
        });
        self.found.extend(found);
    }
}

/// The pieces that a chunk remembers, which was sealed at `at_ns`.
fn read(mut reader: Reader, at_ns: i64) -> Result<Remembered, ReadError> {
    let (mut records, mut is_sound) = (Vec::new(), true);
    while let Some(window) = reader.next_window()? {
        is_sound &= window.damage().is_empty();
        records.extend(window.frames().filter_map(|frame| {
            Some(Record {
                stamp: Stamp::at_end_of(frame.batch_id)?,
                event_count: frame.event_count,
                at_ns,
            })
        }));
    }
    Ok(Remembered { records, is_sound })
}

/// When the chunk was sealed; one that is not is as new as can be.
fn sealed_ns(chunk: &ChunkInfo, now_ns: i64) -> i64 {
    chunk.sealed.map_or(now_ns, |(sealed_ns, _)| sealed_ns)
}

impl Turn<'_> {
    /// The batch, if all of it is stored or about to be.
    pub(super) fn known(&self) -> Option<Whole> {
        lock(&self.repeats.known).index.whole(self.batch)
    }

    /// A stamp for each piece of the batch; `None` if they cannot be remembered.
    pub(super) fn stamps(&self, pieces: &[&[u8]]) -> Option<Vec<Stamp>> {
        Stamp::all(self.batch, pieces)
    }

    /// Whether this piece is stored already, or about to be: its receipt, unless it is durable.
    pub(super) fn known_piece(&self, stamp: &Stamp) -> Option<Option<Receipt>> {
        lock(&self.repeats.known).index.piece(stamp)
    }

    /// Remembers a piece that was appended at `now_ns`.
    pub(super) fn remember(
        &self,
        stamp: &Stamp,
        event_count: u32,
        appended: &Appended,
        now_ns: i64,
    ) {
        let stored = Stored {
            chunk: Some(appended.chunk),
            receipt: Some(appended.receipt.clone()),
        };
        let pieces = [(*stamp, event_count)].into_iter();
        let index = &mut lock(&self.repeats.known).index;
        index.remember(pieces, stored, now_ns);
    }
}

impl Turns<'_> {
    /// Takes the right to store the first of `batches`, up to one that somebody else stores, or that is
    /// known, or that was taken before. Gives how many were taken.
    pub(super) fn take(&mut self, batches: impl Iterator<Item = Option<Fingerprint>>) -> usize {
        let Known { index, taken } = &mut *lock(&self.repeats.known);
        let mut is_new = |batch| index.whole(batch).is_none() && taken.insert(batch);
        let batches = batches.take_while(|batch| batch.is_none_or(&mut is_new));
        let before = self.batches.len();
        self.batches.extend(batches);
        self.batches.len() - before
    }

    /// Remembers the first batches, which were appended together at `now_ns`; `event_counts` has the
    /// number of events of each.
    pub(super) fn remember(
        &self,
        event_counts: impl Iterator<Item = u32>,
        appended: &AppendedRun,
        now_ns: i64,
    ) {
        let batches = self.batches.iter().zip(event_counts);
        let mut pieces = batches
            .filter_map(|(batch, event_count)| Some((Stamp::of_whole((*batch)?), event_count)))
            .peekable();
        if pieces.peek().is_none() {
            return;
        }
        let stored = Stored {
            chunk: Some(appended.chunk),
            receipt: Some(appended.receipt.clone()),
        };
        let index = &mut lock(&self.repeats.known).index;
        index.remember(pieces, stored, now_ns);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.repeats.known).taken.remove(&self.batch);
        self.repeats.room.freed();
    }
}

impl Drop for Turns<'_> {
    fn drop(&mut self) {
        let mut batches = self.batches.iter().flatten().peekable();
        if batches.peek().is_none() {
            return;
        }
        let taken = &mut lock(&self.repeats.known).taken;
        for batch in batches {
            taken.remove(batch);
        }
        self.repeats.room.freed();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
