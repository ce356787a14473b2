//! A route's chunks: which one takes the appends of a key, which ones exist, how much they take.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::checksum::Body;
use crate::chunk::{Chunk, Entry, Placed};
use crate::claim::Claim;
use crate::error::{AppendError, ClaimError, ReadError};
use crate::frame::FrameHead;
use crate::header::SealReason;
use crate::id::ChunkId;
use crate::key::ChunkKey;
use crate::meta::{ChunkMeta, DeadNote};
use crate::observer::{ChunkInfo, Observer, Phase};
use crate::quarantine::Quarantine;
use crate::reader::Reader;
use crate::receipt::Receipt;
use crate::space::Space;
use crate::store::Shared;
use crate::sync::lock;

/// When an append counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// When it is synced: it survives a power cut.
    Disk,
    /// When it is written: it survives a killed process.
    Memory,
}

/// How a route stores its events.
#[derive(Clone, Debug)]
pub struct RouteOptions {
    /// Who must confirm each chunk; at most [`crate::MAX_DESTINATIONS`].
    pub destinations: Vec<String>,
    /// When an append counts as stored.
    pub durability: Durability,
    /// Most payload bytes of a chunk.
    pub chunk_limit_bytes: u64,
    /// Events at which a chunk is sealed.
    pub chunk_limit_events: Option<u64>,
    /// The share of the limits, from 0 to 1, at which a chunk is sealed after an append.
    pub chunk_full_threshold: f64,
    /// Most bytes of all the route's chunk files, preallocated space included.
    pub total_limit_bytes: u64,
}

impl RouteOptions {
    pub(crate) fn full_bytes(&self) -> u64 {
        share_of(self.chunk_limit_bytes, self.chunk_full_threshold)
    }

    pub(crate) fn full_events(&self) -> Option<u64> {
        self.chunk_limit_events
            .map(|limit| share_of(limit, self.chunk_full_threshold))
    }
}

// A chunk limit is far below 2^53, and a rounding error of one byte seals a byte earlier.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn share_of(limit: u64, threshold: f64) -> u64 {
    ((limit as f64 * threshold.clamp(0.0, 1.0)).ceil() as u64).max(1)
}

/// What is appended.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The events' tag; empty if the chunk key has it. At most 65,535 bytes.
    pub tag: &'a str,
    /// The sender's id for the batch; empty if it gave none. At most 65,535 bytes.
    pub batch_id: &'a [u8],
    /// The events as MessagePack, not empty.
    pub payload: &'a [u8],
    /// How many events the payload has.
    pub event_count: u32,
    /// The earliest event's time, Unix nanoseconds.
    pub time_min_ns: i64,
    /// The latest event's time, Unix nanoseconds.
    pub time_max_ns: i64,
}

/// What an append gives back.
#[derive(Debug)]
pub struct Appended {
    /// Resolves when the append is durable.
    pub receipt: Receipt,
    /// The chunk that holds it.
    pub chunk: ChunkId,
}

/// What a route holds, in flight included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTotals {
    /// Chunks that take appends.
    pub staged_chunks: u64,
    /// Events in them.
    pub staged_events: u64,
    /// Payload bytes in them.
    pub staged_bytes: u64,
    /// Chunks that are sealed and not purged.
    pub sealed_chunks: u64,
    /// Events in them.
    pub sealed_events: u64,
    /// Payload bytes in them.
    pub sealed_bytes: u64,
    /// Bytes of all files, preallocated space and files about to be removed included.
    pub file_bytes: u64,
    /// The limit of `file_bytes`.
    pub limit_bytes: u64,
    /// When the oldest chunk was created, Unix nanoseconds; `None` if there is none.
    pub oldest_created_ns: Option<i64>,
}

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
        loop {
            if self.0.shared.is_closed.load(Ordering::Acquire) {
                return Err(AppendError::Closed);
            }
            let chunk = self.0.staged_chunk(now_ns, key, note)?;
            let placed = chunk.append(&entry);
            self.0.give_notices(&chunk);
            match placed? {
                Placed::Here(receipt) => {
                    return Ok(Appended {
                        receipt,
                        chunk: chunk.id(),
                    });
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
        let chunks: Vec<_> = lock(&self.0.stage).chunks.values().cloned().collect();
        chunks.iter().map(|chunk| chunk.info()).collect()
    }

    /// One chunk.
    pub fn chunk(&self, id: ChunkId) -> Option<ChunkInfo> {
        self.0.chunk(id).map(|chunk| chunk.info())
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
            limit_bytes: self.0.options.total_limit_bytes,
            ..RouteTotals::default()
        };
        self.chunks().iter().for_each(|chunk| totals.add(chunk));
        totals
    }

    /// Bytes of all files, as in [`Route::totals`], at no cost.
    pub fn file_bytes(&self) -> u64 {
        self.0.space.used()
    }

    /// The options it was opened with.
    pub fn options(&self) -> &RouteOptions {
        &self.0.options
    }
}

