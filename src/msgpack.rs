//! MessagePack, read in place: a cursor over borrowed bytes, and what is built on it.
//!
//! Everything that comes from a network or a disk passes through here first, so nothing here
//! panics, allocates by a length that a sender claims, or nests deeper than [`DEPTH_MAX`].
//! Strings are bytes: senders put data that is not UTF-8 into them, and it has to survive.
//!
//! - [`value_len`] finds the end of a value, [`Framer`] does so for one that arrives in pieces;
//! - [`Cursor`] reads token by token;
//! - [`write`] appends values;
//! - [`json`] turns values into JSON text, [`from_json`] does the opposite, and [`JsonFramer`]
//!   finds the ends of JSON texts in a stream.

mod alike;
mod cursor;
mod framer;
pub mod from_json;
pub mod json;
mod json_framer;
mod shape;
mod skip;
#[cfg(test)]
pub(crate) mod testing;
pub mod write;

pub(crate) use alike::AlikeMaps;
pub use cursor::{Cursor, Value};
pub use framer::Framer;
pub use json_framer::JsonFramer;
pub(crate) use skip::skip_values;
pub use skip::value_len;

/// How deep arrays and maps may nest; a value that is neither has depth 0.
pub const DEPTH_MAX: u32 = 128;

/// The extension type of Fluentd's `EventTime`: 8 bytes, seconds and nanoseconds, big-endian.
pub const EVENT_TIME_EXT: i8 = 0;

/// Why bytes are not a MessagePack value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end inside the value. Not an error where more can come.
    #[error("value ends early, at least {needed} bytes are missing")]
    Incomplete {
        /// How many bytes are missing at least, by what the value claims; never 0.
        needed: usize,
    },
    /// No value begins like this.
    #[error("no value begins with byte {marker:#04x} at offset {offset}")]
    Malformed {
        /// Where, from the start of the bytes that were given.
        offset: usize,
        /// The byte that is found there.
        marker: u8,
    },
    /// Arrays and maps nest deeper than [`DEPTH_MAX`].
    #[error("arrays and maps nest deeper than {DEPTH_MAX} levels at offset {offset}")]
    TooDeep {
        /// Where the values of the first level too many begin.
        offset: usize,
    },
}

impl Error {
    /// The same error for bytes that begin `base` bytes later than those it was found in.
    #[must_use]
    pub fn shifted(self, base: usize) -> Self {
        match self {
            Self::Incomplete { .. } => self,
            Self::Malformed { offset, marker } => Self::Malformed {
                offset: base.saturating_add(offset),
                marker,
            },
            Self::TooDeep { offset } => Self::TooDeep {
                offset: base.saturating_add(offset),
            },
        }
    }
}
