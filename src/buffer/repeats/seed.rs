//! What spreads fingerprints over a table's places.

use std::hash::{BuildHasher, Hasher};

use super::stamp::Fingerprint;
use crate::clock::random_u64;

/// Keys that nobody outside knows. A sender chooses its batches, and XXH3 has no key: by the fingerprint
/// alone it could choose batches that all belong to one place, and make each look-up as long as the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed([u64; 3]);

impl Seed {
    pub(super) fn random() -> Self {
        Self([random_u64(), random_u64(), random_u64()])
    }

    /// All bits of it depend on all bits of the fingerprint.
    pub(super) fn hash(&self, batch: Fingerprint) -> u64 {
        let [first, second, third] = self.0;
        let (low, high) = batch.halves();
        folded(folded(low ^ first, high ^ second) ^ third, MULTIPLIER)
    }
}

/// Odd, half of its bits set, without a pattern: 2^64 by the golden ratio.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Both halves of the product.
#[expect(clippy::cast_possible_truncation, reason = "each half by itself")]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

/// For the standard library's tables of fingerprints.
impl BuildHasher for Seed {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash {
            seed: *self,
            hash: 0,
        }
    }
}

/// Hashes one fingerprint.
pub(super) struct Hash {
    seed: Seed,
    hash: u64,
}

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(16) {
            let mut padded = [0; 16];
            padded[..part.len()].copy_from_slice(part);
            self.hash ^= self.seed.hash(Fingerprint(padded));
        }
    }

    /// The length in front of a fingerprint, which is that of all.
    fn write_usize(&mut self, _len: usize) {}

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a sender may make them that knows all but the seed: equal but for a few bits.
    #[test]
    fn fingerprints_that_are_nearly_equal_are_spread_evenly() {
        let seed = Seed::random();
        for shift in (0..128).step_by(8) {
            let mut counts = [0_u32; 256];
            for number in 0..65_536_u128 {
                let fingerprint = Fingerprint(number.rotate_left(shift).to_le_bytes());
                let hash = seed.hash(fingerprint);
                counts[usize::from(hash.to_le_bytes()[5])] += 1;
            }
            let most = counts.iter().max().unwrap();
            // 256 each by chance, with a deviation of 16.
            assert!(*most < 512, "{shift}: {most}");
        }
    }

    #[test]
    fn no_two_tables_place_a_fingerprint_alike() {
        let hashes: std::collections::HashSet<_> = (0..100)
            .map(|_| Seed::random().hash(Fingerprint([7; 16])))
            .collect();
        assert_eq!(hashes.len(), 100);
    }
}