impl RouteTotals {
    fn add(&mut self, chunk: &ChunkInfo) {
        let oldest = self.oldest_created_ns.unwrap_or(i64::MAX);
        self.oldest_created_ns = Some(oldest.min(chunk.created_ns));
        let (chunks, events, bytes) = match chunk.phase {
            Phase::Staged => (
                &mut self.staged_chunks,
                &mut self.staged_events,
                &mut self.staged_bytes,
            ),
            Phase::Sealed | Phase::Queued | Phase::Purged => (
                &mut self.sealed_chunks,
                &mut self.sealed_events,
                &mut self.sealed_bytes,
            ),
        };
        *chunks += 1;
        *events += chunk.event_count;
        *bytes += chunk.payload_bytes;
    }
}

pub(crate) struct RouteInner {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) options: RouteOptions,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) quarantine: Quarantine,
    pub(crate) space: Space,
    stage: Mutex<Stage>,
}

impl std::fmt::Debug for RouteInner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RouteInner")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// The chunks by id and, while they take appends, by key.
#[derive(Default)]
struct Stage {
    chunks: BTreeMap<ChunkId, Arc<Chunk>>,
    plain: ByKey,
    noted: HashMap<DeadNote, ByKey>,
}

type ByKey = HashMap<ChunkKey, Arc<Chunk>>;

impl RouteInner {
    pub(crate) fn new(
        name: &str,
        dir: &Path,
        options: RouteOptions,
        observer: Arc<dyn Observer>,
        shared: Arc<Shared>,
        quarantine: Quarantine,
    ) -> RouteInner {
        let space = Space::new(options.total_limit_bytes);
        let (name, dir, stage) = (name.to_owned(), dir.to_owned(), Mutex::default());
        RouteInner {
            name,
            dir,
            options,
            observer,
            shared,
            quarantine,
            space,
            stage,
        }
    }

    pub(crate) fn chunk_path(&self, id: ChunkId) -> PathBuf {
        self.dir.join(chunk_file_name(id))
    }

    pub(crate) fn give_notices(&self, chunk: &Chunk) {
        chunk.notices.give(&*self.observer, &chunk.path);
    }

