//! Writing frames into a chunk, and creating the file with the first one.

use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;

use super::notices::Notice;
use super::{Chunk, Contents, State, Writer, WriterStatus};
use crate::checksum::{Body, Seed};
use crate::error::{AppendError, StoreIoError};
use crate::files::Lease;
use crate::frame::FrameHead;
use crate::fs::{is_disk_full, is_out_of_files};
use crate::header::{Header, SealReason, SlotRecord, SlotState, slot_offset};
use crate::layout::{BLOCK_LEN, SLOT_LEN, align_up, to_usize};
use crate::receipt::Receipt;
use crate::route::Durability;
use crate::sync::atomic::Ordering;
use crate::sync::lock;

mod lay_out;

use lay_out::LaidOut;

/// An append, checked and digested, ready to be placed at any offset.
pub(crate) struct Entry<'a> {
    /// Everything but the body's checksum.
    pub(crate) head: FrameHead,
    pub(crate) body: Body<'a>,
    pub(crate) time_min_ns: i64,
    pub(crate) time_max_ns: i64,
    pub(crate) now_ns: i64,
}

/// What became of an attempt to append to one chunk.
pub(crate) enum Placed {
    /// So many of the entries, at least the first.
    Here(Receipt, usize),
    /// The chunk takes no more appends: find another one.
    Elsewhere,
}

impl Chunk {
    /// Appends the first of `entries`, and as many of the others as fit, by one write; or seals the
    /// chunk if the first does not fit.
    ///
    /// The outcome is the same as if they were appended one by one. There must be one at least.
    pub(crate) fn append(self: &Arc<Chunk>, entries: &[Entry<'_>]) -> Result<Placed, AppendError> {
        let mut writer = lock(&self.writer);
        let Some(open) = writer.as_deref_mut() else {
            return Ok(Placed::Elsewhere);
        };
        let placed = self.append_with(open, entries);
        if open.status == WriterStatus::Closed {
            *writer = None;
        }
        placed
    }

    fn append_with(
        self: &Arc<Chunk>,
        writer: &mut Writer,
        entries: &[Entry<'_>],
    ) -> Result<Placed, AppendError> {
        let now_ns = entries[0].now_ns;
        let fitting = self.fitting(entries);
        let Some((last, earlier)) = fitting.split_last() else {
            self.seal_with(writer, SealReason::Size, now_ns);
            return Ok(Placed::Elsewhere);
        };
        let laid_out = self.lay_out(writer, earlier, last);
        let was_unborn = writer.status == WriterStatus::Unborn;
        let Some(lease) = self.prepare(writer, laid_out.end)? else {
            return Ok(Placed::Elsewhere);
        };
        self.write_frames(writer, &lease, &laid_out, now_ns)?;
        self.note_frames(writer, lease, fitting, was_unborn);
        let receipt = self.receipt(writer.end);
        // Not in the condition: the lock would be held while sealing.
        let contents = lock(&self.state).contents;
        if let Some(reason) = self.is_full(&contents) {
            self.seal_with(writer, reason, now_ns);
        }
        Ok(Placed::Here(receipt, fitting.len()))
    }

    /// The first entries that the chunk takes before it is full; none if it is not empty and the
    /// first would make it too large.
    fn fitting<'e, 'a>(&self, entries: &'e [Entry<'a>]) -> &'e [Entry<'a>] {
        let limit_bytes = self.options.chunk_limit_bytes;
        let mut contents = lock(&self.state).contents;
        let mut count = 0;
        for entry in entries {
            let is_too_large =
                contents.payload_len.saturating_add(entry.payload_len()) > limit_bytes;
            if is_too_large && contents.frame_count > 0 {
                break;
            }
            contents.add(entry);
            count += 1;
            if self.is_full(&contents).is_some() {
                break;
            }
        }
        &entries[..count]
    }

    /// Why the chunk should take no more appends, if it should not.
    fn is_full(&self, contents: &Contents) -> Option<SealReason> {
        let options = &self.options;
        if contents.payload_len >= options.full_bytes() {
            Some(SealReason::Size)
        } else if options
            .full_events()
            .is_some_and(|full| contents.event_count >= full)
        {
            Some(SealReason::Count)
        } else {
            None
        }
    }

