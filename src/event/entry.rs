//! One entry of a batch, and what can be wrong with it.

use crate::msgpack::{self, Cursor, Value};

use super::Timestamp;

/// An entry of the right shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The whole entry.
    pub bytes: &'a [u8],
    /// Its time.
    pub time: Timestamp,
    /// Its record, a map.
    pub record: &'a [u8],
    /// What Fluent Bit says about the event, a map.
    pub metadata: Option<&'a [u8]>,
}

impl Entry<'_> {
    /// Whether the sender left the time to the receiver, which it does by zero seconds.
    #[must_use]
    pub fn is_untimed(&self) -> bool {
        self.time.s() == 0
    }
}

/// An entry that cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEntry<'a> {
    /// The whole entry; if it is no MessagePack, everything from there to the end of the batch.
    pub bytes: &'a [u8],
    /// What is wrong with it.
    pub why: EntryFault,
}

/// Why an entry cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// It is no array of two.
    #[error("entry is not an array of time and record")]
    NotAPair,
    /// The time is nil.
    #[error("time is nil")]
    TimeNil,
    /// The time is neither an `EventTime` nor an integer, or lies outside the years 1677 to 2262.
    #[error("time is not an event time or an integer of seconds")]
    TimeInvalid,
    /// The record is nil.
    #[error("record is nil")]
    RecordNil,
    /// The record is something else than a map.
    #[error("record is not a map")]
    RecordNotAMap,
    /// The entry is larger than a chunk may be.
    #[error("event is larger than a chunk may be")]
    TooLarge,
    /// The bytes from here on are no MessagePack.
    #[error(transparent)]
    Undecodable(msgpack::Error),
}

/// The entries of a batch, one by one. An entry of the wrong shape does not end them; bytes that
/// are no MessagePack do.
#[must_use]
pub fn entries(payload: &[u8]) -> Entries<'_> {
    Entries {
        cursor: Cursor::new(payload),
    }
}

/// What [`entries`] returns.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Entries<'a> {
    /// The offset in the payload of the entry that comes next.
    #[must_use]
    pub fn position(&self) -> usize {
        self.cursor.position()
    }

    fn undecodable(&mut self, error: msgpack::Error) -> BadEntry<'a> {
        let bytes = self.cursor.rest();
        self.cursor = Cursor::new(&[]);
        BadEntry {
            bytes,
            why: EntryFault::Undecodable(error),
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, BadEntry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_at_end() {
            return None;
        }
        match self.cursor.skip() {
            Err(error) => Some(Err(self.undecodable(error))),
            Ok(bytes) => Some(entry(bytes).map_err(|why| BadEntry { bytes, why })),
        }
    }
}

fn entry(bytes: &[u8]) -> Result<Entry<'_>, EntryFault> {
    let EntryHead {
        time,
        metadata,
        rest,
    } = entry_head(bytes)?;
    // The entry ends where its record ends: no need to walk the record again.
    Ok(Entry {
        bytes,
        time,
        record: rest,
        metadata,
    })
}

/// What comes before an entry's record, for who reads the record anyway and so finds its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHead<'a> {
    /// The entry's time.
    pub time: Timestamp,
    /// What Fluent Bit says about the event, a map.
    pub metadata: Option<&'a [u8]>,
    /// All from the record on, which has been read as far as to know that it is a map.
    pub rest: &'a [u8],
}

/// The head of the entry that `payload` begins with.
///
/// # Errors
/// [`EntryFault`] as far as the head shows it.
pub fn entry_head(payload: &[u8]) -> Result<EntryHead<'_>, EntryFault> {
    let mut inside = Cursor::new(payload);
    if inside.read()? != Value::Array(2) {
        return Err(EntryFault::NotAPair);
    }
    let (time, metadata) = match inside.read()? {
        Value::Array(2) => (time(inside.read()?)?, Some(metadata(&mut inside)?)),
        value => (time(value)?, None),
    };
    let rest = inside.rest();
    match inside.read()? {
        Value::Map(_) => Ok(EntryHead {
            time,
            metadata,
            rest,
        }),
        Value::Nil => Err(EntryFault::RecordNil),
        _ => Err(EntryFault::RecordNotAMap),
    }
}

fn time(value: Value<'_>) -> Result<Timestamp, EntryFault> {
    if value == Value::Nil {
        return Err(EntryFault::TimeNil);
    }
    Timestamp::from_value(value).ok_or(EntryFault::TimeInvalid)
}

