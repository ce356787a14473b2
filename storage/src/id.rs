//! Chunk ids: unique, and ordered by the time the chunk was created.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The id of a chunk: 8 bytes creation time (Unix nanoseconds, big-endian), 4 bytes of the
/// store's seed, 4 bytes of a counter. Written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkId([u8; 16]);

const DIGIT_COUNT: usize = 32;
const HEX_DIGITS: [u8; 16] = *b"0123456789abcdef";

impl ChunkId {
    /// The id with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> ChunkId {
        ChunkId(bytes)
    }

    /// The id's 16 bytes, as they are in the chunk's header.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id in a chunk file's name, if it is one: `<id>.chunk`.
    pub(crate) fn of_file(path: &Path) -> Option<ChunkId> {
        ChunkId::of_file_name(path.file_name()?.to_str()?)
    }

    /// The same of the name alone.
    pub(crate) fn of_file_name(name: &str) -> Option<ChunkId> {
        name.strip_suffix(".chunk")?.parse().ok()
    }

    /// The name of the chunk's file: `<id>.chunk`.
    pub(crate) fn file_name(&self) -> FileName {
        let mut name = FileName(*b"00000000000000000000000000000000.chunk");
        name.0[..DIGIT_COUNT].copy_from_slice(&self.digits());
        name
    }

    fn digits(&self) -> [u8; DIGIT_COUNT] {
        let mut digits = [0; DIGIT_COUNT];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX_DIGITS[usize::from(byte >> 4)];
            pair[1] = HEX_DIGITS[usize::from(byte & 15)];
        }
        digits
    }
}

/// The name of a chunk's file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileName([u8; DIGIT_COUNT + ".chunk".len()]);

impl FileName {
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ChunkId({self})")
    }
}

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chunk id is 32 lower-case hexadecimal digits")]
pub struct ChunkIdError;

impl FromStr for ChunkId {
    type Err = ChunkIdError;

    fn from_str(text: &str) -> Result<ChunkId, ChunkIdError> {
        let digits = text.as_bytes();
        if digits.len() != DIGIT_COUNT {
            return Err(ChunkIdError);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(ChunkId(bytes))
    }
}

fn hex_digit(digit: u8) -> Result<u8, ChunkIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(ChunkIdError),
    }
}

/// Hands out ids that are unique within this store's run.
#[derive(Debug)]
pub(crate) struct IdSource {
    seed: u32,
    next: AtomicU32,
}

impl IdSource {
    pub(crate) fn new(seed: u32) -> IdSource {
        IdSource {
            seed,
            next: AtomicU32::new(0),
        }
    }

    /// A new id for a chunk created at `now_ns`; times before 1970 count as 1970.
    pub(crate) fn next(&self, now_ns: i64) -> ChunkId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&now_ns.max(0).to_be_bytes());
        bytes[8..12].copy_from_slice(&self.seed.to_be_bytes());
        bytes[12..].copy_from_slice(&self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        ChunkId(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form_and_sorts_by_time() {
        let ids = IdSource::new(7);
        let (early, late) = (ids.next(1_000), ids.next(2_000));
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(early.file_name().as_str(), format!("{early}.chunk"));
        assert_eq!("00".parse::<ChunkId>(), Err(ChunkIdError));
        assert_eq!(
            early
                .to_string()
                .to_uppercase()
                .replace('0', "G")
                .parse::<ChunkId>(),
            Err(ChunkIdError)
        );
    }
}
