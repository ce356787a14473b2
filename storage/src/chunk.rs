//! One chunk of an open route: its file, what is in it, and what it owes.
//!
//! Two locks: `writer` for whoever writes frames or seals (held during the write), `state` for
//! the numbers (held for a few instructions, never during a call to the file system). `writer`
//! is taken before `state`, and before the route's stage; nothing is taken while `state` is held.
//!
//! The file is created by the first append, under `writer`, so that creating files for different
//! keys goes on in parallel.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::checksum::Seed;
use crate::error::StoreIoError;
use crate::files::Lease;
use crate::fs::Access;
use crate::header::{Header, SealReason, SealRecord, SlotState};
use crate::id::ChunkId;
use crate::meta::ChunkMeta;
use crate::observer::{ChunkInfo, Phase, SlotInfo};
use crate::reader::Frame;
use crate::receipt::Progress;
use crate::route::{RouteInner, RouteOptions, RouteTotals};
use crate::slots::Slots;
use crate::sync::{Mutex, lock};

mod append;
mod notices;
mod read;
mod seal;
mod settle;
mod sync;

pub(crate) use append::{Entry, Placed};
pub(crate) use notices::Notices;
pub(crate) use sync::SyncGoal;

#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) route: Arc<RouteInner>,
    /// The route's when the chunk was opened.
    pub(crate) options: Arc<RouteOptions>,
    pub(crate) header: Header,
    pub(crate) meta: Arc<ChunkMeta>,
    /// `None` once it takes no more appends: of very many chunks most do not.
    writer: Mutex<Option<Box<Writer>>>,
    state: Mutex<State>,
    pub(crate) notices: Notices,
}

#[derive(Debug)]
struct Writer {
    status: WriterStatus,
    /// What stands before the first frame; taken when the file is created.
    head_bytes: Vec<u8>,
    /// Where the next frame goes.
    end: u64,
    /// Where the last copy of the head is; `None` if this run has written none.
    last_copy: Option<u64>,
    /// Bytes allocated; zeros from `end` on.
    file_len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriterStatus {
    /// The file does not exist yet.
    Unborn,
    Open,
    /// It takes no more appends, and is about to have no writer.
    Closed,
}

/// What is in a chunk up to some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The offset after the last frame.
    pub(crate) end: u64,
    pub(crate) frame_count: u32,
    pub(crate) event_count: u64,
    pub(crate) payload_len: u64,
    /// Event times, the first above the second if unknown.
    pub(crate) time_min_ns: i64,
    pub(crate) time_max_ns: i64,
}

impl Contents {
    /// No frames; the first one goes to `end`.
    pub(crate) fn empty(end: u64) -> Contents {
        Contents {
            end,
            frame_count: 0,
            event_count: 0,
            payload_len: 0,
            time_min_ns: i64::MAX,
            time_max_ns: i64::MIN,
        }
    }

    /// What a seal record says.
    pub(crate) fn of_seal(data_start: u64, seal: &SealRecord) -> Contents {
        Contents {
            end: data_start.saturating_add(seal.data_len),
            frame_count: seal.frame_count,
            event_count: seal.event_count,
            payload_len: seal.payload_len,
            time_min_ns: seal.time_min_ns,
            time_max_ns: seal.time_max_ns,
        }
    }

    /// Counts a frame that a walk met; its events' times are not known.
    pub(crate) fn count(&mut self, frame: &Frame<'_>) {
        self.end = frame.end();
        self.frame_count = self.frame_count.saturating_add(1);
        self.event_count = self.event_count.saturating_add(frame.event_count.into());
        self.payload_len = self.payload_len.saturating_add(frame.payload.len() as u64);
    }

    fn time_range_ns(&self) -> Option<(i64, i64)> {
        (self.time_min_ns <= self.time_max_ns).then_some((self.time_min_ns, self.time_max_ns))
    }
}

#[derive(Debug)]
struct State {
    phase: Phase,
    contents: Contents,
    /// `None` once all is synced, and nothing may be appended.
    syncing: Option<Box<Syncing>>,
    /// Whether the chunk is in the committer's queue.
    is_dirty: bool,
    /// Whether the directory entry is on the medium for certain.
    is_entry_durable: bool,
    /// A sync failed: the file is never synced again.
    is_latched: bool,
    /// Whether event times were lost by a restart.
    is_time_unknown: bool,
    /// Some damaged bytes could not be copied: the file must be moved, not removed.
    is_evidence: bool,
    /// Unread bytes lie behind the data: the file must not be cut.
    has_remains: bool,
    /// When, if it was sealed.
    sealed_ns: i64,
    sealed_for: Option<SealReason>,
    slots: Slots,
    file_len: u64,
}

