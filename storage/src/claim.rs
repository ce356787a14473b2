//! A claim: the right to deliver one chunk to one destination.

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::error::{ReadError, StoreIoError};
use crate::header::SlotState;
use crate::id::ChunkId;
use crate::meta::ChunkMeta;
use crate::observer::ChunkInfo;
use crate::reader::Reader;

/// The right to deliver one chunk to one destination. Dropping it is a roll-back: the chunk is
/// owed as before and can be claimed again.
#[derive(Debug)]
#[must_use = "dropping a claim rolls it back"]
pub struct Claim {
    chunk: Arc<Chunk>,
    destination: usize,
}

/// What came of settling a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// No destination is owed any more: the chunk is gone.
    pub is_purged: bool,
}

impl Claim {
    pub(crate) fn new(chunk: Arc<Chunk>, destination: usize) -> Claim {
        Claim { chunk, destination }
    }

    /// The chunk's id.
    pub fn id(&self) -> ChunkId {
        self.chunk.id()
    }

    /// The index of the destination in the chunk's own list.
    pub fn destination(&self) -> usize {
        self.destination
    }

    /// The name of the destination.
    pub fn destination_name(&self) -> &str {
        &self.chunk.meta.destinations[self.destination]
    }

    /// The chunk's metadata.
    pub fn meta(&self) -> &ChunkMeta {
        &self.chunk.meta
    }

    /// The chunk now.
    pub fn info(&self) -> ChunkInfo {
        self.chunk.info()
    }

    /// Reads the chunk from its start; may be called again.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn reader(&self) -> Result<Reader, ReadError> {
        self.chunk.reader()
    }

    /// The destination has confirmed the chunk at `at_ns` (Unix nanoseconds).
    ///
    /// The note of it survives a killed process from here on, and a power cut from the next group
    /// commit on, or, if it removes the chunk, from the shared sync of removals on, a tenth of a
    /// second later; a power cut before that repeats the delivery.
    ///
    /// # Errors
    /// The note could not be written: this run knows that the destination is served, and a restart
    /// may repeat the delivery.
    pub fn commit(self, at_ns: i64) -> Result<Committed, StoreIoError> {
        self.settle(SlotState::Delivered, at_ns)
    }

    /// The chunk will not be tried again for this destination; the caller has a durable copy of
    /// it elsewhere or has counted it. For the rest as [`Claim::commit`].
    ///
    /// # Errors
    /// As [`Claim::commit`].
    pub fn reject(self, at_ns: i64) -> Result<Committed, StoreIoError> {
        self.settle(SlotState::Rejected, at_ns)
    }

    /// Gives the chunk back for a later attempt.
    pub fn roll_back(self) {}

    fn settle(self, to: SlotState, at_ns: i64) -> Result<Committed, StoreIoError> {
        let is_purged = self.chunk.settle(self.destination, to, at_ns)?;
        self.chunk.route.give_notices(&self.chunk);
        Ok(Committed { is_purged })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.chunk.unclaim(self.destination);
    }
}
