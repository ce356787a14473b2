//! Sealing: the chunk takes no more appends.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::notices::Notice;
use super::{Chunk, State, Writer, WriterStatus};
use crate::error::StoreIoError;
use crate::files::Lease;
use crate::header::{SealReason, SealRecord};
use crate::layout::SEAL_OFFSET;
use crate::observer::Phase;
use crate::route::Durability;
use crate::sync::lock;

impl Chunk {
    /// Seals the chunk; `false` if it is sealed already or was never written.
    pub(crate) fn seal(self: &Arc<Chunk>, reason: SealReason, now_ns: i64) -> bool {
        let mut writer = lock(&self.writer);
        match writer.as_deref_mut() {
            Some(open) if open.status == WriterStatus::Open => {
                self.seal_with(open, reason, now_ns);
            }
            _ => return false,
        }
        *writer = None;
        true
    }

    /// Seals an open chunk.
    ///
    /// A seal record that cannot be written changes nothing about the frames: the chunk is
    /// delivered all the same, and recovery finds its end by walking it.
    pub(super) fn seal_with(
        self: &Arc<Chunk>,
        writer: &mut Writer,
        reason: SealReason,
        now_ns: i64,
    ) {
        writer.status = WriterStatus::Closed;
        self.route.unstage(self);
        let record = {
            let mut state = lock(&self.state);
            state.phase = Phase::Sealed;
            state.seal(now_ns, reason);
            state.seal_record(self.data_start())
        };
        match self.write_seal(record) {
            Ok(lease) => self.wrote(lease, |_| ()),
            Err(error) => self.seal_unrecorded(error),
        }
        if self.options.durability == Durability::Memory {
            self.become_queued(&mut lock(&self.state));
        }
    }

    /// Writes header and metadata where they belong. The records between them stay as they are.
    pub(crate) fn restore_head(&self) -> Result<(), StoreIoError> {
        let lease = self.lease()?;
        let (file, header) = (lease.file(), self.header.encode());
        // Metadata that could not be encoded would have no chunk.
        let meta = self.meta.encode().unwrap_or_default();
        let written = file
            .write_all_at(&mut [IoSlice::new(&meta)], self.header.meta_offset())
            .and_then(|()| file.write_all_at(&mut [IoSlice::new(&header)], 0))
            .and_then(|()| file.sync_data());
        written.map_err(self.failed_to("restore"))
    }

    pub(super) fn write_seal(
        &self,
        record: Option<SealRecord>,
    ) -> Result<Arc<Lease>, StoreIoError> {
        let lease = self.lease()?;
        if let Some(record) = record {
            let bytes = record.encode(&self.seed());
            let written = lease
                .file()
                .write_all_at(&mut [IoSlice::new(&bytes)], SEAL_OFFSET as u64);
            written.map_err(self.failed_to("seal"))?;
        }
        Ok(lease)
    }

    /// The record is not on disk. If earlier appends still wait for their sync the chunk becomes
    /// queued with them; else it does so now.
    fn seal_unrecorded(self: &Arc<Chunk>, error: StoreIoError) {
        self.note_failure(Arc::new(error.source));
        let lease = lock(&self.state).lease();
        match lease {
            Some(lease) => self.wrote(lease, |_| ()),
            None => self.become_queued(&mut lock(&self.state)),
        }
    }

    pub(super) fn note_failure(&self, error: Arc<io::Error>) {
        self.route.shared.counters.failed();
        self.notices.post(Notice::SyncFailed(error));
    }

    pub(super) fn become_queued(&self, state: &mut State) {
        if state.phase == Phase::Sealed {
            state.phase = Phase::Queued;
            self.notices.post(Notice::Queued(self.info_of(state)));
        }
    }
}

impl State {
    /// The record for the chunk's contents; `None` if it is not sealed.
    pub(super) fn seal_record(&self, data_start: u64) -> Option<SealRecord> {
        let (sealed_ns, reason) = self.sealed()?;
        let (time_min_ns, time_max_ns) = self.time_range_ns().unwrap_or((i64::MAX, i64::MIN));
        Some(SealRecord {
            data_len: self.contents.end - data_start,
            payload_len: self.contents.payload_len,
            event_count: self.contents.event_count,
            frame_count: self.contents.frame_count,
            time_min_ns,
            time_max_ns,
            sealed_ns,
            reason,
        })
    }
}
