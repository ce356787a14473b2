//! Events as outputs see them: one, and a batch that has not been stored.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::ChunkError;
use crate::event::{self, Timestamp};
use crate::msgpack;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Its tag.
    pub tag: &'a str,
    /// Its time.
    pub time: Timestamp,
    /// Its record: the MessagePack of a map.
    pub record: &'a [u8],
}

/// An event that borrows from nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedEvent {
    /// Its tag.
    pub tag: String,
    /// Its time.
    pub time: Timestamp,
    /// Its record: the MessagePack of a map.
    pub record: Vec<u8>,
}

impl EventRef<'_> {
    /// Appends the record as a JSON object.
    ///
    /// # Errors
    /// The record is no MessagePack.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), msgpack::Error> {
        msgpack::json::value(out, self.record).map(drop)
    }

    /// The record as a value of the program's own.
    ///
    /// # Errors
    /// The record does not fit.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let mut json = Vec::new();
        self.write_json(&mut json)
            .map_err(<serde_json::Error as serde::de::Error>::custom)?;
        serde_json::from_slice(&json)
    }

    /// The same event, borrowing from nobody.
    #[must_use]
    pub fn to_owned(&self) -> OwnedEvent {
        OwnedEvent {
            tag: self.tag.to_owned(),
            time: self.time,
            record: self.record.to_vec(),
        }
    }
}

impl OwnedEvent {
    /// The event.
    #[must_use]
    pub fn as_event(&self) -> EventRef<'_> {
        EventRef {
            tag: &self.tag,
            time: self.time,
            record: &self.record,
        }
    }
}

/// A batch of one tag as an output gets it that is driven direct. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    tag: String,
    payload: Bytes,
    event_count: u64,
}

impl Events {
    /// The batch of `tag` whose entries stand back to back in `payload`.
    #[must_use]
    pub fn new(tag: impl Into<String>, payload: impl Into<Bytes>, event_count: u64) -> Self {
        Self {
            tag: tag.into(),
            payload: payload.into(),
            event_count,
        }
    }

    /// The tag of all of its events.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// How many events it has.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.event_count
    }

    /// Bytes of its events as MessagePack.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// Its entries back to back.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The events one by one.
    pub fn each(&self) -> impl Iterator<Item = Result<EventRef<'_>, ChunkError>> {
        each(&self.tag, &self.payload)
    }
}

/// The events of `tag` in `payload`.
pub(super) fn each<'a>(
    tag: &'a str,
    payload: &'a [u8],
) -> impl Iterator<Item = Result<EventRef<'a>, ChunkError>> {
    event::entries(payload).map(move |entry| match entry {
        Ok(entry) => Ok(EventRef {
            tag,
            time: entry.time,
            record: entry.record,
        }),
        Err(bad) => Err(ChunkError::Event {
            tag: tag.to_owned(),
            source: bad.why,
        }),
    })
}