/// How far what was written is on the medium.
#[derive(Debug)]
struct Syncing {
    /// What is there for certain. Equals what a failed sync leaves.
    durable: Contents,
    /// Counts writes of any kind; a sync covers those it began after.
    version: u64,
    synced_version: u64,
    /// The count of failed directory syncs before the file was created.
    entry_epoch: u64,
    /// Kept while anything is to be synced.
    lease: Option<Arc<Lease>>,
    /// Who waits for its appends; `None` if there are none any more.
    progress: Option<Arc<Progress>>,
}

impl Syncing {
    fn since(durable: Contents) -> Syncing {
        Syncing {
            durable,
            version: 0,
            synced_version: 0,
            entry_epoch: 0,
            lease: None,
            progress: None,
        }
    }
}

/// How a chunk that recovery found begins its new life.
pub(crate) struct Found {
    pub(crate) phase: Phase,
    pub(crate) contents: Contents,
    pub(crate) sealed: Option<(i64, SealReason)>,
    pub(crate) slots: Slots,
    pub(crate) file_len: u64,
}

impl Chunk {
    /// A chunk whose file will be created by its first append; `None` if its metadata is too
    /// long.
    pub(crate) fn unborn(
        route: &Arc<RouteInner>,
        id: ChunkId,
        created_ns: i64,
        meta: ChunkMeta,
    ) -> Option<Chunk> {
        let meta_bytes = meta.encode()?;
        let header = Header::new(id, created_ns, meta.destinations.len(), &meta_bytes)?;
        let head_bytes = append::head_bytes(&header, &meta_bytes);
        let contents = Contents::empty(header.data_start.into());
        let owed = SlotInfo {
            state: SlotState::Owed,
            at_ns: created_ns,
            is_claimed: false,
        };
        let found = Found {
            phase: Phase::Staged,
            contents,
            sealed: None,
            slots: meta.destinations.iter().map(|_| owed).collect(),
            file_len: 0,
        };
        let chunk = Chunk::new(route, header, Arc::new(meta), found);
        *lock(&chunk.writer) = Some(Box::new(Writer {
            status: WriterStatus::Unborn,
            head_bytes,
            end: contents.end,
            last_copy: None,
            file_len: 0,
        }));
        lock(&chunk.state).is_entry_durable = false;
        Some(chunk)
    }

    /// A chunk whose file exists and whose directory entry is durable.
    pub(crate) fn new(
        route: &Arc<RouteInner>,
        header: Header,
        meta: Arc<ChunkMeta>,
        found: Found,
    ) -> Chunk {
        let is_staged = found.phase == Phase::Staged;
        let writer = is_staged.then(|| {
            Box::new(Writer {
                status: WriterStatus::Open,
                head_bytes: Vec::new(),
                end: found.contents.end,
                last_copy: None,
                file_len: found.file_len,
            })
        });
        Chunk {
            route: Arc::clone(route),
            options: route.options(),
            header,
            meta,
            writer: Mutex::new(writer),
            state: Mutex::new(State::new(found, is_staged)),
            notices: Notices::default(),
        }
    }

    pub(crate) fn id(&self) -> ChunkId {
        self.header.id
    }

    /// What every checksum in its file starts with. Made anew, as its path is.
    fn seed(&self) -> Seed {
        Seed::new(self.id())
    }

    /// Where its file is. Made anew: of the chunks that wait, few need it soon.
    pub(crate) fn path(&self) -> PathBuf {
        self.route.chunk_path(self.id())
    }

    /// For `map_err`: `.map_err(self.failed_to("write"))`.
    fn failed_to(&self, action: &'static str) -> impl FnOnce(io::Error) -> StoreIoError {
        move |source| StoreIoError {
            action,
            path: self.path(),
            source,
        }
    }

    fn data_start(&self) -> u64 {
        u64::from(self.header.data_start)
    }

    pub(crate) fn info(&self) -> ChunkInfo {
        self.info_of(&lock(&self.state))
    }

    fn info_of(&self, state: &State) -> ChunkInfo {
        ChunkInfo {
            id: self.id(),
            meta: Arc::clone(&self.meta),
            phase: state.phase,
            slots: state.slots.clone(),
            created_ns: self.header.created_ns,
            sealed: state.sealed(),
            frame_count: state.contents.frame_count,
            event_count: state.contents.event_count,
            payload_bytes: state.contents.payload_len,
            data_bytes: state.contents.end - self.data_start(),
            file_bytes: state.file_len,
            time_range_ns: state.time_range_ns(),
        }
    }

    /// When it was sealed, if the destination has not settled it yet.
    pub(crate) fn owed_since_ns(&self, destination: &str) -> Option<i64> {
        let names = &self.meta.destinations;
        let index = names.iter().position(|name| name == destination)?;
        let state = lock(&self.state);
        let is_owed = state.phase != Phase::Purged && state.slots[index].state == SlotState::Owed;
        let (sealed_ns, _) = state.sealed().filter(|_| is_owed)?;
        Some(sealed_ns)
    }