    /// The open file with space up to `end`; `None` if a file of this name exists, which takes two
    /// runs with one seed.
    fn prepare(
        self: &Arc<Chunk>,
        writer: &mut Writer,
        end: u64,
    ) -> Result<Option<Arc<Lease>>, AppendError> {
        let is_unborn = writer.status == WriterStatus::Unborn;
        let lease = if is_unborn {
            self.create(writer)
        } else {
            self.lease()
        };
        let lease = match lease {
            Err(error) if is_unborn && error.source.kind() == ErrorKind::AlreadyExists => {
                return Ok(None);
            }
            lease => lease.map_err(append_error)?,
        };
        self.grow(writer, &lease, end).inspect_err(|_| {
            if is_unborn {
                self.abandon(writer);
            }
        })?;
        Ok(Some(lease))
    }

    fn create(self: &Arc<Chunk>, writer: &mut Writer) -> Result<Arc<Lease>, StoreIoError> {
        let entry_epoch = self.route.shared.entry_failures.load(Ordering::Acquire);
        lock(&self.state).syncing().entry_epoch = entry_epoch;
        let created = self.lease_with(|| self.route.shared.fs.create_new(&self.path()));
        created.map_err(|error| {
            writer.status = WriterStatus::Closed;
            self.route.unstage(self);
            self.failed_to("create")(error)
        })
    }

    /// Takes back a file whose first append failed, so that the next one begins anew.
    fn abandon(self: &Arc<Chunk>, writer: &mut Writer) {
        writer.status = WriterStatus::Closed;
        self.route.unstage(self);
        // An empty or headless file would be removed by the next recovery, too.
        let _ = self.route.shared.fs.remove_file(&self.path());
        self.route.shared.files.forget(self.id());
        self.route
            .space
            .release(std::mem::take(&mut writer.file_len));
    }

    /// Allocates space up to `end`: twice what there is, or less where that does not fit.
    fn grow(&self, writer: &mut Writer, lease: &Lease, end: u64) -> Result<(), AppendError> {
        if end <= writer.file_len {
            return Ok(());
        }
        let exact = align_up(end, BLOCK_LEN);
        let full = align_up(
            self.data_start() + self.options.chunk_limit_bytes,
            BLOCK_LEN,
        );
        let doubled = writer.file_len.saturating_mul(2).min(full).max(exact);
        match self.grow_to(writer, lease, doubled) {
            Err(AppendError::Full { .. } | AppendError::DiskFull(_)) if doubled > exact => {
                self.grow_to(writer, lease, exact)
            }
            grown => grown,
        }
    }

    fn grow_to(&self, writer: &mut Writer, lease: &Lease, len: u64) -> Result<(), AppendError> {
        let more = len - writer.file_len;
        if !self.route.space.reserve(more) {
            return Err(AppendError::Full {
                limit_bytes: self.route.space.limit(),
            });
        }
        if writer.status == WriterStatus::Unborn && len == BLOCK_LEN {
            // The first write fills the block.
        } else if let Err(error) = lease.file().allocate(len) {
            // What of it did get allocated is not ours to keep.
            let _ = lease.file().truncate(writer.file_len);
            self.route.space.release(more);
            return Err(append_error(self.failed_to("allocate")(error)));
        }
        writer.file_len = len;
        // At once: it is what the chunk's removal gives back, also if the write fails now.
        lock(&self.state).file_len = len;
        Ok(())
    }

