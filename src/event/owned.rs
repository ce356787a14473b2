//! One event that filters read and edit.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Entry, FieldPath, Record, Timestamp, Value, write_entry_head};
use crate::msgpack::write;

/// An event: tag, time and record.
///
/// Its record stays packed until somebody reads or edits it; an event that nobody edits leaves as
/// the bytes that it came as. A clone shares everything until one of both is edited.
#[derive(Clone, Debug)]
pub struct Event {
    tag: Arc<str>,
    time: Timestamp,
    /// What Fluent Bit says about the event, a map.
    metadata: Option<Bytes>,
    /// The whole entry as it came; `None` once time or record were edited.
    entry: Option<Bytes>,
    /// The record as it came; `None` once it was edited.
    packed: Option<Bytes>,
    record: OnceLock<Arc<Record>>,
}

/// A tag is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tag must not be empty")]
pub struct EmptyTag;

impl Event {
    /// An event that did not come from outside.
    ///
    /// # Errors
    /// [`EmptyTag`].
    pub fn new(
        tag: impl Into<Arc<str>>,
        time: Timestamp,
        record: Record,
    ) -> Result<Self, EmptyTag> {
        let tag = tag.into();
        if tag.is_empty() {
            return Err(EmptyTag);
        }
        Ok(Self {
            tag,
            time,
            metadata: None,
            entry: None,
            packed: None,
            record: OnceLock::from(Arc::new(record)),
        })
    }

    /// The event that `entry` is, a part of `batch`. An entry that leaves its time to the receiver
    /// gets `now`.
    pub(crate) fn of_entry(
        tag: &Arc<str>,
        batch: &Bytes,
        entry: &Entry<'_>,
        now: Timestamp,
    ) -> Self {
        let part = |bytes| batch.slice_ref(bytes);
        Self {
            tag: Arc::clone(tag),
            time: if entry.is_untimed() { now } else { entry.time },
            metadata: entry.metadata.map(part),
            entry: (!entry.is_untimed()).then(|| part(entry.bytes)),
            packed: Some(part(entry.record)),
            record: OnceLock::new(),
        }
    }

    /// Its tag; never empty.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Its tag, shared with the other events of its batch.
    #[must_use]
    pub fn shared_tag(&self) -> &Arc<str> {
        &self.tag
    }

    /// Gives it another tag.
    ///
    /// # Errors
    /// [`EmptyTag`]; the tag stays as it was.
    pub fn set_tag(&mut self, tag: impl Into<Arc<str>>) -> Result<(), EmptyTag> {
        let tag = tag.into();
        if tag.is_empty() {
            return Err(EmptyTag);
        }
        self.tag = tag;
        Ok(())
    }

    /// Its time.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Gives it another time.
    pub fn set_time(&mut self, time: Timestamp) {
        self.time = time;
        self.entry = None;
    }

    /// Its record; unpacked the first time somebody asks.
    #[must_use]
    pub fn record(&self) -> &Record {
        self.shared_record()
    }

    /// Its record, to be edited.
    pub fn record_mut(&mut self) -> &mut Record {
        let record = match self.record.take() {
            Some(record) => record,
            None => Arc::new(self.unpacked()),
        };
        (self.entry, self.packed) = (None, None);
        self.record = OnceLock::from(record);
        let record = self.record.get_mut();
        Arc::make_mut(record.expect("it was put there on the line above"))
    }

    /// The value that `path` leads to, without unpacking anything else.
    #[must_use]
    pub fn find(&self, path: &FieldPath) -> Option<Value> {
        match (&self.packed, self.record.get()) {
            (Some(packed), None) => Value::unpack(path.find(packed)?).ok(),
            _ => self.record().find(path).cloned(),
        }
    }

    /// Appends the event as an entry of a batch.
    pub fn pack(&self, out: &mut Vec<u8>) {
        if let Some(entry) = &self.entry {
            return out.extend_from_slice(entry);
        }
        match &self.metadata {
            None => write_entry_head(out, self.time),
            Some(metadata) => {
                write::array_head(out, 2);
                write_entry_head(out, self.time);
                out.extend_from_slice(metadata);
            }
        }
        match &self.packed {
            Some(packed) => out.extend_from_slice(packed),
            None => self.record().pack(out),
        }
    }

    fn shared_record(&self) -> &Arc<Record> {
        self.record.get_or_init(|| Arc::new(self.unpacked()))
    }

    /// The record as it came. It can be read: events are made of entries that have been walked.
    fn unpacked(&self) -> Record {
        let packed = self.packed.as_deref().unwrap_or_default();
        Record::unpack(packed).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{check, entries};

    fn event(bytes: &[u8]) -> Event {
        let batch = Bytes::copy_from_slice(bytes);
        let entry = entries(&batch).next().unwrap().unwrap();
        Event::of_entry(
            &"app".into(),
            &batch,
            &entry,
            Timestamp::from_ns(9_000_000_000),
        )
    }

    fn packed(event: &Event) -> Vec<u8> {
        let mut out = Vec::new();
        event.pack(&mut out);
        out
    }

    #[test]
    fn what_nobody_edits_leaves_as_it_came() {
        // An integer and a map in longer forms than needed, and Fluent Bit's metadata.
        for bytes in [
            b"\x92\xd2\0\0\0\x05\xde\0\x01\xa1a\xcd\0\x01".as_slice(),
            b"\x92\x92\xd7\0\0\0\0\x01\0\0\0\x02\x80\x80",
        ] {
            let event = event(bytes);
            assert!(event.find(&FieldPath::parse("b").unwrap()).is_none());
            let _ = event.record();
            assert_eq!(packed(&event), bytes);
        }
    }

    #[test]
    fn edits_are_in_the_bytes_and_metadata_stays() {
        let mut event = event(b"\x92\x92\xd7\0\0\0\0\x01\0\0\0\x02\x81\x01\x02\x81\xa1a\x01");
        event.record_mut().insert("a", 2);
        let expected = b"\x92\x92\xd7\0\0\0\0\x01\0\0\0\x02\x81\x01\x02\x81\xa1a\x02";
        assert_eq!(packed(&event), expected);
        event.set_time(Timestamp::from_ns(3_000_000_004));
        let expected = b"\x92\x92\xd7\0\0\0\0\x03\0\0\0\x04\x81\x01\x02\x81\xa1a\x02";
        assert_eq!(packed(&event), expected);
        assert!(check(expected).unwrap().all_plain);
    }

    #[test]
    fn a_clone_does_not_see_later_edits() {
        let mut event = event(b"\x92\x05\x81\xa1a\x01");
        event.record_mut().insert("a", 2);
        let before = event.clone();
        event.record_mut().insert("a", 3);
        assert_eq!(before.record().get("a"), Some(&Value::Int(2)));
        assert_eq!(event.record().get("a"), Some(&Value::Int(3)));
    }

    #[test]
    fn an_event_without_a_time_gets_that_of_its_arrival() {
        let event = event(b"\x92\x00\x80");
        assert_eq!(event.time(), Timestamp::from_ns(9_000_000_000));
        assert!(check(&packed(&event)).unwrap().all_plain);
    }

    #[test]
    fn a_tag_is_never_empty() {
        let mut event = event(b"\x92\x05\x80");
        assert_eq!(event.set_tag(""), Err(EmptyTag));
        assert_eq!(event.tag(), "app");
        assert!(Event::new("", Timestamp::EPOCH, Record::new()).is_err());
    }
}
