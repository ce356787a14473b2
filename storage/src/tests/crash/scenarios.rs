//! What is done to a store while its power is cut. Every step goes as far as the disk allows.

use super::ledger::Ledger;
use super::life::{Life, Pending, Setup};
use super::two_destinations;
use crate::fs::sim::SimFs;
use crate::{Phase, RouteOptions, SealReason};

/// A name, how the store is opened, what is done, and how many appends a healthy run stores.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) setup: Setup,
    pub(crate) lives: &'static [fn(&Life, &mut Ledger)],
    pub(crate) stored_count: usize,
}

impl Scenario {
    /// Runs all lives one after the other, up to one that cannot begin: then somebody must look
    /// at the disk.
    pub(crate) fn run(&self, fs: &SimFs) -> Ledger {
        let mut ledger = Ledger::default();
        for live in self.lives {
            let Ok(life) = Life::begin(fs, &self.setup) else {
                break;
            };
            live(&life, &mut ledger);
        }
        ledger
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    let scenario = |name, lives, stored_count| Scenario {
        name,
        setup: Setup::default(),
        lives,
        stored_count,
    };
    let with_route = |route, scenario: Scenario| {
        let setup = Setup {
            route,
            ..Setup::default()
        };
        Scenario { setup, ..scenario }
    };
    let rotating = RouteOptions {
        chunk_limit_bytes: 4_000,
        ..Setup::default().route
    };
    let few_files = Setup {
        open_files_max: 8,
        ..Setup::default()
    };
    vec![
        scenario("one key", &[one_key, one_key], 8),
        scenario("several keys", &[several_keys, several_keys], 20),
        with_route(
            rotating,
            scenario("rotation by size", &[one_key, rotation], 14),
        ),
        with_route(
            RouteOptions {
                chunk_limit_bytes: 4_000,
                ..Setup::default().route
            },
            scenario("runs of appends", &[runs, runs], 24),
        ),
        scenario("seal by age", &[seal_by_age, seal_by_age], 8),
        with_route(
            two_destinations(),
            scenario(
                "several destinations",
                &[several_destinations, deliver_rest],
                6,
            ),
        ),
        scenario("purge", &[purge, one_key], 7),
        scenario("dead letters", &[dead_letters, dead_letters], 8),
        scenario("many dirty files", &[many_dirty_files], 35),
        Scenario {
            setup: few_files,
            ..scenario("few descriptors", &[few_descriptors], 24)
        },
    ]
}

fn one_key(life: &Life, ledger: &mut Ledger) {
    for len in [10, 700, 5_000, 4] {
        life.store(ledger, "a", len);
    }
}

/// Appends that share syncs, then waits for all.
fn group(life: &Life, ledger: &mut Ledger, appends: &[(&str, usize)]) {
    let pending: Vec<Pending> = appends
        .iter()
        .filter_map(|(tag, len)| life.append(ledger, tag, *len))
        .collect();
    for pending in pending {
        pending.wait(ledger);
    }
}

fn several_keys(life: &Life, ledger: &mut Ledger) {
    group(
        life,
        ledger,
        &[("a", 10), ("b", 600), ("c", 10), ("a", 3_000)],
    );
    group(
        life,
        ledger,
        &[("c", 700), ("d", 10), ("b", 5_000), ("d", 4)],
    );
    life.store(ledger, "a", 40);
    life.store(ledger, "e", 40);
}

/// One append of the life before did not fit into a chunk at all.
fn rotation(life: &Life, ledger: &mut Ledger) {
    for len in [1_500, 1_500, 1_500, 3_900] {
        life.store(ledger, "a", len);
    }
    let appends = [
        ("a", 1_500),
        ("b", 3_990),
        ("a", 1_500),
        ("b", 3_990),
        ("a", 1_500),
        ("b", 10),
        ("a", 10),
    ];
    group(life, ledger, &appends);
}

/// The first run opens a chunk, the second fills it and opens another.
fn runs(life: &Life, ledger: &mut Ledger) {
    for lens in [[10, 500, 700, 4], [900, 40, 2_000, 1_500], [4, 4, 4, 4]] {
        for pending in life.append_run(ledger, "a", &lens) {
            pending.wait(ledger);
        }
    }
}

fn seal_by_age(life: &Life, ledger: &mut Ledger) {
    life.store(ledger, "a", 500);
    life.store(ledger, "b", 500);
    life.seal(SealReason::Age);
    life.store(ledger, "a", 500);
    life.seal(SealReason::Age);
    if let Some(chunk) = life.route.chunks().first() {
        life.deliver(ledger, chunk, "out");
    }
    life.sync(ledger);
    life.store(ledger, "b", 20);
}

fn several_destinations(life: &Life, ledger: &mut Ledger) {
    for (tag, len) in [("a", 10), ("b", 2_000), ("c", 30), ("d", 40)] {
        life.store(ledger, tag, len);
    }
    life.seal(SealReason::Age);
    let chunks = life.route.chunks();
    let deliver = |ledger: &mut Ledger, index: usize, destination: &str| {
        if let Some(chunk) = chunks.get(index) {
            life.deliver(ledger, chunk, destination);
        }
    };
    deliver(ledger, 0, "out");
    deliver(ledger, 0, "archive");
    deliver(ledger, 1, "archive");
    if let Some((claim, _)) = chunks
        .get(1)
        .and_then(|chunk| life.claim(ledger, chunk, "out"))
    {
        claim.roll_back();
    }
    deliver(ledger, 2, "out");
    life.sync(ledger);
    life.store(ledger, "a", 50);
    life.store(ledger, "c", 50);
    deliver(ledger, 1, "out");
}

/// Delivers what is still owed, to one destination after the other.
fn deliver_rest(life: &Life, ledger: &mut Ledger) {
    life.seal(SealReason::Age);
    for destination in ["archive", "out"] {
        for chunk in life.route.chunks() {
            life.deliver(ledger, &chunk, destination);
        }
    }
    life.sync(ledger);
}

fn purge(life: &Life, ledger: &mut Ledger) {
    let staged = life.store(ledger, "a", 600);
    life.store(ledger, "b", 600);
    if let Some(id) = staged {
        life.purge(ledger, id);
    }
    life.seal(SealReason::Request);
    life.store(ledger, "a", 700);
    let sealed = life
        .route
        .chunks()
        .into_iter()
        .find(|chunk| chunk.phase == Phase::Queued);
    if let Some(chunk) = sealed {
        life.purge(ledger, chunk.id);
    }
    life.store.sync();
}

/// A chunk is rejected once a copy of it is a durable dead letter, which is purged later.
fn dead_letters(life: &Life, ledger: &mut Ledger) {
    life.store(ledger, "a", 300);
    life.seal(SealReason::Age);
    let purged = life.dead.chunks().first().map(|chunk| chunk.id);
    if let Some(chunk) = life.route.chunks().first()
        && let Some((claim, numbers)) = life.claim(ledger, chunk, "out")
        && life.bury(ledger, "a", 300).is_some()
    {
        ledger.tried(&numbers, "out");
        if claim.reject(5).is_ok() && life.fs.has_power() {
            ledger.settled(&numbers, "out");
        }
    }
    life.sync(ledger);
    life.bury(ledger, "b", 5_000);
    if let Some(id) = purged {
        life.purge(ledger, id);
    }
    life.store(ledger, "a", 20);
}

/// More dirty files in one round than are synced one by one.
fn many_dirty_files(life: &Life, ledger: &mut Ledger) {
    let held = life.fs.hold_syncs();
    let first = life.append(ledger, "first", 10);
    if first.is_some() {
        held.wait_for_one();
    }
    let pending: Vec<_> = (0..34)
        .filter_map(|n| life.append(ledger, &format!("key {n}"), 10 + 100 * (n % 3)))
        .collect();
    drop(held);
    for pending in first.into_iter().chain(pending) {
        pending.wait(ledger);
    }
}

/// More dirty files than may be open: an append waits until a forced sync closes one.
fn few_descriptors(life: &Life, ledger: &mut Ledger) {
    for round in 0..2 {
        let pending: Vec<_> = (0..12)
            .filter_map(|n| life.append(ledger, &format!("key {n}"), 10 + 600 * round))
            .collect();
        for pending in pending {
            pending.wait(ledger);
        }
    }
}
