//! How fast routes take in and give away, over about the last minute.
//!
//! Nothing wakes up for it: counters are noted when somebody asks, at most once a second, and
//! compared with what they were a minute before. Where nobody asked for longer than that, the rate is
//! the mean since then, or since the start.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::route::{RunningRoute, lock};
use super::topology::Topology;

/// How far back is looked.
const WINDOW: Duration = Duration::from_secs(60);

/// Notes are at least this far apart, so that there are few.
const GAP_MIN: Duration = Duration::from_secs(1);

/// What is counted of a route at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    events_in: u64,
    /// Events confirmed, by output.
    events_out: Vec<u64>,
    used_bytes: u64,
}

#[derive(Clone, Debug, Default)]
struct Note {
    /// By the monotonic clock.
    at: Duration,
    routes: HashMap<Arc<str>, Counts>,
}

/// The notes of the last minute; the first is older, if there is an older one.
#[derive(Debug)]
pub(super) struct Rates(Mutex<VecDeque<Note>>);

/// How fast a route is; by the second.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RouteRates {
    /// Events stored.
    pub(super) events_in: f64,
    /// Events confirmed, by output.
    pub(super) events_out: Vec<f64>,
    /// By how much its files grow; negative if they shrink.
    pub(super) growth_bytes: f64,
}

impl Rates {
    /// Nothing has been counted before `started`, by the monotonic clock.
    pub(super) fn since(started: Duration) -> Self {
        let first = Note {
            at: started,
            ..Note::default()
        };
        Self(Mutex::new(VecDeque::from([first])))
    }

    /// The rates of all routes now, in their order.
    pub(super) fn of(&self, now: Duration, live: &Topology) -> Vec<RouteRates> {
        let routes: Vec<_> = live
            .routes
            .iter()
            .map(|route| (Arc::clone(&route.state.name), Counts::of(route)))
            .collect();
        let mut notes = lock(&self.0);
        while notes.get(1).is_some_and(|note| note.at + WINDOW <= now) {
            notes.pop_front();
        }
        let before = notes.front().cloned().unwrap_or_default();
        if notes.back().is_none_or(|last| last.at + GAP_MIN <= now) {
            let routes = routes.iter().cloned().collect();
            notes.push_back(Note { at: now, routes });
        }
        drop(notes);
        let over = now.saturating_sub(before.at);
        let rates = routes.iter();
        let rates = rates.map(|(name, counts)| counts.since(before.routes.get(name), over));
        rates.collect()
    }
}

impl Counts {
    fn of(route: &RunningRoute) -> Self {
        let outputs = route.destinations.iter();
        Self {
            events_in: route.stats.events_stored.load(Relaxed),
            events_out: outputs
                .map(|to| to.stats.events_delivered.load(Relaxed))
                .collect(),
            used_bytes: route.chunks.file_bytes(),
        }
    }

    /// How fast they came to be what they are.
    fn since(&self, before: Option<&Self>, over: Duration) -> RouteRates {
        let seconds = over.as_secs_f64();
        if seconds == 0.0 {
            let events_out = vec![0.0; self.events_out.len()];
            return RouteRates {
                events_out,
                ..RouteRates::default()
            };
        }
        // A route that is new since then has counted from zero.
        let nothing = Self::default();
        let before = before.unwrap_or(&nothing);
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let outs = self.events_out.iter().enumerate();
        let out_before = |index: usize| before.events_out.get(index).copied().unwrap_or(0);
        RouteRates {
            events_in: rate(self.events_in, before.events_in),
            events_out: outs
                .map(|(index, out)| rate(*out, out_before(index)))
                .collect(),
            growth_bytes: (self.used_bytes as f64 - before.used_bytes as f64) / seconds,
        }
    }
}

impl RouteRates {
    /// Events a second that the slowest output confirms.
    pub(super) fn slowest_out(&self) -> f64 {
        let slowest = self.events_out.iter().copied().reduce(f64::min);
        slowest.unwrap_or(0.0)
    }

    /// Seconds until the route is full, if it goes on growing like that.
    pub(super) fn time_to_full_s(&self, used_bytes: u64, limit_bytes: u64) -> Option<f64> {
        let left = limit_bytes.saturating_sub(used_bytes) as f64;
        match left {
            0.0 => Some(0.0),
            left => (self.growth_bytes > 0.0).then(|| left / self.growth_bytes),
        }
    }

    /// Seconds until nothing waits, if it goes on like that.
    pub(super) fn time_to_empty_s(&self, waiting_events: u64) -> Option<f64> {
        let falls_by = self.slowest_out() - self.events_in;
        match waiting_events {
            0 => Some(0.0),
            waiting => (falls_by > 0.0).then(|| waiting as f64 / falls_by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(events_in: u64, events_out: [u64; 2], used_bytes: u64) -> Counts {
        Counts {
            events_in,
            events_out: events_out.to_vec(),
            used_bytes,
        }
    }

    #[test]
    fn a_rate_is_what_came_since_by_the_time_since() {
        let before = counts(100, [10, 50], 4_096);
        let now = counts(400, [40, 250], 8_192);
        let rates = now.since(Some(&before), Duration::from_secs(10));
        assert_eq!(rates.events_in, 30.0);
        assert_eq!(rates.events_out, [3.0, 20.0]);
        assert_eq!(rates.growth_bytes, 409.6);
        assert_eq!(rates.slowest_out(), 3.0);
        let at_once = now.since(Some(&before), Duration::ZERO);
        assert_eq!(at_once.events_out, [0.0, 0.0]);
        // Its counters began anew.
        let after_reload = before.since(Some(&now), Duration::from_secs(10));
        assert_eq!(after_reload.events_in, 0.0);
    }

    #[test]
    fn a_route_is_full_or_empty_only_if_it_gets_there() {
        let filling = RouteRates {
            events_in: 10.0,
            events_out: vec![4.0],
            growth_bytes: 100.0,
        };
        assert_eq!(filling.time_to_full_s(9_000, 10_000), Some(10.0));
        assert_eq!(filling.time_to_full_s(10_001, 10_000), Some(0.0));
        assert_eq!(filling.time_to_empty_s(60), None);
        assert_eq!(filling.time_to_empty_s(0), Some(0.0));
        let draining = RouteRates {
            events_in: 4.0,
            events_out: vec![10.0, 20.0],
            growth_bytes: -1.0,
        };
        assert_eq!(draining.time_to_full_s(9_000, 10_000), None);
        assert_eq!(draining.time_to_empty_s(60), Some(10.0));
    }

    #[test]
    fn few_notes_are_kept_however_often_somebody_asks() {
        let rates = Rates::since(Duration::ZERO);
        let live = Topology::default();
        for ms in 0..200_000 {
            rates.of(Duration::from_millis(ms), &live);
        }
        let notes = lock(&rates.0);
        assert!(notes.len() <= 62, "{}", notes.len());
        assert!(notes[0].at + WINDOW <= Duration::from_millis(199_999));
        assert!(notes[1].at + WINDOW > Duration::from_millis(199_999));
    }
}