    /// One vectored write of the frames, and of what stands before them if they are the first.
    ///
    /// If the first ones fit a block they are written with zeros up to its end, which takes the same
    /// space as to allocate it would: one call instead of two, and nothing for the sync to convert.
    /// Of many chunk keys most have no more than this.
    fn write_frames(
        self: &Arc<Chunk>,
        writer: &mut Writer,
        lease: &Lease,
        laid_out: &LaidOut<'_>,
        now_ns: i64,
    ) -> Result<(), AppendError> {
        let head_bytes = std::mem::take(&mut writer.head_bytes);
        let offset = writer.end - head_bytes.len() as u64;
        let rest = rest_of_block(writer, laid_out.end);
        let mut parts = laid_out.between(&head_bytes, rest).map(IoSlice::new);
        let written = lease.file().write_all_at(&mut parts, offset);
        written.map_err(|error| {
            if writer.status == WriterStatus::Unborn {
                self.abandon(writer);
            } else {
                // What the write left behind the end is cut off by the seal record.
                lock(&self.state).has_remains = true;
                self.seal_with(writer, SealReason::Failure, now_ns);
            }
            append_error(self.failed_to("write")(error))
        })?;
        writer.end = laid_out.end;
        writer.last_copy = laid_out.last_copy;
        Ok(())
    }

    fn note_frames(
        self: &Arc<Chunk>,
        writer: &mut Writer,
        lease: Arc<Lease>,
        entries: &[Entry<'_>],
        was_unborn: bool,
    ) {
        let change = |state: &mut State| {
            entries.iter().for_each(|entry| state.contents.add(entry));
            state.contents.end = writer.end;
        };
        if self.options.durability == Durability::Disk {
            self.wrote(lease, change);
        } else {
            let mut state = lock(&self.state);
            state.syncing().version += 1;
            change(&mut state);
        }
        if was_unborn {
            writer.status = WriterStatus::Open;
            self.route.add(self);
            self.notices.post(Notice::Staged(self.info()));
        }
    }

    fn receipt(&self, end: u64) -> Receipt {
        let progress = {
            let mut state = lock(&self.state);
            Arc::clone(state.syncing().progress.get_or_insert_default())
        };
        match self.options.durability {
            Durability::Disk => Receipt::new(progress, end),
            Durability::Memory => Receipt::new(progress, 0),
        }
    }
}

impl Entry<'_> {
    fn payload_len(&self) -> u64 {
        self.head.payload_len.into()
    }
}

impl Contents {
    /// Counts a frame; `end` stays.
    fn add(&mut self, entry: &Entry<'_>) {
        self.frame_count = self.frame_count.saturating_add(1);
        self.event_count = self
            .event_count
            .saturating_add(entry.head.event_count.into());
        self.payload_len = self.payload_len.saturating_add(entry.payload_len());
        self.time_min_ns = self.time_min_ns.min(entry.time_min_ns);
        self.time_max_ns = self.time_max_ns.max(entry.time_max_ns);
    }
}

/// The zeros behind the frames that end at `end`, if they are to be written.
fn rest_of_block(writer: &Writer, end: u64) -> &'static [u8] {
    static ZEROS: [u8; to_usize(BLOCK_LEN)] = [0; to_usize(BLOCK_LEN)];
    if writer.status == WriterStatus::Unborn && writer.file_len == BLOCK_LEN {
        &ZEROS[to_usize(end)..]
    } else {
        &[]
    }
}

/// Everything before the first frame: header, no seal record, slots that owe, metadata.
pub(super) fn head_bytes(header: &Header, meta: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; to_usize(header.data_start.into())];
    let fixed = header.encode();
    bytes[..fixed.len()].copy_from_slice(&fixed);
    let seed = Seed::new(header.id);
    let owed = SlotRecord {
        state: SlotState::Owed,
        at_ns: header.created_ns,
    };
    for index in 0..usize::from(header.slot_count) {
        let offset = to_usize(slot_offset(index));
        bytes[offset..offset + SLOT_LEN].copy_from_slice(&owed.encode(&seed, index));
    }
    let offset = to_usize(header.meta_offset());
    bytes[offset..offset + meta.len()].copy_from_slice(meta);
    bytes
}

fn append_error(error: StoreIoError) -> AppendError {
    if is_disk_full(&error.source) {
        AppendError::DiskFull(error)
    } else if is_out_of_files(&error.source) {
        AppendError::OutOfFiles(error)
    } else {
        AppendError::Io(error)
    }
}
