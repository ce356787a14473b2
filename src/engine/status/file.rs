//! Files and parts of them, as the API shows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventCursor, Moment};

/// How a chunk's events are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// A line of JSON for each event, with `tag`, `time` and `record`.
    #[default]
    Ndjson,
    /// A MessagePack array of tag, time and record for each event, as the forward protocol has it.
    Msgpack,
}

/// A part of a chunk's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportPart {
    /// About a mebibyte, in the format.
    pub bytes: Vec<u8>,
    /// Where the next part begins; `None`: this is the last one.
    pub next: Option<EventCursor>,
}

/// A page of what the quarantine holds.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct QuarantinePage {
    /// The files, by name.
    pub files: Vec<QuarantineReport>,
    /// The cursor of the next page; `None`: this is the last one.
    pub next: Option<String>,
}

/// How much of a route stands in the quarantine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QuarantineTotals {
    /// Files: copies of damaged bytes, and chunk files that were set aside as a whole.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Damaged bytes or an unreadable file that was set aside.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct QuarantineReport {
    /// The file's name, which says where the bytes were: route, chunk and offset.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last written.
    pub set_aside: Option<Moment>,
}
