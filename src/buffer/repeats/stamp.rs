//! What tells one batch from another, and one piece of a batch from another.

use twox_hash::XxHash3_128;

/// Bytes of a stamp behind the sender's id.
pub(super) const STAMP_LEN: usize = 16 + 8 + 4 + 4 + 4;

/// Most bytes of a batch id in a frame.
const BATCH_ID_LEN_MAX: usize = 65_535;

/// More pieces than this are not remembered.
const TOTAL_MAX: u32 = 1 << 16;

/// Most bytes that are digested in one go.
const DIGEST_AT_ONCE_MAX: usize = 512;

/// In front of what a stamp's checksum covers.
const CHECKSUM_SEED: &[u8] = b"forebay piece 2";

/// XXH3 (128 bits) of tag, the sender's id and payload, each behind its length (u64, little-endian). Ids
/// may begin again when a sender restarts, and some senders always give the same one: only equal events
/// are a repeat. No two batches look alike by accident (a chance of 1 in 2^128 for each pair); like the
/// checksums, this finds accidents, not forgeries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::buffer) struct Fingerprint(pub(super) [u8; 16]);

impl Fingerprint {
    pub(in crate::buffer) fn of(tag: &str, batch_id: &[u8], payload: &[u8]) -> Self {
        Self(digest(&[tag.as_bytes(), batch_id, payload]).to_le_bytes())
    }

    /// As two numbers.
    pub(super) fn halves(self) -> (u64, u64) {
        let digest = u128::from_le_bytes(self.0);
        (low_half(digest), low_half(digest >> 64))
    }
}

/// One piece of a batch: what one frame holds of it.
///
/// Behind the sender's id in the frame, little-endian: fingerprint (16 bytes), split (8), index (4),
/// total (4), CRC-32 of `forebay piece 2` and the bytes before it (4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::buffer) struct Stamp {
    pub(super) batch: Fingerprint,
    /// How the batch was split: pieces of different splits never make one batch. 0 if it was not.
    pub(super) split: u64,
    /// Which piece of `total`, from 0.
    pub(super) index: u32,
    pub(super) total: u32,
}

impl Stamp {
    /// The one of a batch that is not split.
    pub(in crate::buffer) fn of_whole(batch: Fingerprint) -> Self {
        Self {
            batch,
            split: 0,
            index: 0,
            total: 1,
        }
    }

    /// One for each piece; `None` if there are none, or too many.
    pub(super) fn all(batch: Fingerprint, pieces: &[&[u8]]) -> Option<Vec<Self>> {
        let total = u32::try_from(pieces.len()).ok()?;
        if total == 0 || total > TOTAL_MAX {
            return None;
        }
        let split = match pieces {
            [_] => 0,
            _ => low_half(digest(pieces)),
        };
        let stamp = |index| Self {
            batch,
            split,
            index,
            total,
        };
        Some((0..total).map(stamp).collect())
    }

    /// The sender's id with the stamp behind it; `None` if that is too long for a frame.
    pub(in crate::buffer) fn behind(&self, batch_id: &[u8]) -> Option<Vec<u8>> {
        if !Self::fits_behind(batch_id) {
            return None;
        }
        let mut bytes = Vec::with_capacity(Self::len_behind(batch_id));
        self.write_behind(batch_id, &mut bytes);
        Some(bytes)
    }

    /// Whether a frame has room for the sender's id and a stamp.
    pub(in crate::buffer) fn fits_behind(batch_id: &[u8]) -> bool {
        Self::len_behind(batch_id) <= BATCH_ID_LEN_MAX
    }

    /// Bytes of the sender's id with a stamp behind it.
    pub(in crate::buffer) fn len_behind(batch_id: &[u8]) -> usize {
        batch_id.len() + STAMP_LEN
    }

    /// Appends the sender's id and the stamp, which fits behind it.
    pub(in crate::buffer) fn write_behind(&self, batch_id: &[u8], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(batch_id);
        bytes.extend_from_slice(&self.to_bytes());
    }

    /// The stamp at the end of a frame's batch id, if there is one.
    pub(super) fn at_end_of(batch_id: &[u8]) -> Option<Self> {
        Self::from_bytes(batch_id.last_chunk()?)
    }

