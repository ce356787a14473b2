//! Holding syncs up, so that a test decides what the next group commit finds.

use std::sync::Arc;

use crate::sync::{Condvar, Mutex, lock, wait};

#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_shut: bool,
    waiting: usize,
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
