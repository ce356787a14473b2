//! The cost of an event as chunks gather on the disk.

use super::{Extent, Fact};
use crate::aim::Bound;
use crate::daemon::{self, Daemon, Home, Output};
use crate::generator::generate;
use crate::measure::settings;
use crate::table::median;
use crate::work::{Protocol, Work};

/// Chunks on the disk, besides the few that the measuring adds.
const CHUNKS: [u64; 4] = [1, 100, 1_000, 10_000];

pub(super) fn measure(extent: Extent) -> Vec<Fact> {
    let rounds: Vec<Vec<f64>> = (0..extent.rounds).map(|_| costs(extent.events)).collect();
    let facts = CHUNKS.into_iter().enumerate().flat_map(|(at, chunks)| {
        let cost = median(rounds.iter().map(|costs| costs[at]));
        let growth = median(rounds.iter().map(|costs| costs[at] / costs[0]));
        let what = format!("cost of an event coming in, {chunks} chunks on the disk");
        let cost = Fact::new(what, cost, "us");
        let growth = Fact::new(format!("{chunks} chunks to 1"), growth, "times");
        [cost, growth.aimed(Bound::AtMost(1.1))]
    });
    facts.filter(|fact| fact.what != "1 chunks to 1").collect()
}

/// Microseconds of processor time an event, for each of [`CHUNKS`].
fn costs(events: u64) -> Vec<f64> {
    let home = Home::new(&settings(""), Output::Forward);
    let daemon = home.start();
    // The first events pay for what the later ones find, e.g. warm memory.
    cost(&daemon, events / 2);
    let costs = CHUNKS.map(|chunks| {
        generate(daemon::address(Protocol::Forward), Work::one_each(chunks));
        daemon.settle();
        cost(&daemon, events)
    });
    costs.to_vec()
}

/// Microseconds of processor time for each of `events` coming in.
pub(super) fn cost(daemon: &Daemon, events: u64) -> f64 {
    let work = Work::large(events);
    let before = daemon.process.usage();
    generate(daemon::address(Protocol::Forward), work);
    let cpu_us = daemon.process.usage().cpu_us - before.cpu_us;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let events = work.events() as f64;
    cpu_us / events
}
