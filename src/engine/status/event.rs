//! Events as the API shows them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{EventCursor, Moment};
use crate::event::Timestamp;
use crate::msgpack::json;

/// A page of a chunk's events.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct EventPage {
    /// The events, in the order they were stored.
    pub events: Vec<EventReport>,
    /// The cursor of the next page; `None`: this is the last one.
    pub next: Option<EventCursor>,
    /// Bytes that belong to this page but are damaged and were skipped.
    pub damaged_bytes: u64,
}

/// One event.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EventReport {
    /// Its tag.
    pub tag: String,
    /// Its time.
    pub time: Moment,
    /// Its record, as the MessagePack transcoder writes it.
    #[schemars(with = "serde_json::Value")]
    pub record: Box<RawValue>,
}

impl EventReport {
    /// An event as it is shown; `record` is MessagePack. `None` if that is no value.
    #[must_use]
    pub fn new(tag: &str, time: Timestamp, record: &[u8]) -> Option<Self> {
        let mut text = Vec::with_capacity(record.len() * 2);
        json::value(&mut text, record).ok()?;
        let text = String::from_utf8(text).ok()?;
        Some(Self {
            tag: tag.to_owned(),
            time: Moment(time.ns()),
            record: RawValue::from_string(text).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msgpack::DEPTH_MAX;

    fn shown(record: &[u8]) -> Option<String> {
        let event = EventReport::new("app", Timestamp::from_ns(1), record)?;
        Some(serde_json::to_string(&event).unwrap())
    }

    #[test]
    fn a_record_is_shown_as_json() {
        assert_eq!(
            shown(b"\x82\xa1a\x01\xa1b\xc4\x01\xff").unwrap(),
            r#"{"tag":"app","time":"1970-01-01T00:00:00.000000001Z","record":{"a":1,"b":"/w=="}}"#
        );
    }

    #[test]
    fn the_deepest_record_is_shown() {
        let depth = usize::try_from(DEPTH_MAX).unwrap();
        let mut record = vec![0x91; depth - 1];
        record.push(0x80);
        assert!(shown(&record).is_some());
    }

    #[test]
    fn what_is_no_value_is_not_shown() {
        assert_eq!(shown(b"\xc1"), None);
        assert_eq!(shown(b"\x81\xa1a"), None);
    }
}
