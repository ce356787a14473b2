//! Events as the API shows them.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{EventCursor, Moment};

/// A page of a chunk's events.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EventPage {
    /// The events, in the order they were stored.
    pub events: Vec<EventReport>,
    /// The cursor of the next page; `None`: this is the last one.
    pub next: Option<EventCursor>,
    /// Bytes that belong to this page but are damaged and were skipped.
    pub damaged_bytes: u64,
}

/// One event.
#[derive(Clone, Debug, Serialize)]
pub struct EventReport {
    /// Its tag.
    pub tag: String,
    /// Its time.
    pub time: Moment,
    /// Its record, as the MessagePack transcoder writes it.
    pub record: Box<RawValue>,
}
