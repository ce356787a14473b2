//! Claims and their outcome, and the end of a chunk.

use std::io::IoSlice;
use std::sync::Arc;

use super::notices::Notice;
use super::{Chunk, State};
use crate::error::{ClaimError, StoreIoError};
use crate::files::Lease;
use crate::header::{SlotRecord, SlotState, slot_offset};
use crate::observer::{ChunkInfo, Phase};
use crate::sync::lock;

impl Chunk {
    /// Claims the chunk for one destination.
    pub(crate) fn claim(&self, destination: usize) -> Result<(), ClaimError> {
        let mut state = lock(&self.state);
        let phase = state.phase;
        let slot = state
            .slots
            .get_mut(destination)
            .ok_or(ClaimError::Unknown)?;
        match phase {
            Phase::Staged | Phase::Sealed => Err(ClaimError::NotSealed),
            Phase::Purged => Err(ClaimError::Unknown),
            Phase::Queued if slot.state != SlotState::Owed => Err(ClaimError::AlreadyCommitted),
            Phase::Queued if slot.is_claimed => Err(ClaimError::AlreadyClaimed),
            Phase::Queued => {
                slot.is_claimed = true;
                Ok(())
            }
        }
    }

    /// Gives a claim back.
    pub(crate) fn unclaim(&self, destination: usize) {
        if let Some(slot) = lock(&self.state).slots.get_mut(destination) {
            slot.is_claimed = false;
        }
    }

    /// Notes that the destination is served, and purges the chunk if it was the last one. Returns
    /// whether it was. The caller holds the claim.
    ///
    /// A note that cannot be written (a full disk that copies on write, no descriptor) changes
    /// nothing for this run: not to know would mean to deliver again and again, and never to free
    /// the space. The error says that a restart may repeat the delivery.
    pub(crate) fn settle(
        self: &Arc<Chunk>,
        destination: usize,
        to: SlotState,
        at_ns: i64,
    ) -> Result<bool, StoreIoError> {
        let written = self.write_slot(destination, SlotRecord { state: to, at_ns });
        let is_last = lock(&self.state).settle(destination, to, at_ns);
        if is_last {
            // Removing the file says it as well, and needs no sync of the slot.
            self.purge();
            return Ok(true);
        }
        self.wrote(written?, |_| ());
        Ok(false)
    }

    fn write_slot(
        &self,
        destination: usize,
        record: SlotRecord,
    ) -> Result<Arc<Lease>, StoreIoError> {
        let lease = self.lease()?;
        let bytes = record.encode(&self.seed(), destination);
        let written = lease
            .file()
            .write_all_at(&mut [IoSlice::new(&bytes)], slot_offset(destination));
        written.map_err(self.failed_to("commit"))?;
        Ok(lease)
    }

    /// Drops the chunk whatever it owes; `None` if it is being delivered or gone.
    pub(crate) fn discard(self: &Arc<Chunk>) -> Option<ChunkInfo> {
        let mut writer = lock(&self.writer);
        if lock(&self.state).slots.iter().any(|slot| slot.is_claimed) {
            return None;
        }
        *writer = None;
        self.route.unstage(self);
        self.purge()
    }

    /// Takes the chunk out of its route and has its file removed. Needs no disk space.
    pub(super) fn purge(self: &Arc<Chunk>) -> Option<ChunkInfo> {
        let info = {
            let mut state = lock(&self.state);
            if state.phase == Phase::Purged {
                return None;
            }
            let info = self.info_of(&state);
            state.phase = Phase::Purged;
            if let Some(syncing) = &mut state.syncing {
                syncing.lease = None;
            }
            self.notices.post(Notice::Purged(self.info_of(&state)));
            info
        };
        self.route.remove(self.id());
        self.route.shared.queue.push_purged(Arc::clone(self));
        Some(info)
    }

    /// Removes the file, or moves it to the quarantine if it holds damage that could not be
    /// copied. Called by the committer.
    pub(crate) fn remove_file(&self) -> Result<(), StoreIoError> {
        let (is_evidence, file_len) = {
            let state = lock(&self.state);
            (state.is_evidence, state.file_len)
        };
        let shared = &self.route.shared;
        let path = self.path();
        self.route.observer.removing(self.id(), &path);
        shared.files.forget(self.id());
        if is_evidence {
            self.route
                .quarantine
                .take_file(&*shared.fs, &path, self.id())?;
        } else {
            shared
                .fs
                .remove_file(&path)
                .map_err(StoreIoError::on("remove", &path))?;
        }
        self.route.space.release(file_len);
        Ok(())
    }
}

impl State {
    /// Returns whether no destination is owed any more.
    fn settle(&mut self, destination: usize, to: SlotState, at_ns: i64) -> bool {
        if let Some(slot) = self.slots.get_mut(destination) {
            slot.state = to;
            slot.at_ns = at_ns;
            slot.is_claimed = false;
        }
        self.slots.iter().all(|slot| slot.state != SlotState::Owed)
    }
}
