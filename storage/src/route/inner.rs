//! The chunks of an open route: which one takes the appends of a key, which ones exist.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Append, Durability, RouteOptions};
use crate::checksum::Body;
use crate::chunk::{Chunk, Entry};
use crate::error::AppendError;
use crate::frame::FrameHead;
use crate::id::ChunkId;
use crate::key::ChunkKey;
use crate::meta::{ChunkMeta, CommonMeta, DeadNote};
use crate::observer::Observer;
use crate::quarantine::Quarantine;
use crate::space::Space;
use crate::store::Shared;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

pub(crate) struct RouteInner {
    pub(crate) name: Arc<str>,
    pub(crate) dir: PathBuf,
    settings: Mutex<Settings>,
    /// As in `settings`, for every append to look at.
    chunk_limit_bytes: AtomicU64,
    /// Whether there may be chunks that no sync was asked for.
    has_unsynced: AtomicBool,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) quarantine: Quarantine,
    pub(crate) space: Space,
    /// Whether syncing the data directory's volume reaches the files.
    pub(crate) is_on_volume: bool,
    stage: Mutex<Stage>,
}

impl std::fmt::Debug for RouteInner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RouteInner")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// How the route stores events from now on. A chunk keeps those that it was opened with.
struct Settings {
    options: Arc<RouteOptions>,
    destinations: Arc<[String]>,
}

impl Settings {
    fn new(options: RouteOptions) -> Settings {
        Settings {
            destinations: options.destinations.clone().into(),
            options: Arc::new(options),
        }
    }
}

/// The chunks by id and, while they take appends, by key.
#[derive(Default)]
struct Stage {
    chunks: BTreeMap<ChunkId, Arc<Chunk>>,
    plain: ByKey,
    noted: HashMap<DeadNote, ByKey>,
}

/// Chunks looked up at a time.
const PAGE_LEN: usize = 256;

type ByKey = HashSet<OfKey>;

/// A chunk that is found by its key, which it holds anyway.
struct OfKey(Arc<Chunk>);

impl Borrow<ChunkKey> for OfKey {
    fn borrow(&self) -> &ChunkKey {
        &self.0.meta.key
    }
}

impl Hash for OfKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.meta.key.hash(state);
    }
}

impl PartialEq for OfKey {
    fn eq(&self, other: &OfKey) -> bool {
        self.0.meta.key == other.0.meta.key
    }
}

