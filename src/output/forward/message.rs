//! The bytes of messages: a window of a chunk becomes `PackedForward` messages.
//!
//! ```text
//! [tag, payload, {"size": events, "compressed": codec, "chunk": message id}]
//! ```
//!
//! One message for each run of frames with the same tag; its payload is the frames' payloads back
//! to back, as stored, or packed. What stands before and behind a payload is a few dozen bytes and
//! lies in an arena. Payloads stay where they are, in the chunk's mapping, and go from there to the
//! socket; only those so small that a place in the list of slices costs more than their bytes are
//! copied to the arena.

use std::io::{self, IoSlice};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_storage::ChunkId;

use crate::output::Frame;
use crate::wire::compression::Codec;
use crate::wire::forward::{SendOptions, write_head, write_options};

/// Payloads below this size, in bytes, are copied.
const COPIED_SIZE_MAX: usize = 1024;

/// The bytes of a message id before base64: chunk id and index.
const MESSAGE_ID_SIZE: usize = 16 + 4;

/// Names a message in the forward protocol's option `chunk`.
///
/// The same part of a chunk gets the same id in every attempt, also after a restart, so that a
/// receiver can tell a repetition. On the wire: base64 of the chunk id's 16 bytes and the index as
/// 4 bytes, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageId {
    /// The chunk that the message is a part of.
    pub(super) chunk_id: ChunkId,
    /// Its place among the chunk's messages, from 0.
    pub(super) index: u32,
}

/// Why a window cannot be sent. No attempt will be able to.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    /// The output's tag is made of values that are empty in this chunk.
    #[error("the tag is empty")]
    NoTag,
    /// A payload's length does not fit the protocol.
    #[error("a payload of {size} bytes is longer than a message can be")]
    TooLong {
        /// The payload's size, in bytes.
        size: usize,
    },
    /// The index does not fit the message id.
    #[error("the chunk has more messages than can be numbered")]
    TooMany,
    /// The packing failed.
    #[error("cannot pack a payload")]
    Pack(#[from] io::Error),
}

/// Makes the messages of one chunk, window by window.
#[derive(Debug)]
pub(super) struct Encoder {
    chunk_id: ChunkId,
    /// Sent instead of the frames' own tags.
    tag: Option<String>,
    codec: Option<Codec>,
    require_ack: bool,
    /// Messages made so far; the index of the next one.
    message_count: u32,
}

/// The messages of one window, ready to be written.
#[derive(Debug, Default)]
pub(super) struct Outgoing<'a> {
    arena: Vec<u8>,
    pieces: Vec<Piece<'a>>,
    awaited: Range<u32>,
}

#[derive(Debug)]
enum Piece<'a> {
    Arena(Range<usize>),
    Mapped(&'a [u8]),
}

/// Frames that follow one another and have the same tag.
struct Run<'a> {
    tag: &'a str,
    event_count: u64,
    payloads: Vec<&'a [u8]>,
}

impl MessageId {
    /// The id as it goes over the wire.
    pub(super) fn encode(self) -> String {
        let mut bytes = [0; MESSAGE_ID_SIZE];
        bytes[..16].copy_from_slice(self.chunk_id.as_bytes());
        bytes[16..].copy_from_slice(&self.index.to_be_bytes());
        STANDARD.encode(bytes)
    }

    /// The id that [`encode`](Self::encode) made `text` of; `None` if it did not.
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (chunk_id, index) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            chunk_id: ChunkId::from_bytes(*chunk_id),
            index: u32::from_be_bytes(index.try_into().ok()?),
        })
    }
}

impl Encoder {
    /// An encoder at the chunk's first message.
    pub(super) fn new(
        chunk_id: ChunkId,
        tag: Option<String>,
        codec: Option<Codec>,
        require_ack: bool,
    ) -> Self {
        Self {
            chunk_id,
            tag,
            codec,
            require_ack,
            message_count: 0,
        }
    }

    /// Whether [`encode`](Self::encode) packs payloads, which takes its time.
    pub(super) fn is_packing(&self) -> bool {
        self.codec.is_some()
    }

