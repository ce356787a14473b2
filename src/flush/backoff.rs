//! How long to wait after the n-th failure in a row.

use std::time::Duration;

use ::backoff::SystemClock;
use ::backoff::backoff::Backoff as _;
use ::backoff::exponential::ExponentialBackoff;

use crate::config::plan::{RetryKind, RetryPlan};

/// Waits between retries; jitter comes from a generator seeded by the caller.
///
/// The growth is the `backoff` crate's formula without its clock and its randomisation; the cap
/// applies before the jitter, so a wait may exceed it by the jitter's share.
#[derive(Clone, Debug)]
pub struct Backoff {
    plan: RetryPlan,
    jitter: Jitter,
}

impl Backoff {
    /// Waits as `plan` has them.
    #[must_use]
    pub fn new(plan: RetryPlan, seed: u64) -> Self {
        Self {
            plan,
            jitter: Jitter(seed),
        }
    }

    /// The wait after `failure_count` failures in a row (the first failure is 1), with jitter.
    pub fn wait(&mut self, failure_count: u32) -> Duration {
        let interval = self.interval(failure_count);
        let randomization = self.plan.randomization;
        if randomization == 0.0 {
            return interval;
        }
        interval.mul_f64(1.0 - randomization + 2.0 * randomization * self.jitter.unit())
    }

    /// The wait after `failure_count` failures in a row, without jitter.
    #[must_use]
    pub fn interval(&self, failure_count: u32) -> Duration {
        match self.plan.kind {
            RetryKind::Periodic => self.plan.wait,
            RetryKind::ExponentialBackoff => self.exponential(failure_count),
        }
    }

    /// The time that so many retries need, without jitter; at most `enough`.
    #[must_use]
    pub fn sum(&self, retry_count: u32, enough: Duration) -> Duration {
        let mut sum = Duration::ZERO;
        for failure_count in 1..=retry_count {
            sum = sum.saturating_add(self.interval(failure_count));
            if sum >= enough {
                return enough;
            }
        }
        sum
    }

    fn exponential(&self, failure_count: u32) -> Duration {
        let mut formula: ExponentialBackoff<SystemClock> = ExponentialBackoff {
            current_interval: self.plan.wait,
            initial_interval: self.plan.wait,
            randomization_factor: 0.0,
            multiplier: self.plan.exponential_base,
            max_interval: self.plan.max_interval,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        for _ in 1..failure_count {
            let before = formula.current_interval;
            let _ = formula.next_backoff();
            if formula.current_interval <= before {
                break;
            }
        }
        formula.current_interval.min(self.plan.max_interval)
    }
}

/// SplitMix64: enough for jitter, and the same on every machine for one seed.
#[derive(Clone, Debug)]
struct Jitter(u64);

impl Jitter {
    /// A number in `[0, 1)`.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza() -> RetryPlan {
        RetryPlan {
            kind: RetryKind::ExponentialBackoff,
            wait: Duration::from_millis(500),
            exponential_base: 1.5,
            max_interval: Duration::from_secs(60),
            randomization: 0.5,
            timeout: Duration::from_secs(900),
            max_times: None,
            forever: false,
        }
    }

    #[test]
    fn s05_s06_stanza_trap_a_intervals_follow_stanzas_table() {
        let table = [
            0.5, 0.75, 1.125, 1.687, 2.53, 3.795, 5.692, 8.538, 12.807, 19.210,
        ];
        let backoff = Backoff::new(stanza(), 1);
        for (failures, expected) in (1..).zip(table) {
            let interval = backoff.interval(failures).as_secs_f64();
            assert!(
                (interval / expected - 1.0).abs() < 0.001,
                "try {failures}: {interval}"
            );
        }
    }

    #[test]
    fn s05_stanza_trap_b_waits_stay_inside_the_range_that_jitter_allows_and_use_all_of_it() {
        let mut backoff = Backoff::new(stanza(), 7);
        let waits: Vec<f64> = (0..1_000).map(|_| backoff.wait(3).as_secs_f64()).collect();
        assert!(waits.iter().all(|wait| (0.5625..=1.6875).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 0.60) && waits.iter().any(|wait| *wait > 1.65));
    }

    #[test]
    fn s03_intervals_stop_growing_at_the_cap_however_many_failures() {
        let backoff = Backoff::new(stanza(), 1);
        assert_eq!(backoff.interval(50), Duration::from_secs(60));
        assert_eq!(backoff.interval(u32::MAX), Duration::from_secs(60));
    }

    #[test]
    fn a_base_of_one_does_not_loop_for_ever() {
        let plan = RetryPlan {
            exponential_base: 1.0,
            ..stanza()
        };
        assert_eq!(
            Backoff::new(plan, 1).interval(u32::MAX),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn periodic_waits_do_not_grow() {
        let plan = RetryPlan {
            kind: RetryKind::Periodic,
            randomization: 0.0,
            ..stanza()
        };
        let mut backoff = Backoff::new(plan, 1);
        assert_eq!(backoff.wait(1), backoff.wait(9));
    }
}
