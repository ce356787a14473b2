//! From stored events to the bytes that a destination gets. What outputs share, not an output.
//!
//! | format | an event becomes |
//! |---|---|
//! | ndjson | one line with a JSON object: `time`, `tag`, and the record's fields beside them |
//! | json | one line with the record as a JSON object |
//! | JSON array | the objects of ndjson, in one array |
//! | csv | one line with the named fields ([`csv`]) |
//! | ltsv | one line with `time`, `tag` and the record's fields as `label:value` ([`ltsv`]) |
//! | msgpack | the entry as it came in |
//!
//! `time` is RFC 3339 in UTC with nine digits after the second. Where a record has a field of the
//! name `time` or `tag` at its top level, the record's stands and ours is left out: no name
//! appears twice because of us, and nothing of the record is lost. Values become JSON as
//! [`crate::msgpack::json`] says. Fluent Bit's metadata is in msgpack only.
//!
//! Nothing here builds a tree of values, and memory does not depend on the chunk's size: what is
//! encoded is handed on every [`FILL_SIZE`] bytes.

use std::io::{self, Write};
use std::sync::Arc;

use forebay_storage::ReadError;

use crate::config::plan::{Compression, FileFormat, HttpFormat};
use crate::event::{self, Entry, EntryFault, EntryHead, FieldPathError};
use crate::msgpack;
use crate::output::{Failure, FailureScope, Outcome};
use crate::telemetry;

mod chunk;
mod csv;
mod injected;
mod json;
mod ltsv;
mod pack;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use self::chunk::ChunkEncoder;
use self::csv::Column;
use injected::TimeText;
use pack::Packer;

/// Encoded bytes that are collected before they are handed on.
const FILL_SIZE: usize = 64 * 1024;

/// What an event becomes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    /// One JSON object a line, with time and tag.
    Ndjson,
    /// The record as one JSON object a line.
    Json,
    /// One JSON array of objects, with time and tag.
    JsonArray,
    /// The columns, one line an event.
    Csv(Arc<[Column]>),
    /// `label:value` pairs, one line an event.
    Ltsv,
    /// Entries as they came.
    Msgpack,
}

impl Format {
    /// The format of a file or of standard output.
    ///
    /// # Errors
    /// If a CSV field is not a field's path.
    pub(crate) fn of_file(format: &FileFormat) -> Result<Self, FieldPathError> {
        Ok(match format {
            FileFormat::Ndjson => Self::Ndjson,
            FileFormat::Json => Self::Json,
            FileFormat::Csv { fields } => Self::Csv(csv::columns(fields)?),
            FileFormat::Ltsv => Self::Ltsv,
            FileFormat::Msgpack => Self::Msgpack,
        })
    }

    /// The format of a request's body.
    pub(crate) fn of_body(format: HttpFormat) -> Self {
        match format {
            HttpFormat::Ndjson => Self::Ndjson,
            HttpFormat::JsonArray => Self::JsonArray,
            HttpFormat::Msgpack => Self::Msgpack,
        }
    }

    /// Whether each event ends with a line's end.
    pub(crate) fn is_lines(&self) -> bool {
        match self {
            Self::Ndjson | Self::Json | Self::Csv(_) | Self::Ltsv => true,
            Self::JsonArray | Self::Msgpack => false,
        }
    }
}

/// Why events could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    /// The chunk cannot be read.
    #[error("the chunk cannot be read")]
    Read(#[from] ReadError),
    /// A stored entry is not what the intake lets in. Trying again does not help.
    #[error("a stored event of tag {tag} cannot be encoded")]
    Entry {
        /// The event's tag.
        tag: String,
        /// What is wrong with it.
        source: EntryFault,
    },
    /// What the bytes are written to failed.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl EncodeError {
    /// What became of the attempt; `written_to` speaks for what was written to.
    pub(crate) fn outcome(self, written_to: impl FnOnce(&io::Error) -> Outcome) -> Outcome {
        let reason = telemetry::reason(&self);
        match self {
            Self::Write(error) => written_to(&error),
            Self::Read(_) => Outcome::Retry(Failure::new(FailureScope::Chunk, reason)),
            Self::Entry { .. } => Outcome::Reject { reason },
        }
    }
}

