//! A chunk of the caller's own: for copies and replays, which belong with nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Append, Route, RouteInner};
use crate::chunk::{Chunk, Placed};
use crate::error::AppendError;
use crate::header::SealReason;
use crate::id::ChunkId;
use crate::key::ChunkKey;
use crate::layout::MAX_DESTINATIONS;
use crate::meta::DeadNote;
use crate::receipt::Receipt;

/// A chunk that takes no appends but its owner's, owed to destinations of its own.
///
/// It has no file before its first append. If the process dies before it is sealed, recovery
/// treats it like any staged chunk: what is durable of it is delivered.
#[derive(Debug)]
pub struct SeparateChunk {
    route: Arc<RouteInner>,
    chunk: Arc<Chunk>,
}

impl Route {
    /// Begins a chunk that no other append goes into, owed to `destinations`.
    ///
    /// # Errors
    /// [`AppendError::Invalid`]: key, note and destinations do not fit a chunk's head.
    pub fn separate_chunk(
        &self,
        now_ns: i64,
        key: &ChunkKey,
        note: Option<&DeadNote>,
        destinations: &[String],
    ) -> Result<SeparateChunk, AppendError> {
        if destinations.len() > MAX_DESTINATIONS {
            return Err(AppendError::Invalid("a chunk has at most 12 destinations"));
        }
        let chunk = self.0.unlisted_chunk(now_ns, key, note, destinations)?;
        Ok(SeparateChunk {
            route: Arc::clone(&self.0),
            chunk: Arc::new(chunk),
        })
    }
}

impl SeparateChunk {
    /// The chunk's id.
    pub fn id(&self) -> ChunkId {
        self.chunk.id()
    }

    /// Appends to it; `None` if it takes no more: begin another one.
    ///
    /// # Errors
    /// See [`AppendError`]. Nothing was stored.
    pub fn append(&self, now_ns: i64, append: Append<'_>) -> Result<Option<Receipt>, AppendError> {
        if self.route.shared.is_closed.load(Ordering::Acquire) {
            return Err(AppendError::Closed);
        }
        let entry = self.route.entry(now_ns, &append)?;
        let placed = self.chunk.append(&[entry]);
        self.route.give_notices(&self.chunk);
        Ok(match placed? {
            Placed::Here(receipt, _) => Some(receipt),
            Placed::Elsewhere => None,
        })
    }

    /// Seals it; false if it is sealed already.
    pub fn seal(&self, reason: SealReason, now_ns: i64) -> bool {
        let is_sealed = self.chunk.seal(reason, now_ns);
        self.route.give_notices(&self.chunk);
        is_sealed
    }
}
