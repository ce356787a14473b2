//! The form that a chunk's events have for an output.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;

use super::{ChunkError, Frame};
use crate::output::EventRef;
use crate::output::events::each;

/// An output's own format: the bytes that it wants for each event.
///
/// Chunks are stored in the standard format, and formatted when they are read for that output, so
/// that outputs of one route share them.
pub trait Format: Send + Sync + 'static {
    /// The bytes for one event; `None` leaves it out.
    fn format(&self, event: EventRef<'_>) -> Option<Bytes>;
}

impl<T> Format for T
where
    T: Fn(EventRef<'_>) -> Option<Bytes> + Send + Sync + 'static,
{
    fn format(&self, event: EventRef<'_>) -> Option<Bytes> {
        self(event)
    }
}

/// The standard format: MessagePack entries, as stored. Chunks in it have
/// [`records`](super::Chunk::records).
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard;

/// A [`Format`] of the output's own.
#[derive(Clone)]
pub struct Custom(Arc<dyn Format>);

impl Custom {
    pub(in crate::output) fn new(format: impl Format) -> Self {
        Self(Arc::new(format))
    }
}

/// The form of a chunk: [`Standard`] or [`Custom`]; there is no other, and nobody can add one (F26):
///
/// ```compile_fail,E0277
/// #[derive(Clone)]
/// struct Xml;
/// impl forebay::output::Form for Xml {}
/// ```
pub trait Form: sealed::Form {}

impl Form for Standard {}
impl Form for Custom {}

pub(in crate::output) mod sealed {
    use super::{ChunkError, Frame, Write};

    pub trait Form: Clone + Send + Sync + 'static {
        /// Writes the events of a frame, and says how many bytes that was.
        fn write_frame(&self, frame: Frame<'_>, to: &mut dyn Write) -> Result<u64, ChunkError>;
    }
}

impl sealed::Form for Standard {
    fn write_frame(&self, frame: Frame<'_>, to: &mut dyn Write) -> Result<u64, ChunkError> {
        write(to, frame.payload)
    }
}

impl sealed::Form for Custom {
    fn write_frame(&self, frame: Frame<'_>, to: &mut dyn Write) -> Result<u64, ChunkError> {
        let mut written = 0;
        for event in each(frame.tag, frame.payload) {
            if let Some(bytes) = self.0.format(event?) {
                written += write(to, &bytes)?;
            }
        }
        Ok(written)
    }
}

fn write(to: &mut dyn Write, bytes: &[u8]) -> Result<u64, ChunkError> {
    to.write_all(bytes)?;
    Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}
