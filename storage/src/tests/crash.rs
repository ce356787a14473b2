//! Every crash point of every scenario, and what each kind of power cut leaves there.
//!
//! A scenario runs once on a healthy disk, which counts its operations. Then it runs once for
//! each of them, with the power off from there on, and the store is reopened from each kind of
//! surviving image. It must then take appends and deliver, to each destination, every append
//! whose receipt had resolved and which that destination had not committed: once, byte for byte,
//! in order within its key, and nothing that was never appended. What is damaged is named and set
//! aside; once all is delivered the disk is empty.
//!
//! `FOREBAY_CRASH_SEEDS` sets how many random subsets of the unsynced changes are tried at each
//! crash point.

use super::*;
use crate::fs::sim::{Calls, Faults, Survivors};

mod ledger;
mod life;
mod model;
mod repeats;
mod scenarios;

use ledger::Ledger;
use life::{Life, Setup};
use scenarios::Scenario;

/// Whom dead letters are "delivered" to in the ledger.
const DEAD: &str = "(dead letters)";

/// What was tried, for the row printed at the end; what is lost or repeated has failed the test.
#[derive(Default)]
struct Tally {
    crash_points: u64,
    images: u64,
    stored: u64,
}

impl Tally {
    fn count(&mut self, ledger: &Ledger) {
        self.crash_points += 1;
        self.stored += ledger.stored_count() as u64;
    }

    fn print(&self, what: &str) {
        println!(
            "| {what} | simulated disk | {} | - | {} | {} | 0 | 0 |",
            self.crash_points, self.images, self.stored
        );
    }
}

fn number_from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
        Err(_) => default,
    }
}

/// The kinds of surviving image, and some random ones that differ from one crash point to the
/// next.
fn survivors(crash_point: u64) -> Vec<Survivors> {
    let seeds = number_from_env("FOREBAY_CRASH_SEEDS", 2);
    let mut kinds = vec![
        Survivors::Nothing,
        Survivors::Everything,
        Survivors::Entries,
        Survivors::Metadata,
        Survivors::Data,
    ];
    let random = |seed| Survivors::Random(crash_point.wrapping_mul(1_000_003) + seed);
    kinds.extend((0..seeds).map(random));
    kinds
}

/// Reopens an image and checks every promise. With `is_exact` the image has all that was written.
fn check(image: &SimFs, setup: &Setup, ledger: &Ledger, is_exact: bool) -> Result<(), String> {
    let life = Life::begin(image, setup).map_err(|error| error.to_string())?;
    if let Some(failure) = life.recovered.failures.first() {
        return Err(failure.to_string());
    }
    life.check_damage()?;
    let mut ledger = ledger.clone();
    for tag in ["a", "b"] {
        let stored = life.store(&mut ledger, tag, 30);
        stored.ok_or("what recovery left takes no appends")?;
    }
    life.drain(&ledger, is_exact)
}

/// The scenario with the power off after so many operations.
fn run_until(scenario: &Scenario, crash_point: u64) -> (SimFs, Ledger) {
    let fs = SimFs::new();
    fs.set_faults(Faults {
        power_off_after: Some(crash_point),
        ..Faults::default()
    });
    let ledger = scenario.run(&fs);
    (fs, ledger)
}

fn healthy_op_count(scenario: &Scenario) -> u64 {
    let fs = SimFs::new();
    let ledger = scenario.run(&fs);
    assert_eq!(
        ledger.stored_count(),
        scenario.stored_count,
        "{}",
        scenario.name
    );
    check(&fs.after_kill(), &scenario.setup, &ledger, true)
        .unwrap_or_else(|why| panic!("{}, healthy: {why}", scenario.name));
    fs.op_count()
}

#[test]
fn no_crash_point_loses_repeats_reorders_or_invents_an_append() {
    let mut tally = Tally::default();
    for scenario in scenarios::all() {
        // Threads may order operations otherwise than in the healthy run: a few more.
        for crash_point in 0..healthy_op_count(&scenario) + 3 {
            let (fs, ledger) = run_until(&scenario, crash_point);
            tally.count(&ledger);
            for survivors in survivors(crash_point) {
                let image = fs.after_power_cut_leaving(survivors);
                let is_exact = survivors == Survivors::Everything;
                tally.images += 1;
                check(&image, &scenario.setup, &ledger, is_exact).unwrap_or_else(|why| {
                    panic!(
                        "{}, cut after {crash_point}, {survivors:?}: {why}",
                        scenario.name
                    )
                });
            }
            tally.images += 1;
            check(&fs.after_kill(), &scenario.setup, &ledger, true).unwrap_or_else(|why| {
                panic!("{}, killed after {crash_point}: {why}", scenario.name)
            });
        }
    }
    tally.print("crash points");
}

/// Recovery of an image crashes after each of its own operations.
#[test]
fn a_crash_during_recovery_loses_nothing_either() {
    let mut tally = Tally::default();
    for scenario in scenarios::all() {
        for crash_point in (0..healthy_op_count(&scenario)).step_by(7) {
            let (fs, ledger) = run_until(&scenario, crash_point);
            let image = fs.after_power_cut(crash_point);
            let recovery = image.after_kill();
            drop(Life::begin(&recovery, &scenario.setup));
            for second in 0..recovery.op_count() {
                let again = image.after_kill();
                again.set_faults(Faults {
                    power_off_after: Some(second),
                    ..Faults::default()
                });
                drop(Life::begin(&again, &scenario.setup));
                tally.count(&ledger);
                tally.images += 1;
                let image = again.after_power_cut(second);
                check(&image, &scenario.setup, &ledger, false).unwrap_or_else(|why| {
                    panic!(
                        "{}, cut after {crash_point}, recovery after {second}: {why}",
                        scenario.name
                    )
                });
            }
        }
    }
    tally.print("crashes of recovery");
}