impl Eq for OfKey {}

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
        let is_on_volume = shared.has_volume_of(dir);
        let (name, dir, stage) = (name.into(), dir.to_owned(), Mutex::default());
        RouteInner {
            name,
            dir,
            chunk_limit_bytes: AtomicU64::new(options.chunk_limit_bytes),
            has_unsynced: AtomicBool::new(options.durability == Durability::Memory),
            settings: Mutex::new(Settings::new(options)),
            observer,
            shared,
            quarantine,
            space,
            is_on_volume,
            stage,
        }
    }

    /// How events are stored from now on.
    pub(crate) fn options(&self) -> Arc<RouteOptions> {
        Arc::clone(&lock(&self.settings).options)
    }

    fn destinations(&self) -> Arc<[String]> {
        Arc::clone(&lock(&self.settings).destinations)
    }

    /// Stores events as `options` say from now on. Returns the staged chunks that were opened with
    /// others that do not suit.
    pub(super) fn set_options(&self, options: RouteOptions) -> Vec<ChunkId> {
        if options.durability == Durability::Memory {
            self.has_unsynced.store(true, Ordering::Relaxed);
        }
        self.chunk_limit_bytes
            .store(options.chunk_limit_bytes, Ordering::Relaxed);
        self.space.set_limit(options.total_limit_bytes);
        // While no chunk is opened: each is of the old options and listed here, or of the new ones.
        let stage = lock(&self.stage);
        let by_key = std::iter::once(&stage.plain).chain(stage.noted.values());
        let unsuited = by_key
            .flatten()
            .filter(|chunk| !chunk.0.options.suit(&options));
        let unsuited = unsuited.map(|OfKey(chunk)| chunk.id()).collect();
        *lock(&self.settings) = Settings::new(options);
        unsuited
    }

    pub(crate) fn chunk_path(&self, id: ChunkId) -> PathBuf {
        self.dir.join(id.file_name().as_str())
    }

    pub(crate) fn give_notices(&self, chunk: &Chunk) {
        chunk.notices.give(&*self.observer, || chunk.path());
    }

    pub(super) fn entry<'a>(
        &self,
        now_ns: i64,
        append: &Append<'a>,
    ) -> Result<Entry<'a>, AppendError> {
        let payload_len = append.payload.len() as u64;
        let limit_bytes = self.chunk_limit_bytes.load(Ordering::Relaxed);
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

    pub(crate) fn chunk(&self, id: ChunkId) -> Option<Arc<Chunk>> {
        lock(&self.stage).chunks.get(&id).cloned()
    }

    /// All chunks, oldest first.
    pub(super) fn chunks(&self) -> Vec<Arc<Chunk>> {
        lock(&self.stage).chunks.values().cloned().collect()
    }

    /// Visits all chunks, oldest first, some at a time: there may be very many, and appends wait
    /// while they are looked up.
    pub(super) fn for_each_chunk(&self, mut visit: impl FnMut(&Chunk)) {
        let mut page: Vec<Arc<Chunk>> = Vec::with_capacity(PAGE_LEN);
        let mut after = Bound::Unbounded;
        loop {
            let rest = (after, Bound::Unbounded);
            let stage = lock(&self.stage);
            page.extend(
                stage
                    .chunks
                    .range(rest)
                    .map(|(_, chunk)| Arc::clone(chunk))
                    .take(PAGE_LEN),
            );
            drop(stage);
            let Some(last) = page.last() else { return };
            after = Bound::Excluded(last.id());
            page.drain(..).for_each(|chunk| visit(&chunk));
        }
    }

    pub(super) fn staged(&self) -> Vec<ChunkId> {
        let stage = lock(&self.stage);
        let by_key = std::iter::once(&stage.plain).chain(stage.noted.values());
        by_key.flatten().map(|OfKey(chunk)| chunk.id()).collect()
    }

    /// The chunk that takes the key's appends; a new one has no file yet.
    pub(super) fn staged_chunk(
        self: &Arc<RouteInner>,
        now_ns: i64,
        key: &ChunkKey,
        note: Option<&DeadNote>,
    ) -> Result<Arc<Chunk>, AppendError> {
        let mut stage = lock(&self.stage);
        if let Some(chunk) = stage.by_key(note).and_then(|by_key| by_key.get(key)) {
            return Ok(Arc::clone(&chunk.0));
        }
        let id = self.unused_id(now_ns, &stage);
        let chunk = self.unborn(id, now_ns, key, note, self.destinations())?;
        let chunk = Arc::new(chunk);
        stage.stage(&chunk);
        Ok(chunk)
    }

    /// What the metadata of its new chunks has in common.
    pub(crate) fn common_meta(&self) -> CommonMeta {
        CommonMeta::new(Arc::clone(&self.name), self.destinations())
    }

    /// A chunk without a file that is found by no key.
    pub(super) fn unlisted_chunk(
        self: &Arc<RouteInner>,
        now_ns: i64,
        key: &ChunkKey,
        note: Option<&DeadNote>,
        destinations: &[String],
    ) -> Result<Chunk, AppendError> {
        let id = self.unused_id(now_ns, &lock(&self.stage));
        self.unborn(id, now_ns, key, note, destinations.into())
    }

    fn unborn(
        self: &Arc<RouteInner>,
        id: ChunkId,
        now_ns: i64,
        key: &ChunkKey,
        note: Option<&DeadNote>,
        destinations: Arc<[String]>,
    ) -> Result<Chunk, AppendError> {
        let meta = ChunkMeta {
            route: Arc::clone(&self.name),
            destinations,
            key: key.clone(),
            note: note.cloned().map(Box::new),
        };
        Chunk::unborn(self, id, now_ns, meta)
            .ok_or(AppendError::Invalid("the chunk key is too long"))
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
        let by_key = stage.by_key(chunk.meta.note.as_deref());
        if by_key.is_some_and(|by_key| by_key.contains(&chunk.meta.key)) {
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
        if !self.has_unsynced.load(Ordering::Relaxed) {
            return;
        }
        let chunks: Vec<_> = lock(&self.stage).chunks.values().cloned().collect();
        let unsynced = chunks
            .iter()
            .filter(|chunk| chunk.options.durability == Durability::Memory);
        unsynced.for_each(|chunk| chunk.ask_for_sync());
    }

    /// Forgets all chunks, when the store is closed: they refer to the route.
    pub(crate) fn clear(&self) {
        let stage = std::mem::take(&mut *lock(&self.stage));
        drop(stage);
    }
}

#[expect(
    clippy::mutable_key_type,
    reason = "what is hashed is the metadata, which never changes"
)]
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
            Some(note) => self.noted.entry(DeadNote::clone(note)).or_default(),
        };
        by_key.replace(OfKey(Arc::clone(chunk)));
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
            .is_some_and(|OfKey(staged)| staged.id() == chunk.id())
        {
            by_key.remove(&chunk.meta.key);
        }
        let is_empty = by_key.is_empty();
        if let (Some(note), true) = (&chunk.meta.note, is_empty) {
            self.noted.remove(note);
        }
    }
}

fn short_len(bytes: &[u8], too_long: &'static str) -> Result<u16, AppendError> {
    u16::try_from(bytes.len()).map_err(|_| AppendError::Invalid(too_long))
}
