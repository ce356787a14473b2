//! What the catalogue keeps, and its bytes.
//!
//! A key is the chunk's id (16 bytes) and the destination's name. A value is the schema version
//! (1 byte), a CRC-32 (IEEE, little-endian, 4 bytes) of key and body, and the body in bincode's
//! standard configuration.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

/// The version that is written, and the only one that is read: a catalogue of another version is
/// forgotten.
const SCHEMA_VERSION: u8 = 2;

/// Bytes of a chunk's id.
const ID_LEN: usize = 16;

/// Bytes in front of a value's body.
const HEAD_LEN: usize = 1 + 4;

/// Most bytes of a reason that are kept.
const REASON_LEN_MAX: usize = 512;

/// Most bytes that decoding may claim. Without it a length in a damaged value would be allocated,
/// which aborts the process.
const DECODE_LIMIT: usize = 4_096;

/// Most ranges of records that are kept; what is left in more of them is kept as a part of the
/// chunk that has them all.
const RANGES_MAX: usize = 128;

const _: () = assert!(REASON_LEN_MAX + 64 + RANGES_MAX * 18 < DECODE_LIMIT);

/// A chunk and one of its destinations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryKey {
    /// The chunk's id.
    pub chunk_id: [u8; ID_LEN],
    /// The output's name in the configuration.
    pub output: String,
}

/// How a chunk fared at a destination that has not taken it yet. Moments are Unix nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RetryRecord {
    /// Deliveries that failed.
    pub attempts: u32,
    /// When the first of them failed.
    pub first_failure_ns: i64,
    /// When the last of them failed.
    pub last_failure_ns: i64,
    /// When the chunk is due again.
    pub next_attempt_ns: i64,
    /// Why the last of them failed; cut after 512 bytes when it is kept.
    pub last_reason: String,
    /// The records that the destination has not taken, as start and end; `None`: all of them. When
    /// this is lost, or older than the truth, records are delivered twice; none is skipped.
    pub left: Option<Vec<(u64, u64)>>,
}

/// Why a value was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// Shorter than what stands in front of every value.
    #[error("value is cut short")]
    Short,
    /// Written by another version of the program.
    #[error("value has schema version {0}")]
    Version(u8),
    /// Damaged.
    #[error("checksum of a value is wrong")]
    Checksum,
    /// Right by its checksum, but not a record.
    #[error("value is not a retry record")]
    Body,
}

impl RetryKey {
    /// The key's bytes in the database.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ID_LEN + self.output.len());
        bytes.extend_from_slice(&self.chunk_id);
        bytes.extend_from_slice(self.output.as_bytes());
        bytes
    }

    /// The key with these bytes, if they are one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunk_id, output) = bytes.split_first_chunk()?;
        Some(Self {
            chunk_id: *chunk_id,
            output: str::from_utf8(output).ok()?.to_owned(),
        })
    }
}

impl RetryRecord {
    /// The value's bytes under `key`, with the reason cut to its bound; `None` if bincode fails,
    /// which it does for no record.
    pub(super) fn to_bytes(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut record = self.clone();
        cut_at_char(&mut record.last_reason, REASON_LEN_MAX);
        record.left.iter_mut().for_each(join_ranges);
        let body = bincode::encode_to_vec(&record, configuration()).ok()?;
        let mut bytes = Vec::with_capacity(HEAD_LEN + body.len());
        bytes.push(SCHEMA_VERSION);
        bytes.extend_from_slice(&checksum(key, &body).to_le_bytes());
        bytes.extend_from_slice(&body);
        Some(bytes)
    }

    /// The record with these bytes under `key`.
    ///
    /// # Errors
    /// [`RecordError`]: the entry is to be forgotten.
    pub(super) fn from_bytes(key: &[u8], bytes: &[u8]) -> Result<Self, RecordError> {
        let (&version, rest) = bytes.split_first().ok_or(RecordError::Short)?;
        let (stored, body) = rest.split_first_chunk().ok_or(RecordError::Short)?;
        if version != SCHEMA_VERSION {
            return Err(RecordError::Version(version));
        }
        if u32::from_le_bytes(*stored) != checksum(key, body) {
            return Err(RecordError::Checksum);
        }
        let decoded = bincode::decode_from_slice(body, configuration());
        let (record, consumed) = decoded.map_err(|_| RecordError::Body)?;
        if consumed != body.len() {
            return Err(RecordError::Body);
        }
        Ok(record)
    }
}

