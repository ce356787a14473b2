//! Reading a complete message in place.

use super::Layout;
use crate::msgpack::{self, Cursor, Value};
use crate::wire::compression::Codec;

/// The longest `chunk` that is echoed, in bytes of its encoding. Senders use 30 or so; many of
/// them are kept at a time.
pub const CHUNK_SIZE_MAX: usize = 1_024;

/// A message, borrowed from the bytes that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The events' tag; never empty.
    pub tag: &'a str,
    /// The events, not looked at.
    pub entries: Entries<'a>,
    /// What the sender says about them.
    pub options: Options<'a>,
}

/// How a message carries its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries<'a> {
    /// MessagePack entries back to back.
    Packed(&'a [u8]),
    /// The same, to be unpacked.
    Compressed(Codec, &'a [u8]),
    /// One event, each part a MessagePack value.
    Single {
        /// Its time.
        time: &'a [u8],
        /// Its record.
        record: &'a [u8],
    },
}

/// What a sender says about a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// The MessagePack value to acknowledge the batch by, of any type but nil, to be echoed as it
    /// is; `None`: no acknowledgement is wanted. At most [`CHUNK_SIZE_MAX`] bytes.
    pub chunk: Option<&'a [u8]>,
    /// How many events the sender counts.
    pub event_count: Option<u64>,
    /// Fluent Bit's kind of data: 0 or nothing for logs, 1 for metrics, 2 for traces.
    pub signal: Option<u64>,
    codec: Option<Codec>,
}

/// Why a complete message is no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Neither nil nor an array; the next message may be right.
    #[error("not an array")]
    NotAnArray,
    /// The tag is missing, empty, not a string, or not UTF-8.
    #[error("tag is not a string of UTF-8 text")]
    Tag,
    /// Nothing behind the tag, or a time without a record.
    #[error("time or record is missing")]
    TooShort,
    /// The payload is packed in a way that we do not know.
    #[error("unknown compression {name:?}")]
    Compression {
        /// What the sender calls it.
        name: String,
    },
    /// `chunk` is longer than [`CHUNK_SIZE_MAX`].
    #[error("option chunk has {size} bytes, more than {CHUNK_SIZE_MAX}")]
    ChunkTooLong {
        /// Its size in bytes.
        size: usize,
    },
    /// Not MessagePack.
    #[error("malformed MessagePack")]
    Malformed(#[from] msgpack::Error),
    /// Not JSON, or not with the right shape.
    #[error("malformed JSON: {reason}")]
    MalformedJson {
        /// What is wrong, and where.
        reason: String,
    },
}

impl<'a> Message<'a> {
    /// Reads the message that `bytes` begin with, as laid out by the scanner. `None` is nil, which
    /// old senders use as a heartbeat.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn read(bytes: &'a [u8], layout: &Layout) -> Result<Option<Self>, Invalid> {
        let Some([tag, second, third, fourth]) = layout.elements(bytes) else {
            return match bytes.first() {
                Some(0xc0) => Ok(None),
                _ => Err(Invalid::NotAnArray),
            };
        };
        let tag = read_tag(tag)?;
        if second.is_empty() {
            return Err(Invalid::TooShort);
        }
        let mut cursor = Cursor::new(second);
        let (entries, options) = match cursor.read()? {
            Value::Array(_) => (Entries::Packed(cursor.rest()), Options::read(third)?),
            Value::Str(payload) | Value::Bin(payload) => {
                let options = Options::read(third)?;
                (options.entries(payload), options)
            }
            _ if third.is_empty() => return Err(Invalid::TooShort),
            _ => {
                let (time, record) = (second, third);
                (Entries::Single { time, record }, Options::read(fourth)?)
            }
        };
        Ok(Some(Self {
            tag,
            entries,
            options,
        }))
    }
}

impl<'a> Options<'a> {
    /// What the sender calls the batch: the bytes of `chunk` if it is a string or binary data,
    /// else its encoding; empty if there is none.
    #[must_use]
    pub fn batch_id(&self) -> &'a [u8] {
        let chunk = self.chunk.unwrap_or_default();
        match Cursor::new(chunk).read() {
            Ok(value) => value.as_bytes().unwrap_or(chunk),
            Err(_) => chunk,
        }
    }

    /// Reads the options' map; anything else says nothing.
    fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let mut options = Self::default();
        let mut cursor = Cursor::new(bytes);
        if bytes.is_empty() {
            return Ok(options);
        }
        let Value::Map(pair_count) = cursor.read()? else {
            return Ok(options);
        };
        for _ in 0..pair_count {
            let key = cursor.skip()?;
            let value = cursor.skip()?;
            options.set(Cursor::new(key).read()?, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: Value<'a>, raw: &'a [u8]) -> Result<(), Invalid> {
        let value = Cursor::new(raw).read()?;
        match key.as_bytes() {
            Some(b"chunk") => self.chunk = read_chunk(value, raw)?,
            Some(b"size") => self.event_count = value.as_u64(),
            Some(b"fluent_signal") => self.signal = value.as_u64(),
            Some(b"compressed") => self.codec = read_codec(value)?,
            _ => {}
        }
        Ok(())
    }

    fn entries(&self, payload: &'a [u8]) -> Entries<'a> {
        match self.codec {
            Some(codec) => Entries::Compressed(codec, payload),
            None => Entries::Packed(payload),
        }
    }
}

fn read_tag(element: &[u8]) -> Result<&str, Invalid> {
    if element.is_empty() {
        return Err(Invalid::Tag);
    }
    let bytes = Cursor::new(element).read()?.as_bytes();
    bytes
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .filter(|tag| !tag.is_empty())
        .ok_or(Invalid::Tag)
}

fn read_chunk<'a>(value: Value<'a>, raw: &'a [u8]) -> Result<Option<&'a [u8]>, Invalid> {
    if raw.len() > CHUNK_SIZE_MAX {
        return Err(Invalid::ChunkTooLong { size: raw.len() });
    }
    Ok((value != Value::Nil).then_some(raw))
}

fn read_codec(value: Value<'_>) -> Result<Option<Codec>, Invalid> {
    match value.as_bytes() {
        None if value == Value::Nil => Ok(None),
        Some(b"text" | b"") => Ok(None),
        name => {
            let name = name.unwrap_or(b"(not a string)");
            Codec::from_name(name)
                .map(Some)
                .ok_or_else(|| Invalid::Compression {
                    name: String::from_utf8_lossy(name.get(..64).unwrap_or(name)).into_owned(),
                })
        }
    }
}
