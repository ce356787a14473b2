//! The cost of an event as a backlog gathers, and when it drains.

use super::growth::cost;
use super::{Extent, Fact};
use crate::aim::Bound::{AtLeast, AtMost};
use crate::batch::EVENT_SIZE;
use crate::daemon::{Home, Output};
use crate::measure::settings;
use crate::memory;
use crate::sink::Sink;
use crate::table::median;
use crate::work::Work;

/// Parts that the backlog comes in, each with a cost of its own.
const PARTS: u64 = 8;

pub(super) fn measure(extent: Extent) -> Vec<Fact> {
    memory::warm((extent.backlog_mib << 20) * 5 / 4);
    let home = Home::new(&settings(""), Output::Forward);
    let daemon = home.start();
    let part = Work::large((extent.backlog_mib << 20) / PARTS / EVENT_SIZE as u64);
    let costs: Vec<f64> = (0..PARTS).map(|_| cost(&daemon, part.events())).collect();
    let memory_in = daemon.process.usage().memory_peak_kib;

    let before = daemon.process.usage();
    let mut sink = Sink::start(Output::Forward);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let events = (part.events() * PARTS) as f64;
    let seconds = sink.wait_for(part.events() * PARTS);
    let after = daemon.process.usage();

    let gib = extent.backlog_mib >> 10;
    let half = costs.len() / 2;
    let first = median(costs[..half].iter().copied());
    let last = median(costs[half..].iter().copied());
    let peak_mib = after.memory_peak_kib.max(memory_in) / 1024.0;
    vec![
        Fact::new(
            format!("backlog of {gib} GiB: cost of an event in its first half"),
            first,
            "us",
        ),
        Fact::new("last half to first", last / first, "times").aimed(AtMost(1.1)),
        Fact::new("its drain", events / seconds / 1e6, "M events/s").aimed(AtLeast(4.0)),
        Fact::new(
            "cost of an event in the drain",
            (after.cpu_us - before.cpu_us) / events,
            "us",
        ),
        Fact::new("peak memory, in and out", peak_mib, "MiB").aimed(AtMost(48.0)),
    ]
}
