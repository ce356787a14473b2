//! Chunks that came again after a power cut: how long before it had they been confirmed?

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::harness::destination::Destination;
use crate::harness::wait;

/// Older confirmations than this should have lasted, on a disk whose syncs take milliseconds.
const DURABLE_AFTER: Duration = Duration::from_secs(1);

/// When the power was cut.
#[derive(Debug, Default)]
pub(super) struct Cuts(Vec<Instant>);

impl Cuts {
    /// The power goes now.
    pub(super) fn note(&mut self) {
        self.0.push(wait::now());
    }

    /// Prints how many chunks came again, and how many of them had been confirmed for long. That is a
    /// measure and no test: a removal waits for the group commit under way, which on a busy machine
    /// takes seconds. What holds for certain is tested on the simulated disk.
    pub(super) fn print(&self, file_system: &str, destination: &Destination) {
        let visits = destination.visits();
        let ages = self.repeated_ages(&visits);
        let old = ages.iter().filter(|age| **age > DURABLE_AFTER).count();
        let oldest = ages.iter().max().copied().unwrap_or_default();
        println!(
            "repeats on {file_system}: {} power cuts, {} deliveries, {} of them again after a cut, {old} of \
             these confirmed more than {DURABLE_AFTER:?} before it, the oldest {oldest:?}",
            self.0.len(),
            visits.len(),
            ages.len(),
        );
    }

    /// Of each visit that a cut separates from the next one of the same chunk: the time between it and
    /// the cut.
    fn repeated_ages(&self, visits: &[(String, Instant)]) -> Vec<Duration> {
        let mut last: HashMap<&str, Instant> = HashMap::new();
        let mut ages = Vec::new();
        for (chunk, at) in visits {
            let Some(before) = last.insert(chunk, *at) else {
                continue;
            };
            let cut = self.0.iter().find(|cut| (before..*at).contains(*cut));
            ages.extend(cut.map(|cut| *cut - before));
        }
        ages
    }
}

#[test]
fn a_repeat_is_as_old_as_the_first_cut_after_its_confirmation_says() {
    let start = wait::now();
    let at = |ms| start + Duration::from_millis(ms);
    let visit = |chunk: &str, ms| (chunk.to_owned(), at(ms));
    let cuts = Cuts(vec![at(100), at(200)]);
    let visits = [
        visit("a", 60),
        visit("b", 70),
        visit("b", 80),
        visit("a", 250),
    ];
    assert_eq!(
        cuts.repeated_ages(&visits),
        [Duration::from_millis(40)],
        "b came again without a cut in between"
    );
}
