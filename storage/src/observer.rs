//! What the store tells its owner, and the summary of a chunk it tells it with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::header::{SealReason, SlotState};
use crate::id::ChunkId;
use crate::key::ChunkKey;
use crate::meta::{ChunkMeta, DeadNote};
use crate::reader::Reader;
use crate::slots::Slots;
use crate::walk::DamageKind;

/// Where a chunk is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It takes appends.
    Staged,
    /// It takes no more appends; the sync that makes this durable is still to come.
    Sealed,
    /// It may be claimed.
    Queued,
    /// It is gone, or about to be removed.
    Purged,
}

/// A chunk at one moment.
#[derive(Clone, Debug)]
pub struct ChunkInfo {
    /// Its id.
    pub id: ChunkId,
    /// Route, destinations, key and dead-letter note.
    pub meta: Arc<ChunkMeta>,
    /// Where it is in its life.
    pub phase: Phase,
    /// What it owes, in the order of `meta.destinations`.
    pub slots: Slots,
    /// When it was created, Unix nanoseconds.
    pub created_ns: i64,
    /// When and why it was sealed, Unix nanoseconds; `None` while it is staged.
    pub sealed: Option<(i64, SealReason)>,
    /// Appends in it.
    pub frame_count: u32,
    /// Events in it, as the appenders counted them.
    pub event_count: u64,
    /// Bytes of the appends' payloads; what `chunk_limit_bytes` limits.
    pub payload_bytes: u64,
    /// Bytes of the frames.
    pub data_bytes: u64,
    /// Bytes of the file; what `total_limit_bytes` limits.
    pub file_bytes: u64,
    /// Earliest and latest event time, Unix nanoseconds; `None` if unknown, which is so for a
    /// chunk that was staged when the store was last closed.
    pub time_range_ns: Option<(i64, i64)>,
}

impl ChunkInfo {
    /// What all its events have in common.
    pub fn key(&self) -> &ChunkKey {
        &self.meta.key
    }

    /// Why it is a dead letter, if it is one.
    pub fn note(&self) -> Option<&DeadNote> {
        self.meta.note.as_deref()
    }

    /// The names of its destinations, in the order of the slots.
    pub fn destinations(&self) -> &[String] {
        &self.meta.destinations
    }

    /// Whether it takes appends.
    pub fn is_staged(&self) -> bool {
        self.phase == Phase::Staged
    }
}

/// What a chunk owes to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotInfo {
    /// Whether it is owed, delivered or rejected.
    pub state: SlotState,
    /// When it became so, Unix nanoseconds.
    pub at_ns: i64,
    /// Whether somebody holds the claim.
    pub is_claimed: bool,
}

/// A piece of damage that was met in a chunk.
#[derive(Clone, Debug)]
pub struct DamageReport {
    /// The route.
    pub route: String,
    /// The chunk.
    pub chunk: ChunkId,
    /// The chunk's file.
    pub path: PathBuf,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// What is wrong with them.
    pub kind: DamageKind,
    /// Events they held, if that is known.
    pub event_count: Option<u32>,
    /// Where a copy of the bytes is; `None` if they could not be copied, in which case the file
    /// itself is moved to the quarantine instead of being removed.
    pub quarantine: Option<PathBuf>,
}

/// Is told what happens in a route; called without any lock held.
///
/// The calls about one chunk come in the order of its life, one after the other. They come from
/// the thread that appends, seals or settles, or from the committer thread, on which all
/// receipts wait: an implementation must return quickly.
pub trait Observer: Send + Sync {
    /// A chunk was opened by its first append.
    fn staged(&self, chunk: &ChunkInfo) {
        let _ = chunk;
    }
    /// A chunk was sealed and may be claimed.
    fn queued(&self, chunk: &ChunkInfo) {
        let _ = chunk;
    }
    /// A chunk is gone: settled for all destinations, purged on request, or nothing of it ever
    /// became durable.
    fn purged(&self, chunk: &ChunkInfo) {
        let _ = chunk;
    }
    /// While the route is recovered: a small sealed chunk stays. `reader` gives its frames, which were
    /// read with its head, so that nobody need open the file for them. The newest chunk comes first.
    fn recovering(&self, chunk: &ChunkInfo, reader: Reader) {
        let _ = (chunk, reader);
    }
    /// A chunk's file is about to be removed, or moved to the quarantine: the last chance to read it.
    /// Also called while the route is being recovered, for a chunk whose removal was cut short.
    fn removing(&self, id: ChunkId, path: &Path) {
        let _ = (id, path);
    }
    /// The route's files take less space than before.
    fn freed(&self) {}
    /// Damage was met, once for each piece.
    fn damaged(&self, damage: &DamageReport) {
        let _ = damage;
    }
    /// Writing or syncing a file failed; appends may have been refused.
    fn sync_failed(&self, path: &Path, error: &io::Error) {
        let _ = (path, error);
    }
}

/// Listens to nothing.
impl Observer for () {}