fn configuration() -> Configuration<LittleEndian, Varint, Limit<DECODE_LIMIT>> {
    bincode::config::standard().with_limit()
}

/// Cuts `text` to at most `len_max` bytes, between two characters.
fn cut_at_char(text: &mut String, len_max: usize) {
    let mut len = text.len().min(len_max);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    text.truncate(len);
}

/// Joins the last ranges until there are at most [`RANGES_MAX`].
fn join_ranges(ranges: &mut Vec<(u64, u64)>) {
    if let (true, Some((_, end))) = (ranges.len() > RANGES_MAX, ranges.last().copied()) {
        ranges.truncate(RANGES_MAX);
        if let Some(last) = ranges.last_mut() {
            last.1 = end;
        }
    }
}

/// The version needs no place in the checksum: a wrong one is not read at all.
fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RetryRecord {
        RetryRecord {
            attempts: 3,
            first_failure_ns: -5,
            last_failure_ns: i64::MAX,
            next_attempt_ns: i64::MIN,
            last_reason: "connection refused".to_owned(),
            left: Some(vec![(2, 5), (7, 8)]),
        }
    }

    #[test]
    fn a_record_survives_being_written_and_read() {
        let bytes = record().to_bytes(b"key").unwrap();
        assert_eq!(RetryRecord::from_bytes(b"key", &bytes), Ok(record()));
    }

    #[test]
    fn no_flipped_bit_is_read_as_a_record() {
        let bytes = record().to_bytes(b"key").unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(RetryRecord::from_bytes(b"key", &damaged).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_value_cut_anywhere_or_with_bytes_behind_it_is_no_record() {
        let mut bytes = record().to_bytes(b"key").unwrap();
        for len in 0..bytes.len() {
            assert!(RetryRecord::from_bytes(b"key", &bytes[..len]).is_err());
        }
        bytes.push(0);
        assert!(RetryRecord::from_bytes(b"key", &bytes).is_err());
    }

    #[test]
    fn a_value_under_another_key_is_no_record() {
        let bytes = record().to_bytes(b"key").unwrap();
        let read = RetryRecord::from_bytes(b"other", &bytes);
        assert_eq!(read, Err(RecordError::Checksum));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut long = record();
        long.last_reason = format!("x{}", "ä".repeat(REASON_LEN_MAX));
        let bytes = long.to_bytes(b"key").unwrap();
        let read = RetryRecord::from_bytes(b"key", &bytes).unwrap();
        assert_eq!(read.last_reason.len(), REASON_LEN_MAX - 1);
        assert!(long.last_reason.starts_with(&read.last_reason));
    }

    #[test]
    fn what_is_left_in_many_ranges_is_kept_as_more_and_never_as_less() {
        let mut many = record();
        let ranges: Vec<(u64, u64)> = (0..200).map(|n| (n << 40, (n << 40) + 1)).collect();
        many.left = Some(ranges.clone());
        let bytes = many.to_bytes(b"key").unwrap();
        let read = RetryRecord::from_bytes(b"key", &bytes)
            .unwrap()
            .left
            .unwrap();
        assert_eq!(read.len(), RANGES_MAX);
        let is_kept = |range: &(u64, u64)| read.iter().any(|r| r.0 <= range.0 && range.1 <= r.1);
        assert!(ranges.iter().all(is_kept));
    }

    #[test]
    fn a_key_survives_being_written_and_read() {
        let key = RetryKey {
            chunk_id: [7; 16],
            output: "central".to_owned(),
        };
        assert_eq!(RetryKey::from_bytes(&key.to_bytes()), Some(key));
        assert_eq!(RetryKey::from_bytes(&[7; 15]), None);
        assert_eq!(RetryKey::from_bytes(&[0xff; 17]), None);
    }
}
