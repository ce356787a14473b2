//! Whole chunks, window by window.

use std::io::Write;

use super::{EncodeError, EventWriter, Format};
use crate::config::plan::Compression;
use crate::output::{Chunk, Events};

/// Writes chunks in one format and packing. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ChunkEncoder {
    /// What an event becomes.
    pub(crate) format: Format,
    /// How the bytes are packed.
    pub(crate) compression: Compression,
}

impl ChunkEncoder {
    /// Reads the chunk and writes all of its events to `to`, which is given back flushed. Blocks.
    ///
    /// # Errors
    /// [`EncodeError`]; part of the chunk may have been written, and the packed stream may have
    /// been ended as if that were all.
    pub(crate) fn encode<W: Write>(&self, chunk: &Chunk, to: W) -> Result<W, EncodeError> {
        let mut writer = EventWriter::new(self.format.clone(), self.compression, to)?;
        let mut reader = chunk.windows()?;
        while let Some(window) = reader.next_window_blocking()? {
            for frame in window.frames() {
                writer.write_payload(frame.tag, frame.payload)?;
            }
        }
        writer.finish()
    }

    /// Writes all events of a batch to `to`, which is given back flushed. Blocks.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub(crate) fn encode_events<W: Write>(&self, events: &Events, to: W) -> Result<W, EncodeError> {
        let mut writer = EventWriter::new(self.format.clone(), self.compression, to)?;
        writer.write_payload(events.tag(), events.payload())?;
        writer.finish()
    }
}
