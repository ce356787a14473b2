//! The circuit breaker of one destination.
//!
//! It opens when the destination as a whole fails and nothing has succeeded since the failed
//! delivery began; while it is open, one chunk at a time is sent to see whether the outage is
//! over. Any success closes it.

use std::time::Duration;

use super::outcome::FailureScope;

/// So many failures in a row that each speak about their chunk only are taken for an outage.
const CHUNK_FAILURES_MAX: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    Closed,
    /// No delivery before `until`.
    Open {
        until: Duration,
    },
    /// One delivery is out to see whether the destination is back.
    Probing,
}

/// Whether a destination may be sent chunks now. Times are monotonic.
#[derive(Debug)]
pub(super) struct Breaker {
    circuit: Circuit,
    /// Failures since the last success, while closed.
    failure_count: u32,
    /// Probes that failed in this outage, and the failure that began it.
    outage_failure_count: u32,
    last_success: Option<Duration>,
    /// When the outage began.
    open_since: Option<Duration>,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            circuit: Circuit::Closed,
            failure_count: 0,
            outage_failure_count: 0,
            last_success: None,
            open_since: None,
        }
    }

    /// When the outage began, while there is one.
    pub(super) fn open_since(&self) -> Option<Duration> {
        self.open_since
    }

    pub(super) fn is_closed(&self) -> bool {
        self.circuit == Circuit::Closed
    }

    /// Whether a probe may start now.
    pub(super) fn may_probe(&self, now: Duration) -> bool {
        self.probe_at().is_some_and(|at| at <= now)
    }

    /// When the next probe may start, if the breaker waits for that.
    pub(super) fn probe_at(&self) -> Option<Duration> {
        match self.circuit {
            Circuit::Open { until } => Some(until),
            Circuit::Closed | Circuit::Probing => None,
        }
    }

    /// A probe has started.
    pub(super) fn probe(&mut self) {
        self.circuit = Circuit::Probing;
    }

    /// A delivery succeeded. True if that ends an outage.
    pub(super) fn succeed(&mut self, now: Duration) -> bool {
        let was_open = !self.is_closed();
        *self = Self {
            last_success: Some(now),
            ..Self::new()
        };
        was_open
    }

    /// A delivery failed. `wait` gives the time to the next probe after so many failures.
    ///
    /// Deliveries that were in flight when the outage began fail late; they say nothing new and do
    /// not lengthen the wait.
    pub(super) fn fail(
        &mut self,
        now: Duration,
        attempt: Attempt,
        scope: FailureScope,
        wait: impl FnOnce(u32) -> Duration,
    ) {
        self.failure_count = self.failure_count.saturating_add(1);
        let counts = match self.circuit {
            Circuit::Closed => self.is_outage(attempt.began, scope),
            Circuit::Open { .. } => false,
            Circuit::Probing => attempt.is_probe,
        };
        if counts {
            self.outage_failure_count = self.outage_failure_count.saturating_add(1);
            self.open_since.get_or_insert(now);
            let gap = wait(self.outage_failure_count);
            self.circuit = Circuit::Open {
                until: now.saturating_add(gap),
            };
        }
    }

    /// The wait for the next probe is over. True if there was one.
    pub(super) fn probe_now(&mut self, now: Duration) -> bool {
        match &mut self.circuit {
            Circuit::Open { until } if *until > now => {
                *until = now;
                true
            }
            _ => false,
        }
    }

    /// The probe was called off without an answer from the destination.
    pub(super) fn call_off_probe(&mut self, now: Duration) {
        if self.circuit == Circuit::Probing {
            self.circuit = Circuit::Open { until: now };
        }
    }

    fn is_outage(&self, began: Duration, scope: FailureScope) -> bool {
        match scope {
            FailureScope::Unreachable | FailureScope::Destination => {
                self.last_success.is_none_or(|success| success < began)
            }
            FailureScope::Chunk => self.failure_count >= CHUNK_FAILURES_MAX,
        }
    }
}

/// What the breaker needs to know of a delivery that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// When it began.
    pub(super) began: Duration,
    /// It was sent to see whether an outage is over.
    pub(super) is_probe: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Attempt = Attempt {
        began: Duration::ZERO,
        is_probe: false,
    };
    const PROBE: Attempt = Attempt {
        began: Duration::ZERO,
        is_probe: true,
    };

    fn seconds(seconds: u32) -> Duration {
        Duration::from_secs(u64::from(seconds))
    }

    #[test]
    fn an_unreachable_destination_is_probed_after_the_wait_and_closed_by_success() {
        let mut breaker = Breaker::new();
        breaker.fail(seconds(1), PLAIN, FailureScope::Unreachable, seconds);
        assert_eq!(breaker.probe_at(), Some(seconds(2)));
        assert!(!breaker.may_probe(seconds(1)) && breaker.may_probe(seconds(2)));
        breaker.probe();
        assert_eq!(breaker.probe_at(), None);
        assert!(breaker.succeed(seconds(3)));
        assert!(breaker.is_closed());
    }

    #[test]
    fn waits_grow_with_probes_not_with_deliveries_that_were_under_way() {
        let mut breaker = Breaker::new();
        for _ in 0..16 {
            breaker.fail(seconds(1), PLAIN, FailureScope::Destination, seconds);
        }
        assert_eq!(breaker.probe_at(), Some(seconds(2)));
        breaker.probe();
        breaker.fail(seconds(2), PLAIN, FailureScope::Destination, seconds);
        assert_eq!(breaker.probe_at(), None, "only the probe's own end counts");
        breaker.fail(seconds(2), PROBE, FailureScope::Destination, seconds);
        assert_eq!(breaker.probe_at(), Some(seconds(4)));
    }

    #[test]
    fn a_destination_that_confirmed_another_chunk_meanwhile_is_up() {
        let mut breaker = Breaker::new();
        breaker.succeed(seconds(5));
        let began_before = Attempt {
            began: seconds(4),
            is_probe: false,
        };
        breaker.fail(seconds(6), began_before, FailureScope::Destination, seconds);
        assert!(breaker.is_closed());
        let began_after = Attempt {
            began: seconds(6),
            is_probe: false,
        };
        breaker.fail(seconds(7), began_after, FailureScope::Destination, seconds);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn many_chunk_failures_without_one_success_are_an_outage() {
        let mut breaker = Breaker::new();
        for _ in 1..CHUNK_FAILURES_MAX {
            breaker.fail(seconds(1), PLAIN, FailureScope::Chunk, seconds);
            assert!(breaker.is_closed());
        }
        breaker.fail(seconds(1), PLAIN, FailureScope::Chunk, seconds);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn a_probe_may_be_asked_for_before_its_time_but_not_beside_another() {
        let mut breaker = Breaker::new();
        assert!(!breaker.probe_now(seconds(0)), "nothing to find out");
        breaker.fail(seconds(1), PLAIN, FailureScope::Unreachable, |_| {
            seconds(60)
        });
        assert!(breaker.probe_now(seconds(2)));
        assert!(breaker.may_probe(seconds(2)));
        assert!(!breaker.probe_now(seconds(2)), "it is time already");
        breaker.probe();
        assert!(!breaker.probe_now(seconds(3)));
        assert!(!breaker.may_probe(seconds(3)));
    }

    #[test]
    fn a_probe_that_was_called_off_may_be_followed_at_once() {
        let mut breaker = Breaker::new();
        breaker.fail(seconds(1), PLAIN, FailureScope::Unreachable, seconds);
        breaker.probe();
        breaker.call_off_probe(seconds(3));
        assert!(breaker.may_probe(seconds(3)));
    }
}
