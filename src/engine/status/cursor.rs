//! Where a page of events begins.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
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
            frame_offset: number(frame)?,
            entry_index: number(entry)?,
        })
    }
}

/// A number of at most 19 digits, so that every text of this form is one.
fn number(digits: &str) -> Result<u64, CursorError> {
    if digits.len() > 19 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CursorError);
    }
    digits.parse().map_err(|_| CursorError)
}

impl Serialize for EventCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for EventCursor {
    fn schema_name() -> Cow<'static, str> {
        "EventCursor".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{1,19}-[0-9]{1,19}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_being_written_and_read() {
        let cursor = EventCursor {
            frame_offset: 9_999_999_999_999_999_999,
            entry_index: 17,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn what_is_not_two_numbers_is_no_cursor() {
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "1--2",
            "a-b",
            "1- 2",
            "+1-2",
            "1-18446744073709551615",
        ] {
            assert_eq!(text.parse::<EventCursor>(), Err(CursorError), "{text:?}");
        }
    }
}
