//! The committer's side of a chunk: what a sync covers, and what follows from its outcome.

use std::io;
use std::sync::Arc;
use std::task::Waker;

use super::notices::Notice;
use super::{Chunk, Contents, State};
use crate::error::SyncError;
use crate::files::Lease;
use crate::header::{SealReason, SealRecord};
use crate::layout::{BLOCK_LEN, align_up};
use crate::observer::Phase;
use crate::route::Durability;
use crate::sync::lock;

/// What a sync that begins now will make durable.
#[derive(Debug)]
pub(crate) struct SyncGoal {
    pub(crate) lease: Arc<Lease>,
    pub(crate) needs_entry: bool,
    pub(crate) entry_epoch: u64,
    version: u64,
    contents: Contents,
    is_sealed: bool,
}

impl Chunk {
    /// Takes the chunk out of the queue; `None` if there is nothing to sync.
    pub(crate) fn begin_sync(&self, woken: &mut Vec<Waker>) -> Option<SyncGoal> {
        let mut state = lock(&self.state);
        state.is_dirty = false;
        if state.is_latched {
            return None;
        }
        if state.phase == Phase::Purged {
            // Its owner dropped it on purpose: nobody needs to send it again.
            state.advance(u64::MAX, woken);
            return None;
        }
        if state.is_synced() {
            return None;
        }
        let syncing = state.syncing.as_ref()?;
        Some(SyncGoal {
            lease: syncing.lease.clone()?,
            needs_entry: !state.is_entry_durable,
            entry_epoch: syncing.entry_epoch,
            version: syncing.version,
            contents: state.contents,
            is_sealed: state.phase != Phase::Staged,
        })
    }

    /// The sync succeeded, and the directory entry is durable. Returns the appends resolved.
    pub(crate) fn finish_sync(&self, goal: &SyncGoal, woken: &mut Vec<Waker>) -> u32 {
        let mut state = lock(&self.state);
        let resolved = goal.contents.frame_count - state.durable().frame_count;
        state.is_entry_durable = true;
        let syncing = state.syncing();
        syncing.durable = goal.contents;
        syncing.synced_version = goal.version;
        let is_synced = syncing.version == goal.version;
        if is_synced {
            syncing.lease = None;
        }
        state.advance(goal.contents.end, woken);
        if goal.is_sealed {
            if is_synced {
                state.syncing = None;
            }
            self.become_queued(&mut state);
            drop(state);
            self.close_when_idle();
        }
        resolved
    }

    /// The sync failed: what is not durable is refused, the chunk ends before it, and its file is
    /// never synced again.
    pub(crate) fn latch(self: &Arc<Chunk>, error: Arc<io::Error>, woken: &mut Vec<Waker>) {
        let mut writer = lock(&self.writer);
        *writer = None;
        self.route.unstage(self);
        self.notices.post(Notice::SyncFailed(Arc::clone(&error)));
        let (record, lease) = self.cut_back();
        match record {
            // Best effort: without the record, recovery may deliver what was refused, which the
            // sender will have sent again.
            Some(record) => drop(self.write_seal(Some(record))),
            None => drop(self.purge()),
        }
        drop(lease);
        self.become_queued(&mut lock(&self.state));
        // Last, so that whoever is refused finds the chunk in its final state.
        let failure = SyncError::Failed {
            path: self.path(),
            source: error,
        };
        self.fail(failure, woken);
    }

    /// Ends the chunk's contents with what is durable; returns the seal record that says so, or
    /// `None` if nothing is.
    fn cut_back(&self) -> (Option<SealRecord>, Option<Arc<Lease>>) {
        let mut state = lock(&self.state);
        state.is_latched = true;
        state.has_remains = true;
        if self.options.durability == Durability::Disk {
            state.contents = state.durable_contents(self.data_start());
        }
        let sealed_ns = state
            .sealed()
            .map_or(self.header.created_ns, |(sealed_ns, _)| sealed_ns);
        state.seal(sealed_ns, SealReason::Failure);
        if state.phase == Phase::Staged {
            state.phase = Phase::Sealed;
        }
        let record = state.seal_record(self.data_start());
        (
            record.filter(|record| record.frame_count > 0),
            state
                .syncing
                .as_mut()
                .and_then(|syncing| syncing.lease.take()),
        )
    }

    /// Puts a chunk into the queue whose appends do not wait for a sync.
    pub(crate) fn ask_for_sync(self: &Arc<Chunk>) {
        let is_synced = {
            let state = lock(&self.state);
            state.is_dirty || state.is_synced()
        };
        if !is_synced && let Ok(lease) = self.lease() {
            self.wrote(lease, |_| ());
        }
    }

    /// Closes a sealed chunk's file with its last lease: it is needed again once, for delivery.
    pub(super) fn close_when_idle(&self) {
        self.route.shared.files.forget(self.id());
    }

    /// The store is closed: what is not durable never will be.
    pub(crate) fn refuse(&self, woken: &mut Vec<Waker>) {
        self.fail(SyncError::Closed, woken);
    }

    fn fail(&self, failure: SyncError, woken: &mut Vec<Waker>) {
        let progress = lock(&self.state).progress().cloned();
        if let Some(progress) = progress {
            progress.fail(failure, woken);
        }
    }

    /// Gives back the space behind a sealed chunk's data; returns the bytes.
    pub(crate) fn trim(&self, goal: &SyncGoal) -> u64 {
        if !goal.is_sealed {
            return 0;
        }
        let _writer = lock(&self.writer);
        let (new_len, file_len) = {
            let state = lock(&self.state);
            if state.phase != Phase::Queued || state.has_remains {
                return 0;
            }
            (align_up(state.contents.end, BLOCK_LEN), state.file_len)
        };
        if new_len >= file_len || goal.lease.file().truncate(new_len).is_err() {
            return 0;
        }
        lock(&self.state).file_len = new_len;
        let freed = file_len - new_len;
        self.route.space.release(freed);
        freed
    }
}

impl State {
    /// Everything below `end` is durable.
    fn advance(&self, end: u64, woken: &mut Vec<Waker>) {
        if let Some(progress) = self.progress() {
            progress.advance(end, woken);
        }
    }

    /// What a power cut leaves for certain.
    fn durable_contents(&self, data_start: u64) -> Contents {
        if self.is_entry_durable {
            self.durable()
        } else {
            Contents::empty(data_start)
        }
    }
}
