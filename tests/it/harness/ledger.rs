//! What was acknowledged, and what arrived how often.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};

use super::event::EventId;
use super::wait;

/// What the daemon acknowledged to senders.
#[derive(Default)]
pub(crate) struct Ledger {
    acknowledged: Mutex<BTreeSet<EventId>>,
    /// What it acknowledged while the power was going.
    late: Mutex<BTreeSet<EventId>>,
    is_power_off: AtomicBool,
}

impl Ledger {
    /// Notes that `ids` were acknowledged.
    pub(crate) fn acknowledge(&self, ids: &[EventId]) {
        let noted = match self.is_power_off.load(Ordering::SeqCst) {
            false => &self.acknowledged,
            true => &self.late,
        };
        noted.lock().unwrap().extend(ids);
    }

    /// The power goes or comes back: what is acknowledged in between no sender would have heard.
    pub(crate) fn set_power(&self, is_on: bool) {
        self.is_power_off.store(!is_on, Ordering::SeqCst);
    }

    /// Everything acknowledged while the power was off.
    pub(crate) fn late(&self) -> Vec<EventId> {
        self.late.lock().unwrap().iter().copied().collect()
    }

    /// Everything acknowledged so far.
    pub(crate) fn acknowledged(&self) -> Vec<EventId> {
        self.acknowledged.lock().unwrap().iter().copied().collect()
    }
}

/// What one destination was given, and how often.
#[derive(Default)]
pub(crate) struct Arrivals {
    counts: Mutex<HashMap<EventId, u64>>,
    changed: Condvar,
}

impl Arrivals {
    /// Notes that `ids` arrived.
    pub(crate) fn note(&self, ids: &[EventId]) {
        let mut counts = self.counts.lock().unwrap();
        for id in ids {
            *counts.entry(*id).or_default() += 1;
        }
        self.changed.notify_all();
    }

    /// Waits until all of `ids` have arrived.
    ///
    /// # Panics
    /// If some have not after [`wait::DEADLINE`] without any arrival, with how many and which.
    pub(crate) fn wait_for(&self, ids: &[EventId]) {
        let mut counts = self.counts.lock().unwrap();
        let mut missing = missing_from(&counts, ids);
        while !missing.is_empty() {
            let (guard, waited) = self.changed.wait_timeout(counts, wait::DEADLINE).unwrap();
            counts = guard;
            missing = missing_from(&counts, &missing);
            let first = &missing[..missing.len().min(5)];
            let (lost, all) = (missing.len(), ids.len());
            assert!(
                !waited.timed_out(),
                "{lost} of {all} never arrived, first {first:x?}"
            );
        }
    }

    /// Different events that arrived.
    pub(crate) fn count(&self) -> usize {
        self.counts.lock().unwrap().len()
    }

    /// Arrivals beyond the first of each event.
    pub(crate) fn repeat_count(&self) -> u64 {
        self.counts
            .lock()
            .unwrap()
            .values()
            .map(|count| count - 1)
            .sum()
    }

    /// Whether `id` has arrived.
    pub(crate) fn has(&self, id: EventId) -> bool {
        self.counts.lock().unwrap().contains_key(&id)
    }
}

fn missing_from(counts: &HashMap<EventId, u64>, ids: &[EventId]) -> Vec<EventId> {
    ids.iter()
        .copied()
        .filter(|id| !counts.contains_key(id))
        .collect()
}
