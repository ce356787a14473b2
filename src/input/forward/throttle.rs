//! Keeps one kind of warning from flooding the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Now;

/// The least time between two warnings of a kind.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lets one warning through in each interval, and counts those that it held back.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Duration>,
    held_back: u64,
}

impl Throttle {
    /// Whether to warn now; if so, the number of warnings held back since the last one.
    pub(super) fn admit(&self, now: Now) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_early = state
            .last
            .is_some_and(|last| now.monotonic.saturating_sub(last) < INTERVAL);
        if is_early {
            state.held_back += 1;
            return None;
        }
        state.last = Some(now.monotonic);
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_in_an_interval_with_the_count_of_the_others() {
        let at = |seconds| Now {
            monotonic: Duration::from_secs(seconds),
            unix_ns: 0,
        };
        let throttle = Throttle::default();
        let admitted = [0, 1, 9, 10, 11, 30, 31].map(|seconds| throttle.admit(at(seconds)));
        assert_eq!(
            admitted,
            [Some(0), None, None, Some(2), None, Some(1), None]
        );
    }
}
