//! A route as its users see it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::chunk::{Entry, Placed};
use crate::claim::Claim;
use crate::error::{AppendError, ClaimError, ReadError};
use crate::header::SealReason;
use crate::id::ChunkId;
use crate::key::ChunkKey;
use crate::layout::MAX_DESTINATIONS;
use crate::meta::DeadNote;
use crate::observer::ChunkInfo;
use crate::reader::Reader;

mod inner;
mod options;
mod separate;

pub(crate) use inner::RouteInner;
pub use options::{Append, Appended, AppendedRun, Durability, RouteOptions, RouteTotals};
pub use separate::SeparateChunk;

/// An open route (or the dead letters of one). Cheap to clone.
#[derive(Clone, Debug)]
pub struct Route(pub(crate) Arc<RouteInner>);

impl Route {
    /// The route's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Appends to the chunk of `key` (and `note`), opening one if there is none.
    ///
    /// When this returns, the bytes are written and will be read by whoever reads the chunk, but
    /// a power cut may still lose them: acknowledge when the receipt resolves.
    ///
    /// # Errors
    /// See [`AppendError`]. Nothing was stored.
    pub fn append(
        &self,
        now_ns: i64,
        key: &ChunkKey,
        note: Option<&DeadNote>,
        append: Append<'_>,
    ) -> Result<Appended, AppendError> {
        let entry = self.0.entry(now_ns, &append)?;
        let (appended, _) = self.place(now_ns, key, note, &[entry])?;
        Ok(appended)
    }