fn metadata<'a>(inside: &mut Cursor<'a>) -> Result<&'a [u8], EntryFault> {
    let metadata = inside.skip()?;
    match Cursor::new(metadata).read()? {
        Value::Map(_) => Ok(metadata),
        _ => Err(EntryFault::NotAPair),
    }
}

impl EntryFault {
    /// The same fault of an entry that begins `base` bytes later than it was found.
    #[must_use]
    pub fn shifted(self, base: usize) -> Self {
        match self {
            Self::Undecodable(error) => Self::Undecodable(error.shifted(base)),
            fault => fault,
        }
    }
}

impl From<msgpack::Error> for EntryFault {
    fn from(error: msgpack::Error) -> Self {
        Self::Undecodable(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_told_from_the_others() {
        let pair = |time: &[u8], record: &[u8]| [&[0x92], time, record].concat();
        let ok = |ns| Ok(Timestamp::from_ns(ns));
        let event_time = b"\xd7\0\0\0\0\x01\0\0\0\x02";
        for (bytes, expected) in [
            (pair(event_time, b"\x80"), ok(1_000_000_002)),
            (
                pair(b"\xc7\x08\0\0\0\0\x01\0\0\0\x02", b"\x80"),
                ok(1_000_000_002),
            ),
            (pair(b"\x05", b"\x81\x01\x02"), ok(5_000_000_000)),
            (pair(b"\xff", b"\xde\0\0"), ok(-1_000_000_000)),
            (pair(b"\x00", b"\x80"), ok(0)),
            (pair(b"\x92\x05\x80", b"\x80"), ok(5_000_000_000)),
            (pair(b"\xc0", b"\x80"), Err(EntryFault::TimeNil)),
            (pair(b"\xa11", b"\x80"), Err(EntryFault::TimeInvalid)),
            (pair(b"\xca\0\0\0\0", b"\x80"), Err(EntryFault::TimeInvalid)),
            (
                pair(b"\xd6\0\0\0\0\x01", b"\x80"),
                Err(EntryFault::TimeInvalid),
            ),
            (
                pair(b"\xd7\x01\0\0\0\x01\0\0\0\x02", b"\x80"),
                Err(EntryFault::TimeInvalid),
            ),
            (
                pair(b"\xcf\xff\0\0\0\0\0\0\0", b"\x80"),
                Err(EntryFault::TimeInvalid),
            ),
            (pair(b"\x92\xc0\x80", b"\x80"), Err(EntryFault::TimeNil)),
            (pair(b"\x92\x05\x01", b"\x80"), Err(EntryFault::NotAPair)),
            (pair(b"\x91\x05", b"\x80"), Err(EntryFault::TimeInvalid)),
            (pair(b"\x05", b"\xc0"), Err(EntryFault::RecordNil)),
            (pair(b"\x05", b"\x90"), Err(EntryFault::RecordNotAMap)),
            (b"\x05".to_vec(), Err(EntryFault::NotAPair)),
            (b"\x90".to_vec(), Err(EntryFault::NotAPair)),
            (b"\x93\x05\x80\x80".to_vec(), Err(EntryFault::NotAPair)),
            (b"\x80".to_vec(), Err(EntryFault::NotAPair)),
        ] {
            let mut read = entries(&bytes);
            let entry = read.next().expect("there is one");
            let time = entry.map(|entry| entry.time).map_err(|bad| bad.why);
            assert_eq!(time, expected, "{bytes:02x?}");
            let len = entry.map_or_else(|bad| bad.bytes.len(), |entry| entry.bytes.len());
            assert_eq!(len, bytes.len());
            assert!(read.next().is_none());
        }
    }

    #[test]
    fn entries_go_on_behind_a_bad_one_and_end_where_nothing_can_be_read() {
        let payload = b"\x92\x01\x80\x07\x92\x02\x80\xc1\x92\x03\x80";
        let read: Vec<_> = entries(payload).collect();
        let [Ok(first), Err(second), Ok(third), Err(fourth)] = read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(first.bytes, b"\x92\x01\x80");
        assert_eq!(second.bytes, b"\x07");
        assert_eq!(third.record, b"\x80");
        assert_eq!(fourth.bytes, b"\xc1\x92\x03\x80");
        let malformed = msgpack::Error::Malformed {
            offset: 7,
            marker: 0xc1,
        };
        assert_eq!(fourth.why, EntryFault::Undecodable(malformed));
    }
}
