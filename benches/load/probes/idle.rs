//! A daemon with nothing to do, as configured by default.

use std::time::Duration;

use super::{Extent, Fact};
use crate::aim::Bound::AtMost;
use crate::clock;
use crate::daemon::{self, Daemon, Home, Output};
use crate::generator::generate;
use crate::usage::Usage;
use crate::work::{Protocol, Work};

/// How long it is looked at.
const SPAN: Duration = Duration::from_secs(10);

pub(super) fn measure(_: Extent) -> Vec<Fact> {
    let home = Home::new("", Output::Forward);
    let daemon = home.start();
    clock::pause(Duration::from_secs(3));
    let (usage, switches, core) = look(&daemon);
    let mut facts = vec![
        Fact::new("idle: resident memory", usage.memory_kib / 1024.0, "MiB").aimed(AtMost(15.0)),
        Fact::new("idle: wake-ups of all threads", switches, "a second").aimed(AtMost(1.0)),
        // What is 0.0 when rounded.
        Fact::new("idle: share of a core", core * 100.0, "%").aimed(AtMost(0.05)),
    ];
    generate(daemon::address(Protocol::Forward), Work::one_each(1));
    clock::pause(Duration::from_secs(5));
    let (_, switches, core) = look(&daemon);
    facts.push(Fact::new(
        "a chunk waits for its destination: wake-ups",
        switches,
        "a second",
    ));
    facts.push(Fact::new(
        "a chunk waits: share of a core",
        core * 100.0,
        "%",
    ));
    facts
}

/// What is used after [`SPAN`], switches of its threads a second, share of a core.
fn look(daemon: &Daemon) -> (Usage, f64, f64) {
    let before = daemon.process.usage();
    clock::pause(SPAN);
    let after = daemon.process.usage();
    let seconds = SPAN.as_secs_f64();
    let switches = (after.switches - before.switches) / seconds;
    let core = (after.cpu_us - before.cpu_us) / 1e6 / seconds;
    (after, switches, core)
}