    /// Appends the first of `appends`, and as many of the others as the same chunk takes, by one
    /// write; the outcome is as if they were appended one by one.
    ///
    /// All but the last are copied once more than by [`Route::append`]: this is for small ones.
    ///
    /// # Errors
    /// See [`AppendError`]. Nothing was stored. With no appends it is `Invalid`.
    pub fn append_run(
        &self,
        now_ns: i64,
        key: &ChunkKey,
        appends: &[Append<'_>],
    ) -> Result<AppendedRun, AppendError> {
        let mut entries = Vec::with_capacity(appends.len());
        for append in appends {
            match self.0.entry(now_ns, append) {
                Ok(entry) => entries.push(entry),
                Err(error) if entries.is_empty() => return Err(error),
                // The caller hears of it when this one is the first.
                Err(_) => break,
            }
        }
        if entries.is_empty() {
            return Err(AppendError::Invalid("nothing is appended"));
        }
        let (Appended { receipt, chunk }, count) = self.place(now_ns, key, None, &entries)?;
        Ok(AppendedRun {
            receipt,
            chunk,
            count,
        })
    }

    /// Finds the chunk for at least the first of `entries`; says how many it took.
    fn place(
        &self,
        now_ns: i64,
        key: &ChunkKey,
        note: Option<&DeadNote>,
        entries: &[Entry<'_>],
    ) -> Result<(Appended, usize), AppendError> {
        loop {
            if self.0.shared.is_closed.load(Ordering::Acquire) {
                return Err(AppendError::Closed);
            }
            let chunk = self.0.staged_chunk(now_ns, key, note)?;
            let placed = chunk.append(entries);
            self.0.give_notices(&chunk);
            if let Err(AppendError::Io(error)) = &placed {
                // Told here: where no chunk is left, no sync will ever fail and say so.
                self.0.observer.sync_failed(&error.path, &error.source);
            }
            match placed? {
                Placed::Here(receipt, count) => {
                    let chunk = chunk.id();
                    return Ok((Appended { receipt, chunk }, count));
                }
                // It was sealed, by this append or by somebody else; the next one is new.
                Placed::Elsewhere => {}
            }
        }
    }

    /// Seals a chunk. `Ok(false)` if there is no such chunk or it is sealed already.
    pub fn seal(&self, id: ChunkId, reason: SealReason, now_ns: i64) -> bool {
        let Some(chunk) = self.0.chunk(id) else {
            return false;
        };
        let is_sealed = chunk.seal(reason, now_ns);
        self.0.give_notices(&chunk);
        is_sealed
    }

    /// Seals all staged chunks; returns how many.
    pub fn seal_staged(&self, reason: SealReason, now_ns: i64) -> usize {
        let staged = self.0.staged();
        staged
            .into_iter()
            .filter(|id| self.seal(*id, reason, now_ns))
            .count()
    }

    /// Claims a chunk for the destination with this index in the chunk's own list.
    ///
    /// # Errors
    /// See [`ClaimError`].
    pub fn claim(&self, id: ChunkId, destination: usize) -> Result<Claim, ClaimError> {
        let chunk = self.0.chunk(id).ok_or(ClaimError::Unknown)?;
        chunk.claim(destination)?;
        Ok(Claim::new(chunk, destination))
    }

    /// Claims a chunk for the destination with this name.
    ///
    /// # Errors
    /// See [`ClaimError`].
    pub fn claim_for(&self, id: ChunkId, destination: &str) -> Result<Claim, ClaimError> {
        let chunk = self.0.chunk(id).ok_or(ClaimError::Unknown)?;
        let index = chunk
            .meta
            .destinations
            .iter()
            .position(|name| name == destination);
        self.claim(id, index.ok_or(ClaimError::Unknown)?)
    }

    /// All chunks, oldest first.
    pub fn chunks(&self) -> Vec<ChunkInfo> {
        self.0.chunks().iter().map(|chunk| chunk.info()).collect()
    }

    /// One chunk.
    pub fn chunk(&self, id: ChunkId) -> Option<ChunkInfo> {
        self.0.chunk(id).map(|chunk| chunk.info())
    }

    /// Where a chunk's file is, or would be.
    pub fn path(&self, id: ChunkId) -> PathBuf {
        self.0.chunk_path(id)
    }

    /// Reads a chunk without claiming it: what of it is durable, or all once it is sealed.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self, id: ChunkId) -> Result<Reader, ReadError> {
        self.0.chunk(id).ok_or(ReadError::Unknown)?.reader()
    }

    /// Drops a chunk whatever it owes; the caller has counted it. `None` if there is no such
    /// chunk or it is being delivered. Receipts of its appends resolve as if it were durable.
    pub fn purge(&self, id: ChunkId) -> Option<ChunkInfo> {
        let chunk = self.0.chunk(id)?;
        let info = chunk.discard();
        self.0.give_notices(&chunk);
        info
    }

    /// What the route holds now.
    pub fn totals(&self) -> RouteTotals {
        let mut totals = RouteTotals {
            file_bytes: self.0.space.used(),
            limit_bytes: self.0.space.limit(),
            ..RouteTotals::default()
        };
        self.0.for_each_chunk(|chunk| chunk.add_to(&mut totals));
        totals
    }

    /// When the oldest of the sealed chunks was sealed that the destination with this name has not
    /// settled, Unix nanoseconds; `None` if it owes nothing. Looks at every chunk.
    pub fn oldest_owed_ns(&self, destination: &str) -> Option<i64> {
        let mut oldest: Option<i64> = None;
        self.0.for_each_chunk(|chunk| {
            if let Some(sealed_ns) = chunk.owed_since_ns(destination) {
                oldest = Some(oldest.map_or(sealed_ns, |oldest| oldest.min(sealed_ns)));
            }
        });
        oldest
    }

    /// Bytes of all files, as in [`Route::totals`], at no cost.
    pub fn file_bytes(&self) -> u64 {
        self.0.space.used()
    }

    /// How it stores events.
    pub fn options(&self) -> Arc<RouteOptions> {
        self.0.options()
    }

    /// Stores events as `options` say from now on. Chunks that are there keep what they were opened
    /// with: what they owe to whom, and what an append to them meant. Those that take appends and do
    /// not suit are sealed, so that appends go to new ones; a lower limit deletes nothing.
    ///
    /// # Panics
    /// If there are more destinations than [`crate::MAX_DESTINATIONS`].
    pub fn set_options(&self, options: RouteOptions, now_ns: i64) {
        assert!(options.destinations.len() <= MAX_DESTINATIONS);
        for id in self.0.set_options(options) {
            self.seal(id, SealReason::Request, now_ns);
        }
    }
}