type Break = fn(Calls) -> Faults;

/// The kinds of call that fail, each as a fault.
const BREAKS: [(&str, Break); 7] = [
    ("sync", |failing_syncs| Faults {
        failing_syncs,
        ..Faults::default()
    }),
    ("directory sync", |failing_dir_syncs| Faults {
        failing_dir_syncs,
        ..Faults::default()
    }),
    ("sync of all", |failing_sync_alls| Faults {
        failing_sync_alls,
        ..Faults::default()
    }),
    ("write", |failing_writes| Faults {
        failing_writes,
        ..Faults::default()
    }),
    ("allocation", |failing_allocations| Faults {
        failing_allocations,
        ..Faults::default()
    }),
    ("read", |failing_reads| Faults {
        failing_reads,
        ..Faults::default()
    }),
    ("rename or removal", |failing_moves| Faults {
        failing_moves,
        ..Faults::default()
    }),
];

/// Each kind of call fails at each place, once and for ever, and then the power goes.
#[test]
fn no_failing_call_makes_a_promise_that_a_power_cut_breaks() {
    let mut tally = Tally::default();
    for scenario in scenarios::all() {
        for (what, fault) in BREAKS {
            for call in 0..12 {
                for calls in [Calls::from([call]), Calls::from_on(call)] {
                    let fs = SimFs::new();
                    fs.set_faults(fault(calls.clone()));
                    let ledger = scenario.run(&fs);
                    tally.count(&ledger);
                    for survivors in [Survivors::Nothing, Survivors::Random(call)] {
                        tally.images += 1;
                        let image = fs.after_power_cut_leaving(survivors);
                        check(&image, &scenario.setup, &ledger, false).unwrap_or_else(|why| {
                            panic!(
                                "{}, failing {what} {calls:?}, {survivors:?}: {why}",
                                scenario.name
                            )
                        });
                    }
                }
            }
        }
    }
    tally.print("failing calls");
}

/// The seal of a chunk is lost while its successor is durable.
#[test]
fn what_is_appended_after_a_lost_seal_comes_last() {
    let fs = SimFs::new();
    let setup = Setup::default();
    let mut ledger = Ledger::default();
    {
        let life = Life::begin(&fs, &setup).unwrap();
        life.store(&mut ledger, "a", 100).unwrap();
        fs.set_faults(Faults {
            failing_syncs: [0].into(),
            ..Faults::default()
        });
        assert!(life.store(&mut ledger, "a", 100).is_none());
        life.store(&mut ledger, "a", 100).unwrap();
    }
    let image = fs.after_power_cut_leaving(Survivors::Nothing);
    let life = Life::begin(&image, &setup).unwrap();
    assert_eq!(life.route.chunks().len(), 2);
    let last = life.store(&mut ledger, "a", 100).unwrap();
    assert_eq!(life.route.chunks().last().unwrap().id, last);
    life.drain(&ledger, false).unwrap();
}

/// The data directory's own entry is lost with it.
#[test]
fn a_directory_above_that_cannot_be_synced_is_an_error() {
    let fs = SimFs::new();
    fs.set_faults(Faults {
        failing_dir_syncs: [1].into(),
        ..Faults::default()
    });
    assert!(Life::begin(&fs, &Setup::default()).is_err());
}

#[test]
fn every_directory_down_to_a_new_data_directory_is_durable_before_anything_is_promised() {
    let fs = SimFs::new();
    let open = |fs: &SimFs| {
        let options = crate::StoreOptions {
            dir: PathBuf::from("/a/b/data"),
            fs: Arc::new(fs.clone()),
            open_files_max: 8,
            id_seed: 7,
            now_ns: 1,
            clock: None,
        };
        let store = Store::open(options).unwrap();
        let (route, _) = store.route("web", super::options(), Arc::new(())).unwrap();
        (store, route)
    };
    let (store, route) = open(&fs);
    let appended = route.append(1, &key("a"), None, append(b"kept")).unwrap();
    appended.receipt.wait().unwrap();
    let (_store, route) = open(&fs.after_power_cut_leaving(Survivors::Nothing));
    assert_eq!(payloads_of(&route, appended.chunk), [b"kept"]);
    drop(store);
}

/// While a round syncs its files, others are created in the directory that it syncs then.
#[test]
fn a_failed_directory_sync_refuses_every_file_it_was_to_cover() {
    let fs = SimFs::new();
    let life = Life::begin(&fs, &Setup::default()).unwrap();
    let mut ledger = Ledger::default();
    fs.set_faults(Faults {
        failing_dir_syncs: [0].into(),
        ..Faults::default()
    });
    let held = fs.hold_syncs();
    let first = life.append(&mut ledger, "a", 10).unwrap();
    held.wait_for_one();
    let second = life.append(&mut ledger, "b", 10).unwrap();
    drop(held);
    assert!(first.wait(&mut ledger).is_none());
    assert!(second.wait(&mut ledger).is_none());
    life.store(&mut ledger, "b", 10).unwrap();
    let image = fs.after_power_cut_leaving(Survivors::Nothing);
    check(&image, &Setup::default(), &ledger, false).unwrap();
}
