//! A chunk's bytes and records: all at once, as a stream, one by one.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use forebay_storage::ReadError;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::{Chunk, ChunkError, ChunkReader, Form, Standard};
use crate::output::events::each;
use crate::output::{EventRef, OwnedEvent};

impl<F: Form> Chunk<F> {
    /// Writes all of it to `to`, and says how many bytes that was. Reads from the disk without
    /// holding up the runtime.
    ///
    /// # Errors
    /// [`ChunkError`]; part of it may have been written.
    pub fn write_to(&self, to: &mut dyn Write) -> Result<u64, ChunkError> {
        in_place(|| {
            let mut written = 0;
            let mut windows = self.windows()?;
            while let Some(window) = windows.next_window_blocking()? {
                for frame in window.frames() {
                    written += self.form.write_frame(frame, to)?;
                }
            }
            Ok(written)
        })
    }

    /// All of its bytes.
    ///
    /// # Errors
    /// [`ChunkError::Read`] and [`ChunkError::Event`].
    pub fn read(&self) -> Result<Vec<u8>, ChunkError> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Its bytes as a stream, of which about 1 MiB is in memory. Blocks while it reads.
    ///
    /// # Errors
    /// The file cannot be opened or its header not be read.
    pub fn reader(&self) -> Result<ByteReader<F>, ReadError> {
        Ok(ByteReader {
            windows: self.windows()?,
            form: self.form.clone(),
            bytes: Vec::new(),
            position: 0,
        })
    }
}

impl Chunk<Standard> {
    /// Its events one by one, in the order they were stored. Blocks while it reads.
    ///
    /// Only the standard format has records: this does not compile (F20).
    ///
    /// ```compile_fail,E0599
    /// fn count(chunk: &forebay::output::Chunk<forebay::output::Custom>) -> usize {
    ///     chunk.records().unwrap().count()
    /// }
    /// ```
    ///
    /// # Errors
    /// The file cannot be opened or its header not be read.
    pub fn records(&self) -> Result<Records, ReadError> {
        Ok(Records {
            windows: Some(self.windows()?),
            read: VecDeque::new(),
        })
    }

    /// Calls `take` with each of its events, without a copy, until it fails. Reads from the disk
    /// without holding up the runtime.
    ///
    /// # Errors
    /// [`ChunkError`], or what `take` fails with.
    pub fn each<E: From<ChunkError>>(
        &self,
        mut take: impl FnMut(EventRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        in_place(|| {
            let mut windows = self.windows().map_err(ChunkError::from)?;
            while let Some(window) = windows.next_window_blocking().map_err(ChunkError::from)? {
                for frame in window.frames() {
                    for event in each(frame.tag, frame.payload) {
                        take(event?)?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// The bytes of a chunk, see [`Chunk::reader`].
pub struct ByteReader<F = Standard> {
    windows: ChunkReader,
    form: F,
    /// A window's events in their form, read up to `position`.
    bytes: Vec<u8>,
    position: usize,
}

impl<F: Form> ByteReader<F> {
    /// Makes the next window's bytes; `false` at the end.
    fn fill(&mut self) -> Result<bool, ChunkError> {
        self.bytes.clear();
        self.position = 0;
        while self.bytes.is_empty() {
            let Some(window) = self.windows.next_window_blocking()? else {
                return Ok(false);
            };
            for frame in window.frames() {
                self.form.write_frame(frame, &mut self.bytes)?;
            }
        }
        Ok(true)
    }
}

impl<F: Form> Read for ByteReader<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position == self.bytes.len() && !self.fill().map_err(io::Error::other)? {
            return Ok(0);
        }
        let read = (&self.bytes[self.position..]).read(out)?;
        self.position += read;
        Ok(read)
    }
}

/// The events of a chunk, see [`Chunk::records`]. Ends after the first error.
pub struct Records {
    windows: Option<ChunkReader>,
    read: VecDeque<Result<OwnedEvent, ChunkError>>,
}

impl Records {
    fn fill(&mut self) -> Result<bool, ReadError> {
        let Some(windows) = &mut self.windows else {
            return Ok(false);
        };
        let Some(window) = windows.next_window_blocking()? else {
            self.windows = None;
            return Ok(false);
        };
        for frame in window.frames() {
            let events = each(frame.tag, frame.payload);
            self.read
                .extend(events.map(|event| event.map(|event| event.to_owned())));
        }
        Ok(true)
    }
}

impl Iterator for Records {
    type Item = Result<OwnedEvent, ChunkError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.read.is_empty() {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.windows = None;
                    return Some(Err(error.into()));
                }
            }
        }
        let next = self.read.pop_front();
        if let Some(Err(_)) = next {
            self.windows = None;
            self.read.clear();
        }
        next
    }
}

/// Does what blocks where the runtime's other tasks go on meanwhile.
pub(super) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests;
