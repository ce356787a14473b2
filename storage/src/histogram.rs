//! Distributions in fixed buckets, cheap enough for any path: two relaxed additions each time.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Counts values by buckets whose upper bounds, inclusive, were given to it; those above the last
/// one are counted too.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    /// Bucket `i` holds the values of at most `bounds[i]` that are in no bucket before it.
    buckets: [AtomicU64; N],
    above: AtomicU64,
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution<const N: usize> {
    /// The upper bounds, inclusive, ascending.
    pub bounds: &'static [u64; N],
    /// Values of at most each of the bounds: each count has the one before it in it.
    pub count_up_to: [u64; N],
    /// All values: the sum of the buckets, whatever is counted meanwhile.
    pub count: u64,
    /// The sum of the values; wraps around.
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// Without values. The bounds ascend.
    pub fn new(bounds: &'static [u64; N]) -> Histogram<N> {
        debug_assert!(bounds.is_sorted(), "bounds ascend");
        Histogram {
            bounds,
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        let bucket = self.buckets.get(bucket).unwrap_or(&self.above);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn distribution(&self) -> Distribution<N> {
        let mut count = 0;
        let count_up_to = std::array::from_fn(|bucket| {
            count += self.buckets[bucket].load(Ordering::Relaxed);
            count
        });
        Distribution {
            bounds: self.bounds,
            count_up_to,
            count: count + self.above.load(Ordering::Relaxed),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::new(&[1, 5, 10]);
        for value in [0, 1, 2, 5, 6, 10, 11, 1_000] {
            histogram.observe(value);
        }
        let seen = histogram.distribution();
        assert_eq!(seen.count_up_to, [2, 4, 6]);
        assert_eq!(seen.count, 8);
        assert_eq!(seen.sum, 1_035);
        assert_eq!(seen.bounds, &[1, 5, 10]);
    }
}
