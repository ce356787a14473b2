//! Where a reader's bytes come from: a mapping, or a buffer where mapping is not safe.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::fs::{File, Mapping, read_full_at};
use crate::layout::to_usize;

/// The bytes of one file, of which one range is shown at a time.
pub(super) struct Source {
    backing: Backing,
    /// What is in memory and may be looked at, as file offsets.
    shown: Range<u64>,
}

enum Backing {
    Mapped(Mapping),
    /// Systems that cannot populate a mapping safely, and empty files. Keeps the file open.
    Buffered {
        file: Arc<dyn File>,
        buffer: Vec<u8>,
    },
}

impl Source {
    /// A source of the file's first `len` bytes; keeps the file open only if it must.
    pub(super) fn new(file: Arc<dyn File>, len: u64) -> io::Result<Source> {
        let mapping = if len == 0 { None } else { Some(file.map(len)?) };
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
        })
    }

    /// Reads the range, which lies within the source, and shows it.
    pub(super) fn view(&mut self, range: Range<u64>) -> io::Result<&[u8]> {
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
        }
        self.shown = range;
        Ok(self.shown())
    }

    /// The bytes of the last successful [`Source::view`].
    pub(super) fn shown(&self) -> &[u8] {
        match &self.backing {
            Backing::Mapped(mapping) => {
                &mapping.bytes()[to_usize(self.shown.start)..to_usize(self.shown.end)]
            }
            Backing::Buffered { buffer, .. } => {
                &buffer[..to_usize(self.shown.end - self.shown.start)]
            }
        }
    }

    /// Gives back the memory of what is shown.
    pub(super) fn release(&mut self) {
        if let Backing::Mapped(mapping) = &mut self.backing {
            mapping.release(to_usize(self.shown.start)..to_usize(self.shown.end));
        }
        self.shown = 0..0;
    }
}