    pub(crate) fn add_to(&self, totals: &mut RouteTotals) {
        let state = lock(&self.state);
        let Contents {
            event_count,
            payload_len,
            ..
        } = state.contents;
        totals.add(
            self.header.created_ns,
            state.phase,
            event_count,
            payload_len,
        );
    }

    /// Whether it keeps track of who waits for its appends.
    #[cfg(test)]
    pub(crate) fn has_waiters_book(&self) -> bool {
        let state = lock(&self.state);
        state
            .syncing
            .as_ref()
            .is_some_and(|syncing| syncing.progress.is_some())
    }

    /// Makes sure that bytes behind the data are not cut off.
    pub(crate) fn keep_remains(&self) {
        lock(&self.state).has_remains = true;
    }

    /// Whether the file holds damage of which there is no copy.
    pub(crate) fn is_evidence(&self) -> bool {
        lock(&self.state).is_evidence
    }

    /// If damage up to `end` could not be copied, makes it part of the data.
    pub(crate) fn reach_over_evidence(&self, end: u64) {
        let mut state = lock(&self.state);
        if state.is_evidence {
            state.contents.end = state.contents.end.max(end);
        }
    }

    /// The open file: the one kept for the next sync, or one from the set of open files.
    fn lease(&self) -> Result<Arc<Lease>, StoreIoError> {
        if let Some(lease) = lock(&self.state).lease() {
            return Ok(lease);
        }
        let shared = &self.route.shared;
        self.lease_with(|| shared.fs.open(&self.path(), Access::ReadWrite))
            .map_err(self.failed_to("open"))
    }

    fn lease_with(
        &self,
        open_file: impl Fn() -> io::Result<Arc<dyn crate::fs::File>>,
    ) -> io::Result<Arc<Lease>> {
        let shared = &self.route.shared;
        shared
            .files
            .lease(self.id(), open_file, || shared.queue.force())
    }

    /// Notes that something was written through `lease`; `change` is applied in the same step.
    fn wrote(self: &Arc<Chunk>, lease: Arc<Lease>, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        state.syncing().version += 1;
        change(&mut state);
        if state.is_latched || state.phase == Phase::Purged {
            return;
        }
        state.syncing().lease = Some(lease);
        let was_dirty = std::mem::replace(&mut state.is_dirty, true);
        drop(state);
        if !was_dirty {
            self.route.shared.queue.push_dirty(Arc::clone(self));
        }
    }
}

impl State {
    fn new(found: Found, is_staged: bool) -> State {
        State {
            phase: found.phase,
            contents: found.contents,
            // Before the first append: the sync that covers it may be over before its receipt is made.
            syncing: is_staged.then(|| {
                Box::new(Syncing {
                    progress: Some(Arc::default()),
                    ..Syncing::since(found.contents)
                })
            }),
            is_dirty: false,
            is_entry_durable: true,
            is_latched: false,
            is_time_unknown: is_staged && found.contents.frame_count > 0,
            is_evidence: false,
            has_remains: false,
            sealed_ns: found.sealed.map_or(0, |(sealed_ns, _)| sealed_ns),
            sealed_for: found.sealed.map(|(_, reason)| reason),
            slots: found.slots,
            file_len: found.file_len,
        }
    }

    /// To be called before something is changed that is to be synced: what it finds is durable.
    fn syncing(&mut self) -> &mut Syncing {
        let durable = self.contents;
        self.syncing
            .get_or_insert_with(|| Box::new(Syncing::since(durable)))
    }

    fn sealed(&self) -> Option<(i64, SealReason)> {
        Some((self.sealed_ns, self.sealed_for?))
    }

    fn seal(&mut self, now_ns: i64, reason: SealReason) {
        (self.sealed_ns, self.sealed_for) = (now_ns, Some(reason));
    }

    /// What is on the medium for certain, if the directory entry is.
    fn durable(&self) -> Contents {
        let syncing = self.syncing.as_ref();
        syncing.map_or(self.contents, |syncing| syncing.durable)
    }

    fn is_synced(&self) -> bool {
        let syncing = self.syncing.as_ref();
        syncing.is_none_or(|syncing| syncing.version == syncing.synced_version)
    }

    fn lease(&self) -> Option<Arc<Lease>> {
        self.syncing.as_ref()?.lease.clone()
    }

    fn progress(&self) -> Option<&Arc<Progress>> {
        self.syncing.as_ref()?.progress.as_ref()
    }

    fn time_range_ns(&self) -> Option<(i64, i64)> {
        if self.is_time_unknown {
            None
        } else {
            self.contents.time_range_ns()
        }
    }
}
