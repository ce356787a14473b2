//! Holding syncs up, so that a test decides what the next group commit finds, and waiting for them.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Condvar, Mutex, lock, wait, wait_at_most};

#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_shut: bool,
    waiting: usize,
    dir_syncs: u64,
}

impl Gate {
    /// Waits while the gate is shut.
    pub(super) fn pass(&self) {
        let mut state = lock(&self.state);
        state.waiting += 1;
        self.changed.notify_all();
        while state.is_shut {
            state = wait(&self.changed, state);
        }
        state.waiting -= 1;
    }

    /// A directory was synced, or that failed.
    pub(super) fn dir_synced(&self) {
        lock(&self.state).dir_syncs += 1;
        self.changed.notify_all();
    }

    pub(super) fn dir_syncs(&self) -> u64 {
        lock(&self.state).dir_syncs
    }

    /// Whether there are so many syncs of directories before nothing happens for `patience`.
    pub(super) fn wait_for_dir_syncs(&self, count: u64, patience: Duration) -> bool {
        let mut state = lock(&self.state);
        let mut is_over = false;
        while state.dir_syncs < count && !is_over {
            (state, is_over) = wait_at_most(&self.changed, state, patience);
        }
        state.dir_syncs >= count
    }
}

/// While it exists, syncs of files wait.
#[derive(Debug)]
pub struct HeldSyncs(Arc<Gate>);

impl HeldSyncs {
    pub(super) fn new(gate: &Arc<Gate>) -> HeldSyncs {
        lock(&gate.state).is_shut = true;
        HeldSyncs(Arc::clone(gate))
    }

    /// Blocks until a sync waits.
    pub fn wait_for_one(&self) {
        let mut state = lock(&self.0.state);
        while state.waiting == 0 {
            state = wait(&self.0.changed, state);
        }
    }
}

impl Drop for HeldSyncs {
    fn drop(&mut self) {
        lock(&self.0.state).is_shut = false;
        self.0.changed.notify_all();
    }
}
