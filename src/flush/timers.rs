//! Timers that can be cancelled, ordered by when they are due.

use std::collections::BTreeMap;

/// Names one timer until it fires or is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey<T> {
    at: T,
    serial: u64,
}

impl<T: Copy> TimerKey<T> {
    /// When the timer fires.
    pub(super) fn at(self) -> T {
        self.at
    }
}

/// Timers on one clock; `T` is that clock's time. Each call costs O(log n).
#[derive(Debug)]
pub(super) struct Timers<T, W> {
    due: BTreeMap<TimerKey<T>, W>,
    next_serial: u64,
}

impl<T: Copy + Ord, W> Timers<T, W> {
    pub(super) fn new() -> Self {
        Self {
            due: BTreeMap::new(),
            next_serial: 0,
        }
    }

    /// Has `what` fire at `at`; of timers due at one time the first set fires first.
    pub(super) fn insert(&mut self, at: T, what: W) -> TimerKey<T> {
        let key = TimerKey {
            at,
            serial: self.next_serial,
        };
        self.next_serial += 1;
        self.due.insert(key, what);
        key
    }

    /// Cancels a timer; one that has fired already is ignored.
    pub(super) fn remove(&mut self, key: TimerKey<T>) {
        self.due.remove(&key);
    }

    /// Takes the first timer that is due at `now`.
    pub(super) fn pop_due(&mut self, now: T) -> Option<W> {
        let first = self.due.first_entry()?;
        (first.key().at <= now).then(|| first.remove())
    }

    /// When the first timer is due.
    pub(super) fn next_at(&self) -> Option<T> {
        self.due.first_key_value().map(|(key, _)| key.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_the_order_of_their_time_then_of_their_setting() {
        let mut timers = Timers::new();
        timers.insert(5, "b");
        timers.insert(3, "a");
        timers.insert(5, "c");
        assert_eq!(timers.next_at(), Some(3));
        assert_eq!(timers.pop_due(2), None);
        assert_eq!(timers.pop_due(9), Some("a"));
        assert_eq!(timers.pop_due(9), Some("b"));
        assert_eq!(timers.pop_due(9), Some("c"));
        assert_eq!(timers.pop_due(9), None);
    }

    #[test]
    fn a_removed_timer_never_fires() {
        let mut timers = Timers::new();
        let key = timers.insert(1, "gone");
        timers.remove(key);
        timers.remove(key);
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.next_at(), None);
    }
}
