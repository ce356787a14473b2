//! What is asked for: which chunks, which events.

use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ChunkState, EventCursor};
use crate::event::FieldPath;
use crate::msgpack::{Cursor, Value, json};

/// Which chunks to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkQuery {
    /// Only chunks in this state.
    pub state: Option<ChunkState>,
    /// Only chunks whose key, as [`KeyReport`](super::KeyReport) writes it in a line, has this in it.
    pub key: Option<String>,
    /// Only chunks that this output has not confirmed.
    pub output: Option<String>,
    /// Only chunks that were created longer ago.
    pub older_than: Option<Duration>,
    /// Which come first.
    pub order: ChunkOrder,
    /// Only chunks whose id comes after this text.
    pub after: Option<String>,
    /// At most this many; never 0.
    pub limit: usize,
}

/// Which chunks come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChunkOrder {
    /// Those that were created first.
    #[default]
    Oldest,
    /// Those that were created last.
    Newest,
}

/// Which of a chunk's events to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Where the page begins.
    pub from: EventCursor,
    /// At most this many; never 0.
    pub limit: usize,
    /// Only events with this.
    pub field: Option<FieldQuery>,
}

/// A field with a value, written as `PATH:VALUE`, e.g. `user:alice` or `$.http.status:500`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldQuery {
    path: FieldPath,
    value: String,
}

/// The text is no field with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field is written as `name:value`, `$.a.b:value` or `$.a[0]:value`")]
pub struct FieldQueryError;

impl FieldQuery {
    /// What the texts look like, as a regular expression.
    pub const PATTERN: &str =
        r"^([A-Za-z0-9_.@-]+|\$(\.[A-Za-z0-9_@/+*!?=<>#%&~^|,;-]+|\[[0-9]{1,9}\])+):";

    /// Whether `record`, the MessagePack of a map, has the value in the field: a string that is the
    /// same, or anything else whose JSON text is.
    #[must_use]
    pub fn matches(&self, record: &[u8]) -> bool {
        let Some(found) = self.path.find(record) else {
            return false;
        };
        if let Ok(Value::Str(bytes)) = Cursor::new(found).read() {
            return bytes == self.value.as_bytes();
        }
        let mut text = Vec::new();
        json::value(&mut text, found).is_ok() && text == self.value.as_bytes()
    }
}

impl FromStr for FieldQuery {
    type Err = FieldQueryError;

    fn from_str(text: &str) -> Result<Self, FieldQueryError> {
        static PATTERN: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(FieldQuery::PATTERN).ok());
        let is_one = PATTERN
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(text));
        let (path, value) = text
            .split_once(':')
            .filter(|_| is_one)
            .ok_or(FieldQueryError)?;
        Ok(Self {
            path: FieldPath::parse(path).map_err(|_| FieldQueryError)?,
            value: value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"user":"alice","n":5,"ok":true,"a":[{"b":"x:y"}],"m":{"k/1":null}}`
    const RECORD: &[u8] = b"\x85\xa4user\xa5alice\xa1n\x05\xa2ok\xc3\xa1a\x91\x81\xa1b\xa3x:y\
        \xa1m\x81\xa3k/1\xc0";

    #[test]
    fn a_field_is_found_by_its_text() {
        for (text, expected) in [
            ("user:alice", true),
            ("user:bob", false),
            ("user:", false),
            ("n:5", true),
            ("n:05", false),
            ("ok:true", true),
            ("$.a[0].b:x:y", true),
            ("$.m.k/1:null", true),
            ("$.m:{\"k/1\":null}", true),
            ("nobody:alice", false),
        ] {
            let query: FieldQuery = text.parse().unwrap();
            assert_eq!(query.matches(RECORD), expected, "{text}");
        }
    }

    #[test]
    fn what_names_no_field_is_refused() {
        for text in [
            "",
            "user",
            ":alice",
            "us er:a",
            "$:a",
            "$.:a",
            "$a:b",
            "$.a[x]:b",
            "$.a['b']:c",
        ] {
            assert_eq!(text.parse::<FieldQuery>(), Err(FieldQueryError), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_text_of_the_pattern_is_a_field(text in FieldQuery::PATTERN.trim_start_matches('^')) {
            proptest::prop_assert!(text.parse::<FieldQuery>().is_ok());
        }
    }
}
