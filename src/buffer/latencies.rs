//! How long something took, by fixed buckets: two relaxed additions each time.

use std::time::Duration;

use forebay_storage::{Distribution, Histogram};

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const S: u64 = 1_000 * MS;

/// Upper bounds of the buckets in nanoseconds: from a sync of a good disk to a hanging destination.
const BOUNDS_NS: [u64; 15] = [
    250 * US,
    MS,
    2_500 * US,
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    S,
    2_500 * MS,
    10 * S,
    60 * S,
    300 * S,
];

/// How long things of one kind took.
#[derive(Debug)]
pub struct Latencies(Histogram<15>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(&BOUNDS_NS))
    }
}

impl Latencies {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        self.0
            .observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Those so far, in nanoseconds.
    #[must_use]
    pub fn distribution(&self) -> Distribution<15> {
        self.0.distribution()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let latencies = Latencies::default();
        for took in [
            Duration::ZERO,
            Duration::from_micros(250),
            Duration::from_micros(251),
            Duration::from_secs(1_000),
        ] {
            latencies.observe(took);
        }
        let seen = latencies.distribution();
        assert_eq!(seen.count, 4);
        assert_eq!(seen.count_up_to[..2], [2, 3]);
        assert_eq!(seen.count_up_to.last(), Some(&3));
        assert_eq!(seen.sum, 1_000_000_501_000);
    }
}
