//! Where a page of events begins.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A place among a chunk's events. Written as `frame-entry`, e.g. `4096-17`.
///
/// Frames never move, so a cursor stays good as long as its chunk exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The offset of a frame in the chunk's file; 0: the first frame.
    pub frame_offset: u64,
    /// Entries of that frame to skip.
    pub entry_index: u64,
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor of events is two numbers with a hyphen between them, as a page gave it")]
pub struct CursorError;

impl fmt::Display for EventCursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.frame_offset, self.entry_index)
    }
}

impl FromStr for EventCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (frame, entry) = text.split_once('-').ok_or(CursorError)?;
        Ok(Self {
            frame_offset: frame.parse().map_err(|_| CursorError)?,
            entry_index: entry.parse().map_err(|_| CursorError)?,
        })
    }
}

impl Serialize for EventCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_being_written_and_read() {
        let cursor = EventCursor {
            frame_offset: u64::MAX,
            entry_index: 17,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn what_is_not_two_numbers_is_no_cursor() {
        for text in ["", "-", "1", "1-", "-1", "1-2-3", "1--2", "a-b", "1- 2"] {
            assert_eq!(text.parse::<EventCursor>(), Err(CursorError), "{text:?}");
        }
    }
}