    fn entry<'a>(&self, now_ns: i64, append: &Append<'a>) -> Result<Entry<'a>, AppendError> {
        let payload_len = append.payload.len() as u64;
        let limit_bytes = self.options.chunk_limit_bytes;
        if payload_len > limit_bytes {
            return Err(AppendError::TooLarge {
                payload_len,
                limit_bytes,
            });
        }
        let too_large = AppendError::TooLarge {
            payload_len,
            limit_bytes: u32::MAX.into(),
        };
        let head = FrameHead {
            body_crc: 0,
            payload_len: u32::try_from(payload_len).map_err(|_| too_large)?,
            event_count: append.event_count,
            tag_len: short_len(append.tag.as_bytes(), "the tag is too long")?,
            batch_id_len: short_len(append.batch_id, "the batch id is too long")?,
            flags: 0,
        };
        if append.payload.is_empty() {
            return Err(AppendError::Invalid("the payload is empty"));
        }
        Ok(Entry {
            head,
            body: Body::new([append.tag.as_bytes(), append.batch_id, append.payload]),
            time_min_ns: append.time_min_ns,
            time_max_ns: append.time_max_ns,
            now_ns,
        })
    }

    fn chunk(&self, id: ChunkId) -> Option<Arc<Chunk>> {
        lock(&self.stage).chunks.get(&id).cloned()
    }

    fn staged(&self) -> Vec<ChunkId> {
        let stage = lock(&self.stage);
        let by_key = std::iter::once(&stage.plain).chain(stage.noted.values());
        by_key
            .flat_map(HashMap::values)
            .map(|chunk| chunk.id())
            .collect()
    }

    /// The chunk that takes the key's appends; a new one has no file yet.
    fn staged_chunk(
        self: &Arc<RouteInner>,
        now_ns: i64,
        key: &ChunkKey,
        note: Option<&DeadNote>,
    ) -> Result<Arc<Chunk>, AppendError> {
        let mut stage = lock(&self.stage);
        if let Some(chunk) = stage.by_key(note).and_then(|by_key| by_key.get(key)) {
            return Ok(Arc::clone(chunk));
        }
        let meta = ChunkMeta {
            route: self.name.clone(),
            destinations: self.options.destinations.clone(),
            key: key.clone(),
            note: note.cloned(),
        };
        let id = self.unused_id(now_ns, &stage);
        let chunk = Chunk::unborn(self, id, now_ns, meta)
            .ok_or(AppendError::Invalid("the chunk key is too long"))?;
        let chunk = Arc::new(chunk);
        stage.stage(&chunk);
        Ok(chunk)
    }

    /// An id that no chunk has, also if an earlier run had the same seed.
    fn unused_id(&self, now_ns: i64, stage: &Stage) -> ChunkId {
        loop {
            let id = self.shared.ids.next(now_ns);
            if !stage.chunks.contains_key(&id) {
                return id;
            }
        }
    }

    /// Lists a chunk whose file exists.
    pub(crate) fn add(&self, chunk: &Arc<Chunk>) {
        lock(&self.stage)
            .chunks
            .insert(chunk.id(), Arc::clone(chunk));
    }

    /// Lists a recovered chunk and lets it take appends; `false` if another one does for its key.
    pub(crate) fn resume(&self, chunk: &Arc<Chunk>) -> bool {
        let mut stage = lock(&self.stage);
        stage.chunks.insert(chunk.id(), Arc::clone(chunk));
        let by_key = stage.by_key(chunk.meta.note.as_ref());
        if by_key.is_some_and(|by_key| by_key.contains_key(&chunk.meta.key)) {
            return false;
        }
        stage.stage(chunk);
        true
    }

    /// Makes the chunk take no more appends; a newer one of its key stays.
    pub(crate) fn unstage(&self, chunk: &Chunk) {
        lock(&self.stage).unstage(chunk);
    }

    pub(crate) fn remove(&self, id: ChunkId) {
        lock(&self.stage).chunks.remove(&id);
    }

    /// Chunks with writes that no sync is asked for: those of routes that do not wait for it.
    pub(crate) fn mark_unsynced(&self) {
        if self.options.durability == Durability::Memory {
            let chunks: Vec<_> = lock(&self.stage).chunks.values().cloned().collect();
            chunks.iter().for_each(|chunk| chunk.ask_for_sync());
        }
    }

    /// Forgets all chunks, when the store is closed: they refer to the route.
    pub(crate) fn clear(&self) {
        let stage = std::mem::take(&mut *lock(&self.stage));
        drop(stage);
    }
}

impl Stage {
    fn by_key(&self, note: Option<&DeadNote>) -> Option<&ByKey> {
        match note {
            None => Some(&self.plain),
            Some(note) => self.noted.get(note),
        }
    }

    fn stage(&mut self, chunk: &Arc<Chunk>) {
        let by_key = match &chunk.meta.note {
            None => &mut self.plain,
            Some(note) => self.noted.entry(note.clone()).or_default(),
        };
        by_key.insert(chunk.meta.key.clone(), Arc::clone(chunk));
    }

    fn unstage(&mut self, chunk: &Chunk) {
        let by_key = match &chunk.meta.note {
            None => &mut self.plain,
            Some(note) => match self.noted.get_mut(note) {
                Some(by_key) => by_key,
                None => return,
            },
        };
        if by_key
            .get(&chunk.meta.key)
            .is_some_and(|staged| staged.id() == chunk.id())
        {
            by_key.remove(&chunk.meta.key);
        }
        let is_empty = by_key.is_empty();
        if let (Some(note), true) = (&chunk.meta.note, is_empty) {
            self.noted.remove(note);
        }
    }
}

/// A chunk's file name: its id and `.chunk`.
pub(crate) fn chunk_file_name(id: ChunkId) -> String {
    format!("{id}.chunk")
}

fn short_len(bytes: &[u8], too_long: &'static str) -> Result<u16, AppendError> {
    u16::try_from(bytes.len()).map_err(|_| AppendError::Invalid(too_long))
}
