//! Where a reader's bytes come from: a mapping, or a buffer where mapping is not safe or costs more
//! than copying.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::fs::{File, Mapping, read_full_at};
use crate::layout::to_usize;

/// What a device fails to give, and a mapping is populated by, at the least; in bytes.
const PAGE_LEN: u64 = 4096;

/// Files up to this length are copied: to map and unmap one takes longer.
const COPIED_LEN_MAX: u64 = 16 << 10;

/// The bytes of one file, of which one range is shown at a time.
pub(super) struct Source {
    backing: Backing,
    /// What is in memory and may be looked at, as file offsets.
    shown: Range<u64>,
    /// Shown instead of the backing's bytes if some of those cannot be read.
    patched: Option<Vec<u8>>,
}

enum Backing {
    Mapped(Mapping),
    /// Short files, files that may still be written to, and systems that cannot populate a mapping
    /// safely. Keeps the file open.
    Buffered {
        file: Arc<dyn File>,
        buffer: Vec<u8>,
    },
    /// All of it, read before.
    Held(Vec<u8>),
}

impl Source {
    /// A source of the file's first `len` bytes; keeps the file open only if it must. Only a file
    /// whose bytes are final may be mapped.
    pub(super) fn new(file: Arc<dyn File>, len: u64, is_final: bool) -> io::Result<Source> {
        let mapping = if is_final && len > COPIED_LEN_MAX {
            Some(file.map(len)?)
        } else {
            None
        };
        let is_unsupported = |mapping: &Mapping| {
            mapping
                .populate(0..1)
                .is_err_and(|error| error.kind() == io::ErrorKind::Unsupported)
        };
        let backing = match mapping {
            Some(mapping) if !is_unsupported(&mapping) => Backing::Mapped(mapping),
            _ => Backing::Buffered {
                file,
                buffer: Vec::new(),
            },
        };
        Ok(Source {
            backing,
            shown: 0..0,
            patched: None,
        })
    }

    /// A source of bytes that were read before, from the file's start on.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Source {
        Source {
            backing: Backing::Held(bytes),
            shown: 0..0,
            patched: None,
        }
    }

    /// Reads the range, which lies within the source, and shows it.
    pub(super) fn view(&mut self, range: Range<u64>) -> io::Result<()> {
        match &mut self.backing {
            Backing::Mapped(mapping) => {
                mapping.populate(to_usize(range.start)..to_usize(range.end))?;
            }
            Backing::Buffered { file, buffer } => {
                buffer.resize(to_usize(range.end - range.start), 0);
                if read_full_at(&**file, buffer, range.start)? < buffer.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Backing::Held(_) => {}
        }
        self.patched = None;
        self.shown = range;
        Ok(())
    }

    /// Like [`Source::view`] after that failed with `error`, but with zeros for the pages that
    /// cannot be read; returns these. Fails with `error` if no page can be read: then it is the
    /// device that is gone, not some bytes.
    pub(super) fn view_readable(
        &mut self,
        range: Range<u64>,
        error: io::Error,
    ) -> io::Result<Vec<Range<u64>>> {
        let mut bytes = vec![0; to_usize(range.end - range.start)];
        let (mut unreadable, mut page_count) = (Vec::new(), 0);
        for page in pages(&range) {
            let place = to_usize(page.start - range.start)..to_usize(page.end - range.start);
            let bytes = &mut bytes[place];
            if self.copy_page(&page, bytes).is_err() {
                bytes.fill(0);
                unreadable.push(page);
            }
            page_count += 1;
        }
        if unreadable.len() == page_count {
            return Err(error);
        }
        self.patched = Some(bytes);
        self.shown = range;
        Ok(unreadable)
    }

    fn copy_page(&self, page: &Range<u64>, bytes: &mut [u8]) -> io::Result<()> {
        match &self.backing {
            Backing::Mapped(mapping) => {
                let place = to_usize(page.start)..to_usize(page.end);
                mapping.populate(place.clone())?;
                bytes.copy_from_slice(mapping.bytes(place));
            }
            Backing::Buffered { file, .. } => {
                if read_full_at(&**file, bytes, page.start)? < bytes.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Backing::Held(held) => {
                bytes.copy_from_slice(&held[to_usize(page.start)..to_usize(page.end)]);
            }
        }
        Ok(())
    }

    /// The bytes of the last successful view.
    pub(super) fn shown(&self) -> &[u8] {
        if let Some(bytes) = &self.patched {
            return bytes;
        }
        match &self.backing {
            Backing::Mapped(mapping) => {
                mapping.bytes(to_usize(self.shown.start)..to_usize(self.shown.end))
            }
            Backing::Buffered { buffer, .. } => {
                &buffer[..to_usize(self.shown.end - self.shown.start)]
            }
            Backing::Held(held) => &held[to_usize(self.shown.start)..to_usize(self.shown.end)],
        }
    }

    /// Gives back the memory of what is shown.
    pub(super) fn release(&mut self) {
        if let Backing::Mapped(mapping) = &mut self.backing {
            mapping.release(to_usize(self.shown.start)..to_usize(self.shown.end));
        }
        self.shown = 0..0;
        self.patched = None;
    }
}

/// The parts of `range` on each page of the file.
fn pages(range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let (mut start, end) = (range.start, range.end);
    std::iter::from_fn(move || {
        let page_end = (start / PAGE_LEN + 1).saturating_mul(PAGE_LEN).min(end);
        let page = start..page_end;
        start = page_end;
        (!page.is_empty()).then_some(page)
    })
}