    pub(super) fn to_bytes(self) -> [u8; STAMP_LEN] {
        let mut bytes = [0; STAMP_LEN];
        bytes[..16].copy_from_slice(&self.batch.0);
        bytes[16..24].copy_from_slice(&self.split.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.index.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.total.to_le_bytes());
        let crc = checksum(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; STAMP_LEN]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk()?;
        let (batch, rest) = body.split_first_chunk()?;
        let (split, rest) = rest.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let stamp = Self {
            batch: Fingerprint(*batch),
            split: u64::from_le_bytes(*split),
            index: u32::from_le_bytes(*index),
            total: u32::from_le_bytes(*rest.first_chunk()?),
        };
        let is_sound = checksum(body) == u32::from_le_bytes(*crc)
            && stamp.index < stamp.total
            && stamp.total <= TOTAL_MAX;
        is_sound.then_some(stamp)
    }
}

/// Of the parts, each behind its length.
fn digest(parts: &[&[u8]]) -> u128 {
    let size = parts.iter().map(|part| size_of::<u64>() + part.len()).sum();
    if size > DIGEST_AT_ONCE_MAX {
        return digest_of_long(parts);
    }
    // Of a short batch, the state that takes part after part costs more than all else.
    let (mut bytes, mut end) = ([0; DIGEST_AT_ONCE_MAX], 0);
    for part in parts {
        let len = (part.len() as u64).to_le_bytes();
        for some in [&len[..], part] {
            bytes[end..end + some.len()].copy_from_slice(some);
            end += some.len();
        }
    }
    XxHash3_128::oneshot(&bytes[..size])
}

fn digest_of_long(parts: &[&[u8]]) -> u128 {
    let mut digest = XxHash3_128::new();
    for part in parts {
        digest.write(&(part.len() as u64).to_le_bytes());
        digest.write(part);
    }
    digest.finish_128()
}

fn low_half(digest: u128) -> u64 {
    (digest & u128::from(u64::MAX)).try_into().unwrap_or(0)
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(CHECKSUM_SEED);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(pieces: &[&[u8]]) -> Vec<Stamp> {
        Stamp::all(Fingerprint::of("t", b"id", b"ab"), pieces).unwrap()
    }

    #[test]
    fn a_stamp_survives_being_written_behind_an_id_and_no_flipped_bit_does() {
        for stamp in stamps(&[b"a", b"b"]) {
            let bytes = stamp.behind(b"id").unwrap();
            assert_eq!(bytes[..2], *b"id");
            assert_eq!(Stamp::at_end_of(&bytes), Some(stamp));
            for bit in 16..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Stamp::at_end_of(&damaged), None, "{bit}");
            }
        }
        assert_eq!(Stamp::at_end_of(b"id"), None);
        assert_eq!(stamps(&[b"a"])[0].behind(&[0; 65_535]), None);
    }

    /// A stamp of version 1 held a SHA-256; nothing that comes now has that fingerprint.
    #[test]
    fn stamps_of_an_earlier_version_are_none() {
        let mut bytes = stamps(&[b"a"])[0].to_bytes();
        assert!(Stamp::at_end_of(&bytes).is_some());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(b"forebay piece 1");
        hasher.update(&bytes[..32]);
        bytes[32..].copy_from_slice(&hasher.finalize().to_le_bytes());
        assert_eq!(Stamp::at_end_of(&bytes), None);
    }

    #[test]
    fn tag_id_and_payload_each_tell_batches_apart() {
        let batch = Fingerprint::of("t", b"id", b"ab");
        for other in [
            Fingerprint::of("u", b"id", b"ab"),
            Fingerprint::of("t", b"i", b"dab"),
            Fingerprint::of("t", b"id", b"ac"),
        ] {
            assert_ne!(batch, other);
        }
    }

    /// What is on disk was made by either way.
    #[test]
    fn a_digest_is_the_same_at_once_and_part_by_part() {
        let bytes = [7; DIGEST_AT_ONCE_MAX];
        for len in 0..DIGEST_AT_ONCE_MAX - 3 * size_of::<u64>() {
            let parts = [&bytes[..len / 3], b"", &bytes[len / 3..len]];
            assert_eq!(digest(&parts), digest_of_long(&parts), "{len}");
        }
        let batch = Fingerprint::of("t", b"id", b"ab");
        let by_earlier_versions = (1_097_894_074_962_307_104, 7_804_914_422_863_952_158);
        assert_eq!(batch.halves(), by_earlier_versions);
    }

    #[test]
    fn pieces_of_different_splits_differ() {
        assert_ne!(stamps(&[b"a", b"b"])[0], stamps(&[b"a", b"c"])[0]);
        assert_ne!(stamps(&[b"ab", b"c"])[0], stamps(&[b"a", b"bc"])[0]);
        assert_eq!(stamps(&[b"a"]), stamps(&[b"b"]));
        let whole = Stamp::of_whole(Fingerprint::of("t", b"id", b"ab"));
        assert_eq!(stamps(&[b"a"]), [whole]);
    }
}
