//! Random lives: appends, seals, claims, commits, roll-backs, purges, restarts, power cuts and
//! faults in any order, against the ledger as the model.
//!
//! `FOREBAY_MODEL_CASES` sets how many, `FOREBAY_MODEL_SEED` which; a failure prints the seed and
//! the shortest sequence of steps that fails.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::ledger::Ledger;
use super::life::{Life, Pending, Setup};
use super::{BREAKS, Tally, check, number_from_env, two_destinations};
use crate::fs::sim::{Calls, Faults, SimFs, Survivors};
use crate::{RouteOptions, SealReason};

const TAGS: [&str; 3] = ["a", "b", "c"];
const DESTINATIONS: [&str; 2] = ["out", "archive"];

#[derive(Clone, Debug)]
enum Step {
    /// Appends; the receipt is looked at later.
    Append {
        tag: usize,
        len: usize,
    },
    /// Appends several of one key with as few writes as can be.
    AppendRun {
        tag: usize,
        lens: Vec<usize>,
    },
    /// Waits for all receipts, and until all commits are durable.
    Wait,
    Seal,
    /// Delivers one of the chunks; not always is it committed.
    Deliver {
        chunk: usize,
        destination: usize,
        is_committed: bool,
    },
    Purge {
        chunk: usize,
    },
    /// Closes the store and opens it again.
    Reopen,
    /// The process is killed.
    Kill,
    /// The power goes.
    Cut(Survivors),
    /// From now on one kind of call fails, at one place or for ever.
    Fault {
        kind: usize,
        call: u64,
        is_for_ever: bool,
    },
    Heal,
}

fn step() -> impl Strategy<Value = Step> {
    let survivors = prop_oneof![
        Just(Survivors::Nothing),
        Just(Survivors::Entries),
        Just(Survivors::Metadata),
        Just(Survivors::Data),
        any::<u64>().prop_map(Survivors::Random),
    ];
    prop_oneof![
        8 => (0..TAGS.len(), 4..6_000_usize).prop_map(|(tag, len)| Step::Append { tag, len }),
        4 => (0..TAGS.len(), prop::collection::vec(4..2_000_usize, 1..12))
            .prop_map(|(tag, lens)| Step::AppendRun { tag, lens }),
        3 => Just(Step::Wait),
        2 => Just(Step::Seal),
        4 => (0..8_usize, 0..2_usize, prop::bool::weighted(0.8)).prop_map(
            |(chunk, destination, is_committed)| Step::Deliver { chunk, destination, is_committed }
        ),
        1 => (0..8_usize).prop_map(|chunk| Step::Purge { chunk }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        2 => survivors.prop_map(Step::Cut),
        2 => (0..BREAKS.len(), 0..6_u64, any::<bool>())
            .prop_map(|(kind, call, is_for_ever)| Step::Fault { kind, call, is_for_ever }),
        1 => Just(Step::Heal),
    ]
}

/// The store under test and what it has promised.
struct World {
    fs: SimFs,
    life: Option<Life>,
    ledger: Ledger,
    pending: Vec<Pending>,
    setup: Setup,
    images: u64,
}

impl World {
    fn new() -> World {
        let route = RouteOptions {
            chunk_limit_bytes: 9_000,
            ..two_destinations()
        };
        let setup = Setup {
            route,
            open_files_max: 8,
        };
        let fs = SimFs::new();
        World {
            life: Life::begin(&fs, &setup).ok(),
            fs,
            ledger: Ledger::default(),
            pending: Vec::new(),
            setup,
            images: 0,
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Wait => self.wait(),
            Step::Reopen => {
                self.wait();
                self.reopen(self.fs.clone())?;
            }
            Step::Kill => {
                self.look();
                self.reopen(self.fs.after_kill())?;
            }
            Step::Cut(survivors) => self.cut(*survivors)?,
            Step::Fault {
                kind,
                call,
                is_for_ever,
            } => {
                let calls = if *is_for_ever {
                    Calls::from_on(*call)
                } else {
                    Calls::from([*call])
                };
                self.fs.set_faults(BREAKS[*kind].1(calls));
            }
            Step::Heal => self.fs.set_faults(Faults::default()),
            _ => self.live(step),
        }
        Ok(())
    }

    fn live(&mut self, step: &Step) {
        let Some(life) = &self.life else { return };
        match step {
            Step::Append { tag, len } => {
                let pending = life.append(&mut self.ledger, TAGS[*tag], *len);
                self.pending.extend(pending);
            }
            Step::AppendRun { tag, lens } => {
                let pending = life.append_run(&mut self.ledger, TAGS[*tag], lens);
                self.pending.extend(pending);
            }
            Step::Seal => life.seal(SealReason::Age),
            Step::Deliver {
                chunk,
                destination,
                is_committed,
            } => {
                let chunks = life.route.chunks();
                let destination = DESTINATIONS[*destination];
                match chunks.get(*chunk) {
                    Some(chunk) if *is_committed => {
                        life.deliver(&mut self.ledger, chunk, destination);
                    }
                    Some(chunk) => drop(life.claim(&self.ledger, chunk, destination)),
                    None => {}
                }
            }
            Step::Purge { chunk } => {
                if let Some(chunk) = life.route.chunks().get(*chunk) {
                    life.purge(&mut self.ledger, chunk.id);
                }
            }
            _ => {}
        }
    }

    fn wait(&mut self) {
        for pending in self.pending.drain(..) {
            pending.wait(&mut self.ledger);
        }
        if let Some(life) = &self.life {
            life.sync(&mut self.ledger);
        }
    }

    /// Notes which receipts have resolved by now.
    fn look(&mut self) {
        for pending in self.pending.drain(..) {
            pending.look(&mut self.ledger);
        }
    }

    fn cut(&mut self, survivors: Survivors) -> Result<(), String> {
        self.look();
        let image = self.fs.after_power_cut_leaving(survivors);
        self.images += 1;
        check(&image.after_kill(), &self.setup, &self.ledger, false)?;
        self.ledger.power_cut();
        self.reopen(image)
    }

    /// Ends this life; one that cannot begin needs a healthy disk and a cold start.
    fn reopen(&mut self, fs: SimFs) -> Result<(), String> {
        self.life = None;
        self.fs = fs;
        self.life = Life::begin(&self.fs, &self.setup).ok();
        if self.life.is_none() {
            self.fs = self.fs.after_power_cut_leaving(Survivors::Nothing);
            self.ledger.power_cut();
            let life = Life::begin(&self.fs, &self.setup).map_err(|error| error.to_string())?;
            self.life = Some(life);
        }
        Ok(())
    }
}

#[test]
fn random_lives_keep_every_promise() {
    let seed = number_from_env("FOREBAY_MODEL_SEED", 1);
    let cases = number_from_env("FOREBAY_MODEL_CASES", 150);
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    let tally = RefCell::new(Tally::default());
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&prop::collection::vec(step(), 1..60), |steps| {
        let mut world = World::new();
        for step in &steps {
            world.take(step).map_err(TestCaseError::fail)?;
        }
        world.cut(Survivors::Nothing).map_err(TestCaseError::fail)?;
        let mut tally = tally.borrow_mut();
        tally.count(&world.ledger);
        tally.images += world.images;
        Ok(())
    });
    match outcome {
        Ok(()) => tally.borrow().print(&format!("random lives, seed {seed}")),
        Err(TestError::Fail(why, steps)) => {
            panic!("FOREBAY_MODEL_SEED={seed} FOREBAY_MODEL_CASES={cases}: {why}; {steps:#?}")
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}
