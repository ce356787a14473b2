//! Decoders: from the raw bytes of one event to a record.
//!
//! | name | bytes | record |
//! |---|---|---|
//! | `json` | a JSON object | its members |
//! | `msgpack` | a map, or an entry `[time, record]` | the map; the time is the event's |
//! | `logfmt` | `level=info msg="it works" ready` | the pairs, as text; a name alone is true |
//! | `regex` | what the pattern matches | its named groups, as text; those that matched nothing are left out |
//! | `text` | anything | one field, `message`, with all of it |
//!
//! What comes here comes from strangers: nothing panics, recurses without bound, or takes more than
//! linear time.

use std::fmt;
use std::sync::Arc;

use crate::event::{Record, Timestamp};

mod json;
mod logfmt;
mod msgpack;
mod regex;
mod text;
mod time;

pub use time::{TimeFormat, TimeFormatError, TimeKey};

/// What makes a record of bytes.
pub trait Decoder: fmt::Debug + Send + Sync {
    /// The record that `bytes` hold, which are one event.
    ///
    /// # Errors
    /// [`DecodeError`].
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError>;
}

/// What a decoder has read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// The event's time, where the bytes say it.
    pub time: Option<Timestamp>,
    /// The event's record.
    pub record: Record,
}

/// Why bytes cannot be decoded: in few words, without anything of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They are no JSON.
    #[error("not JSON")]
    NotJson,
    /// They are no MessagePack.
    #[error("not MessagePack")]
    NotMsgpack,
    /// They are a value, but no object or map.
    #[error("not an object")]
    NotAnObject,
    /// They are no pairs of names and values.
    #[error("not logfmt")]
    NotLogfmt,
    /// They are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The pattern does not match.
    #[error("the pattern does not match")]
    NoMatch,
    /// The field that should hold the time is not there, or is no time.
    #[error("no time in the field for it")]
    NoTime,
}

/// A decoder that is not built in, by its name.
#[derive(Clone, Debug)]
pub struct OtherDecoder {
    /// What stands as `decoder` in the configuration.
    pub name: &'static str,
    /// What does it.
    pub decoder: Arc<dyn Decoder>,
}

impl PartialEq for OtherDecoder {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.decoder, &other.decoder)
    }
}

/// Which decoder, with its settings.
#[derive(Clone, Debug)]
pub enum DecoderPlan {
    /// JSON objects.
    Json,
    /// MessagePack.
    Msgpack,
    /// Pairs of names and values.
    Logfmt,
    /// The named groups of a pattern.
    Regex(::regex::Regex),
    /// Anything, as one field.
    Text,
    /// One that is not built in.
    Other(OtherDecoder),
}

impl PartialEq for DecoderPlan {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            (Self::Other(one), Self::Other(other)) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl DecoderPlan {
    /// The names of all decoders that are built in.
    pub const NAMES: [&str; 5] = ["json", "msgpack", "logfmt", "regex", "text"];

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Msgpack => "msgpack",
            Self::Logfmt => "logfmt",
            Self::Regex(_) => "regex",
            Self::Text => "text",
            Self::Other(other) => other.name,
        }
    }

    /// The decoder, which takes the time from `time_key` if that is given.
    #[must_use]
    pub fn open(&self, time_key: Option<TimeKey>) -> Arc<dyn Decoder> {
        match time_key {
            Some(time_key) => Arc::new(time::Timed::new(self.open(None), time_key)),
            None => match self {
                Self::Json => Arc::new(json::Json),
                Self::Msgpack => Arc::new(msgpack::Msgpack),
                Self::Logfmt => Arc::new(logfmt::Logfmt),
                Self::Regex(pattern) => Arc::new(regex::Groups(pattern.clone())),
                Self::Text => Arc::new(text::Text),
                Self::Other(other) => Arc::clone(&other.decoder),
            },
        }
    }
}

fn of_record(record: Record) -> Decoded {
    Decoded { time: None, record }
}

#[cfg(test)]
mod tests;
