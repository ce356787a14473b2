//! What the daemon holds of a route for as long as it lives: its chunks, its counters and who waits
//! for it. Settings come and go; a route that the configuration does not name any more keeps it all,
//! and has it again when it comes back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use forebay_storage::Route;

use super::observe::DeadLetterState;
use super::route::{LastError, lock};
use super::seat::Seat;
use crate::buffer::{Repeats, Room, RouteStats};
use crate::config::plan::DeduplicatePlan;
use crate::flush::DestinationStats;

/// A route's chunks and what goes with them.
pub(super) struct Holding {
    pub(super) chunks: Route,
    pub(super) dead_letters: Route,
    pub(super) seat: Arc<Seat>,
    pub(super) room: Arc<Room>,
    pub(super) dead_room: Arc<Room>,
    /// How long batches are remembered, and what remembers them.
    pub(super) deduplicate: Option<DeduplicatePlan>,
    pub(super) repeats: Option<Arc<Repeats>>,
    pub(super) stats: Arc<RouteStats>,
    tallies: Mutex<HashMap<String, Tally>>,
}

/// What is counted of an output of the route.
#[derive(Clone, Default)]
pub(super) struct Tally {
    pub(super) stats: Arc<DestinationStats>,
    pub(super) last_error: LastError,
}

impl Holding {
    pub(super) fn new(
        chunks: Route,
        dead_letters: Route,
        seat: Arc<Seat>,
        dead: &DeadLetterState,
        deduplicate: Option<DeduplicatePlan>,
    ) -> Self {
        let state = seat.now();
        Self {
            chunks,
            dead_letters,
            room: Arc::clone(&state.room),
            dead_room: Arc::clone(&dead.room),
            deduplicate,
            repeats: state.repeats.clone(),
            seat,
            stats: Arc::default(),
            tallies: Mutex::default(),
        }
    }

    /// What is counted of the output `name`, now and before.
    pub(super) fn tally(&self, name: &str) -> Tally {
        let mut tallies = lock(&self.tallies);
        tallies.entry(name.to_owned()).or_default().clone()
    }

    /// The configuration names the route no more: who waits for room in it waits for nothing.
    pub(super) fn abandon(&self) {
        self.room.close();
        self.dead_room.close();
    }

    /// The route is back, or has other limits: who waits for room looks again.
    pub(super) fn take_up(&self) {
        self.room.reopen();
        self.dead_room.reopen();
        self.room.freed();
        self.dead_room.freed();
    }
}
