//! The one walk over a batch that comes in.

use crate::msgpack::{self, AlikeMaps, skip_values};

use super::Timestamp;
use super::entry::{Entry, entries};

/// What a walk over a batch has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How many entries there are, bad ones included.
    pub event_count: u64,
    /// The earliest time of the plain entries; the epoch if there are none.
    pub time_min: Timestamp,
    /// The latest time of the plain entries; the epoch if there are none.
    pub time_max: Timestamp,
    /// Whether every entry can be stored as it came: it has the right shape and a time of its
    /// own. If not, the batch goes through [`normalize`](super::normalize) first.
    pub all_plain: bool,
}

/// Walks over a batch, once.
///
/// # Errors
/// If the bytes are not MessagePack values back to back. Entries of the wrong shape are no error
/// here.
pub fn check(payload: &[u8]) -> Result<Checked, msgpack::Error> {
    let mut tally = Tally::default();
    let mut not_plain_count = 0;
    let mut records = AlikeMaps::new();
    let mut at = 0;
    while at < payload.len() {
        let end = match usual_entry(payload, at) {
            Some((time, record)) => {
                tally.add(time);
                records.skip(payload, record, 1)?
            }
            None => {
                let end = skip_values(payload, at, 1, 0)?;
                match plain_time(&payload[at..end]) {
                    Some(time) => tally.add(time),
                    None => not_plain_count += 1,
                }
                end
            }
        };
        at = end;
    }
    let plain = tally.checked();
    Ok(Checked {
        event_count: plain.event_count + not_plain_count,
        all_plain: not_plain_count == 0,
        ..plain
    })
}

/// Bytes before the record of an entry as all modern senders write it: `92 D7 00`, seconds,
/// nanoseconds.
const USUAL_HEAD_SIZE: usize = 11;

/// The time of such an entry at `at`, and where its record begins, which is a map; `None` if it
/// is another kind of entry, be it plain or not.
#[inline]
fn usual_entry(payload: &[u8], at: usize) -> Option<(Timestamp, usize)> {
    let head: &[u8; USUAL_HEAD_SIZE + 1] = payload.get(at..)?.first_chunk()?;
    let [0x92, 0xd7, 0x00, s0, s1, s2, s3, n0, n1, n2, n3, record] = *head else {
        return None;
    };
    let seconds = u32::from_be_bytes([s0, s1, s2, s3]);
    let nanoseconds = u32::from_be_bytes([n0, n1, n2, n3]);
    let is_map = matches!(record, 0x80..=0x8f | 0xde | 0xdf);
    let is_plain = is_map && seconds != 0;
    is_plain.then(|| {
        let time = Timestamp::from_event_time(seconds, nanoseconds);
        (time, at + USUAL_HEAD_SIZE)
    })
}

/// The time of any entry that can be stored as it came.
fn plain_time(entry: &[u8]) -> Option<Timestamp> {
    let is_timed = |entry: &Entry<'_>| !entry.is_untimed();
    let entry = entries(entry).next()?.ok().filter(is_timed)?;
    Some(entry.time)
}

/// Counts plain entries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    event_count: u64,
    range: Option<(Timestamp, Timestamp)>,
}

impl Tally {
    /// One more, of this time.
    #[inline]
    pub(crate) fn add(&mut self, time: Timestamp) {
        let (min, max) = self.range.unwrap_or((time, time));
        self.range = Some((min.min(time), max.max(time)));
        self.event_count += 1;
    }

    /// What [`check`] says of a batch of these entries.
    pub(crate) fn checked(self) -> Checked {
        let (time_min, time_max) = self.range.unwrap_or_default();
        Checked {
            event_count: self.event_count,
            time_min,
            time_max,
            all_plain: true,
        }
    }
}

#[cfg(test)]
mod tests;
