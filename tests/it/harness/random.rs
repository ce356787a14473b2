//! Random choices that can be made again: the seed is printed, and read from the environment.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// A small generator (splitmix64); good enough for choices, never for secrets.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// Seeded by `FOREBAY_TEST_SEED`, or by the system; prints the seed.
    pub(crate) fn seeded(test: &str) -> Self {
        let given = std::env::var("FOREBAY_TEST_SEED").ok();
        let seed = given.map_or_else(system_seed, |text| text.parse().expect("a number"));
        eprintln!("{test}: FOREBAY_TEST_SEED={seed}");
        Self { state: seed }
    }

    /// A generator of its own for a thread, determined by this one.
    pub(crate) fn fork(&mut self) -> Self {
        Self { state: self.next() }
    }

    /// A number in `range`, which is not empty.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// One of `choices`, which are not empty.
    pub(crate) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        let count = u64::try_from(choices.len()).unwrap();
        choices[usize::try_from(self.within(0..count)).unwrap()]
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

fn system_seed() -> u64 {
    RandomState::new().hash_one("seed")
}