    /// The messages of the next window.
    ///
    /// # Errors
    /// [`EncodeError`]: the chunk can never be sent.
    pub(super) fn encode<'a>(
        &mut self,
        frames: impl Iterator<Item = Frame<'a>>,
    ) -> Result<Outgoing<'a>, EncodeError> {
        let first = self.message_count;
        let mut outgoing = Outgoing::default();
        for run in runs(frames, self.tag.is_some()) {
            self.push_message(&mut outgoing, &run)?;
        }
        if self.require_ack {
            outgoing.awaited = first..self.message_count;
        }
        Ok(outgoing)
    }

    fn push_message<'a>(
        &mut self,
        outgoing: &mut Outgoing<'a>,
        run: &Run<'a>,
    ) -> Result<(), EncodeError> {
        let tag = self.tag.as_deref().unwrap_or(run.tag);
        if tag.is_empty() {
            return Err(EncodeError::NoTag);
        }
        match self.codec {
            None => {
                outgoing.push_head(tag, run.size())?;
                outgoing.push_payloads(&run.payloads);
            }
            Some(codec) => {
                let packed = pack(codec, &run.payloads)?;
                outgoing.push_head(tag, packed.len())?;
                outgoing.push_own(|out| out.extend_from_slice(&packed));
            }
        }
        let id = self.next_id()?.encode();
        let options = SendOptions {
            chunk: self.require_ack.then_some(id.as_str()),
            event_count: run.event_count,
            codec: self.codec,
        };
        outgoing.push_own(|out| write_options(out, &options));
        Ok(())
    }

    fn next_id(&mut self) -> Result<MessageId, EncodeError> {
        let index = self.message_count;
        self.message_count = index.checked_add(1).ok_or(EncodeError::TooMany)?;
        Ok(MessageId {
            chunk_id: self.chunk_id,
            index,
        })
    }
}

impl<'a> Outgoing<'a> {
    /// The bytes, in order, as slices for a vectored write.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let bytes = self.pieces.iter().map(|piece| match piece {
            Piece::Arena(range) => &self.arena[range.clone()],
            Piece::Mapped(payload) => payload,
        });
        bytes.map(IoSlice::new).collect()
    }

    /// The indices of the messages that are to be acknowledged.
    pub(super) fn awaited(&self) -> Range<u32> {
        self.awaited.clone()
    }

    fn push_head(&mut self, tag: &str, payload_size: usize) -> Result<(), EncodeError> {
        let Ok(size) = u32::try_from(payload_size) else {
            return Err(EncodeError::TooLong { size: payload_size });
        };
        self.push_own(|out| write_head(out, tag, size));
        Ok(())
    }

    fn push_payloads(&mut self, payloads: &[&'a [u8]]) {
        for &payload in payloads {
            if payload.len() < COPIED_SIZE_MAX {
                self.push_own(|out| out.extend_from_slice(payload));
            } else {
                self.pieces.push(Piece::Mapped(payload));
            }
        }
    }

    /// Adds what `write` appends to the arena.
    fn push_own(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        write(&mut self.arena);
        let end = self.arena.len();
        match self.pieces.last_mut() {
            Some(Piece::Arena(range)) => range.end = end,
            _ => self.pieces.push(Piece::Arena(start..end)),
        }
    }
}

impl Run<'_> {
    /// Bytes of all payloads.
    fn size(&self) -> usize {
        self.payloads.iter().map(|payload| payload.len()).sum()
    }
}

fn pack(codec: Codec, payloads: &[&[u8]]) -> io::Result<Vec<u8>> {
    match payloads {
        [payload] => codec.pack(payload),
        payloads => codec.pack(&payloads.concat()),
    }
}

/// The frames in runs of the same tag, or in one run if their tags do not matter.
fn runs<'a>(frames: impl Iterator<Item = Frame<'a>>, any_tag: bool) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    for frame in frames {
        match runs.last_mut() {
            Some(run) if any_tag || run.tag == frame.tag => {
                run.event_count += u64::from(frame.event_count);
                run.payloads.push(frame.payload);
            }
            _ => runs.push(Run {
                tag: frame.tag,
                event_count: u64::from(frame.event_count),
                payloads: vec![frame.payload],
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests;