/// Encodes events and writes them on.
///
/// Dropping it without [`finish`](Self::finish) leaves what was written without its end.
pub(crate) struct EventWriter<W: Write> {
    format: Format,
    to: Packer<W>,
    out: Vec<u8>,
    time: TimeText,
    csv: csv_core::Writer,
    is_first: bool,
}

impl<W: Write> EventWriter<W> {
    /// A writer of events to `to`.
    ///
    /// # Errors
    /// If the packing cannot be set up.
    pub(crate) fn new(format: Format, compression: Compression, to: W) -> io::Result<Self> {
        Ok(Self {
            format,
            to: Packer::new(compression, to)?,
            out: Vec::new(),
            time: TimeText::default(),
            csv: csv_core::Writer::new(),
            is_first: true,
        })
    }

    /// Writes the entries that stand back to back in `payload`, events of `tag`.
    ///
    /// # Errors
    /// [`EncodeError`]; part of the payload may have been written.
    pub(crate) fn write_payload(&mut self, tag: &str, payload: &[u8]) -> Result<(), EncodeError> {
        match self.format {
            Format::Msgpack => Ok(self.to.write_all(payload)?),
            Format::Ndjson | Format::Json | Format::JsonArray => self.write_json(tag, payload),
            Format::Csv(_) | Format::Ltsv => self.write_lines(tag, payload),
        }
    }

    /// Each record is read once, by what writes it, which also finds where the next entry begins.
    fn write_json(&mut self, tag: &str, payload: &[u8]) -> Result<(), EncodeError> {
        let mut rest = payload;
        while !rest.is_empty() {
            let here = payload.len() - rest.len();
            let fault = |why: EntryFault| at(tag, why.shifted(here));
            let head = event::entry_head(rest).map_err(fault)?;
            let record_at = rest.len() - head.rest.len();
            let len = self.encode_json(tag, &head);
            let len = len.map_err(|error| fault(error.shifted(record_at).into()))?;
            rest = &head.rest[len..];
            self.hand_on_if_full()?;
        }
        Ok(())
    }

    fn write_lines(&mut self, tag: &str, payload: &[u8]) -> Result<(), EncodeError> {
        for entry in event::entries(payload) {
            let entry = entry.map_err(|bad| at(tag, bad.why))?;
            self.encode_line(tag, &entry)
                .map_err(|error| at(tag, error.into()))?;
            self.hand_on_if_full()?;
        }
        Ok(())
    }

    /// Writes what is held and the end of what was written, flushes, and gives back what was
    /// written to.
    ///
    /// # Errors
    /// [`EncodeError::Write`].
    pub(crate) fn finish(mut self) -> Result<W, EncodeError> {
        if matches!(self.format, Format::JsonArray) {
            let end: &[u8] = if self.is_first { b"[]" } else { b"]" };
            self.out.extend_from_slice(end);
        }
        self.hand_on()?;
        let mut to = self.to.finish()?;
        to.flush()?;
        Ok(to)
    }

    fn hand_on_if_full(&mut self) -> io::Result<()> {
        if self.out.len() >= FILL_SIZE {
            self.hand_on()?;
        }
        Ok(())
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.to.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Gives the record's length.
    fn encode_json(&mut self, tag: &str, head: &EntryHead<'_>) -> Result<usize, msgpack::Error> {
        let out = &mut self.out;
        let is_first = std::mem::replace(&mut self.is_first, false);
        if matches!(self.format, Format::JsonArray) {
            out.push(if is_first { b'[' } else { b',' });
        }
        let len = match self.format {
            Format::Json => msgpack::json::value(out, head.rest)?,
            _ => json::object(out, self.time.of(head.time), tag, head.rest)?,
        };
        if self.format.is_lines() {
            out.push(b'\n');
        }
        Ok(len)
    }

    fn encode_line(&mut self, tag: &str, entry: &Entry<'_>) -> Result<(), msgpack::Error> {
        let out = &mut self.out;
        let time = self.time.of(entry.time);
        if let Format::Csv(columns) = &self.format {
            return csv::line(out, &mut self.csv, columns, time, tag, entry.record);
        }
        ltsv::pairs(out, time, tag, entry.record)?;
        out.push(b'\n');
        Ok(())
    }
}

fn at(tag: &str, source: EntryFault) -> EncodeError {
    EncodeError::Entry {
        tag: tag.to_owned(),
        source,
    }
}
