//! The slow path: making every entry of a batch plain, and taking out what cannot be stored.

use crate::msgpack::write;

use super::check::{Checked, Tally};
use super::entry::{BadEntry, Entry, EntryFault, entries};
use super::{Timestamp, write_entry};

/// What an entry may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one entry: those that an empty chunk takes.
    pub entry_size_max: usize,
}

/// A batch of plain entries, and what was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalized {
    /// Plain entries back to back.
    pub payload: Vec<u8>,
    /// What [`check`](super::check) says of them.
    pub checked: Checked,
    /// What was set aside, one item for each kind of fault.
    pub rejected: Vec<Rejected>,
}

/// Entries that were set aside for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The reason.
    pub why: EntryFault,
    /// The entries back to back, as they came.
    pub payload: Vec<u8>,
    /// How many there are; bytes that could not be decoded count as one.
    pub event_count: u64,
}

/// Gives every entry without a time of its own the time `now`, takes out what cannot be stored,
/// and copies the rest as it is, in its order.
///
/// The results together are little longer than `payload`: an entry grows by 9 bytes at most.
#[must_use]
pub fn normalize(payload: &[u8], now: Timestamp, limits: Limits) -> Normalized {
    let mut normalizer = Normalizer {
        now,
        limits,
        kept: Vec::with_capacity(payload.len()),
        tally: Tally::default(),
        rejected: Vec::new(),
    };
    for entry in entries(payload) {
        match entry {
            Ok(entry) => normalizer.take(&entry),
            Err(bad) => normalizer.reject(bad),
        }
    }
    normalizer.finish()
}

struct Normalizer {
    now: Timestamp,
    limits: Limits,
    kept: Vec<u8>,
    tally: Tally,
    rejected: Vec<Rejected>,
}

impl Normalizer {
    fn take(&mut self, entry: &Entry<'_>) {
        let start = self.kept.len();
        let time = self.write(entry);
        if self.kept.len() - start > self.limits.entry_size_max {
            self.kept.truncate(start);
            let why = EntryFault::TooLarge;
            let bytes = entry.bytes;
            return self.reject(BadEntry { bytes, why });
        }
        self.tally.add(time);
    }

    /// Copies the entry, with a time, and gives the time.
    fn write(&mut self, entry: &Entry<'_>) -> Timestamp {
        if !entry.is_untimed() {
            self.kept.extend_from_slice(entry.bytes);
            return entry.time;
        }
        match entry.metadata {
            None => write_entry(&mut self.kept, self.now, entry.record),
            Some(metadata) => {
                write::array_head(&mut self.kept, 2);
                write_entry(&mut self.kept, self.now, metadata);
                self.kept.extend_from_slice(entry.record);
            }
        }
        self.now
    }

    fn reject(&mut self, bad: BadEntry<'_>) {
        let index = self.rejected.iter().position(|known| known.why == bad.why);
        let index = index.unwrap_or_else(|| {
            self.rejected.push(Rejected {
                why: bad.why,
                payload: Vec::new(),
                event_count: 0,
            });
            self.rejected.len() - 1
        });
        let rejected = &mut self.rejected[index];
        rejected.payload.extend_from_slice(bad.bytes);
        rejected.event_count += 1;
    }

    fn finish(self) -> Normalized {
        Normalized {
            payload: self.kept,
            checked: self.tally.checked(),
            rejected: self.rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ns(9_000_000_001);
    const LIMITS: Limits = Limits { entry_size_max: 40 };

    #[test]
    fn what_cannot_be_stored_is_set_aside_by_reason_and_the_rest_is_kept_in_order() {
        let large = [b"\x92\x05\x81\xa1a\xd9\x40".as_slice(), &[b'x'; 0x40]].concat();
        let payload = [
            b"\x92\x01\x80\x07".as_slice(),
            b"\x92\x02\xc0",
            &large,
            b"\x08",
            b"\x92\xd7\0\0\0\0\x03\0\0\0\x04\x80",
            b"\xc1rest",
        ]
        .concat();
        let normalized = normalize(&payload, NOW, LIMITS);
        assert_eq!(
            normalized.payload,
            b"\x92\x01\x80\x92\xd7\0\0\0\0\x03\0\0\0\x04\x80"
        );
        assert_eq!(normalized.checked.event_count, 2);
        assert_eq!(normalized.checked.time_min.ns(), 1_000_000_000);
        assert_eq!(normalized.checked.time_max.ns(), 3_000_000_004);
        let rejected: Vec<_> = normalized
            .rejected
            .iter()
            .map(|rejected| {
                (
                    rejected.why,
                    rejected.event_count,
                    rejected.payload.as_slice(),
                )
            })
            .collect();
        let malformed = crate::msgpack::Error::Malformed {
            offset: payload.len() - 5,
            marker: 0xc1,
        };
        assert_eq!(
            rejected,
            [
                (EntryFault::NotAPair, 2, b"\x07\x08".as_slice()),
                (EntryFault::RecordNil, 1, b"\x92\x02\xc0"),
                (EntryFault::TooLarge, 1, &large),
                (EntryFault::Undecodable(malformed), 1, b"\xc1rest"),
            ]
        );
    }

    #[test]
    fn time_zero_becomes_now_and_metadata_stays() {
        let now = b"\xd7\0\0\0\0\x09\0\0\0\x01";
        for (entry, expected) in [
            (
                b"\x92\x00\x81\x01\x02".as_slice(),
                [b"\x92", now.as_slice(), b"\x81\x01\x02"].concat(),
            ),
            (
                b"\x92\xd7\0\0\0\0\0\0\0\0\x05\x80",
                [b"\x92", now.as_slice(), b"\x80"].concat(),
            ),
            (
                b"\x92\x92\x00\x81\x01\x02\x80",
                [b"\x92\x92", now.as_slice(), b"\x81\x01\x02\x80"].concat(),
            ),
        ] {
            let normalized = normalize(entry, NOW, LIMITS);
            assert_eq!(normalized.payload, expected);
            assert_eq!(normalized.checked.time_max, NOW);
            assert!(normalized.rejected.is_empty());
        }
    }
}
