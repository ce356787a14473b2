//! CRC-32 (IEEE polynomial, not Castagnoli), seeded with the chunk and the place.

use crc32fast::Hasher;

use crate::id::ChunkId;

/// From this many bytes on a frame's body is digested before its offset is known, outside the
/// chunk's lock; combining two checksums costs about as much as digesting this much.
const COMBINE_FROM_LEN: usize = 32 * 1024;

/// The checksum state after a chunk's id: what every checksum in a chunk file starts with.
#[derive(Clone, Debug)]
pub(crate) struct Seed(Hasher);

impl Seed {
    pub(crate) fn new(id: ChunkId) -> Seed {
        let mut hasher = Hasher::new();
        hasher.update(id.as_bytes());
        Seed(hasher)
    }

    /// CRC of the chunk id followed by `bytes`.
    pub(crate) fn of(&self, bytes: &[u8]) -> u32 {
        let mut hasher = self.0.clone();
        hasher.update(bytes);
        hasher.finalize()
    }

    /// The seed of what lies at `place` (a file offset or a slot's index, as `u64`).
    pub(crate) fn at(&self, place: u64) -> Seed {
        let mut hasher = self.0.clone();
        hasher.update(&place.to_le_bytes());
        Seed(hasher)
    }

    /// CRC of the seed followed by the body.
    pub(crate) fn of_body(&self, body: &Body<'_>) -> u32 {
        let mut hasher = self.0.clone();
        match &body.digest {
            Some(digest) => hasher.combine(digest),
            None => body.parts.iter().for_each(|part| hasher.update(part)),
        }
        hasher.finalize()
    }
}

/// The parts of a frame's body (tag, batch id, payload), digested early if they are long.
pub(crate) struct Body<'a> {
    parts: [&'a [u8]; 3],
    digest: Option<Hasher>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(parts: [&'a [u8]; 3]) -> Body<'a> {
        let digest = (parts.iter().map(|part| part.len()).sum::<usize>() >= COMBINE_FROM_LEN)
            .then(|| digest(&parts));
        Body { parts, digest }
    }

    pub(crate) fn parts(&self) -> [&'a [u8]; 3] {
        self.parts
    }
}

fn digest(parts: &[&[u8]]) -> Hasher {
    let mut hasher = Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_digested_early_has_the_same_checksum() {
        let seed = Seed::new(ChunkId::from_bytes([3; 16])).at(4096);
        let payload: Vec<u8> = (0..=250).cycle().take(COMBINE_FROM_LEN + 5).collect();
        let early = Body::new([b"tag", b"id", &payload]);
        assert!(early.digest.is_some());
        let late = Body {
            parts: early.parts,
            digest: None,
        };
        assert_eq!(seed.of_body(&early), seed.of_body(&late));
        assert_eq!(
            seed.of_body(&late),
            seed.of(&[b"tagid".as_slice(), &payload].concat())
        );
    }
}
