//! The bounds of a route's dead letters: by size, and by age.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forebay_storage::{ChunkId, ChunkInfo, Route};

use super::{Evict, RouteStats};

/// Deletes a route's oldest dead letters, and counts them.
#[derive(Debug)]
pub struct DeadLetterBounds {
    /// The dead letters.
    pub dead_letters: Route,
    /// Where they are counted.
    pub stats: Arc<RouteStats>,
}

impl DeadLetterBounds {
    /// Deletes the oldest that is not one of `spare`; false if there is none.
    pub fn evict_oldest(&self, spare: &BTreeSet<ChunkId>) -> bool {
        let chunks = self.dead_letters.chunks();
        let Some(oldest) = chunks.iter().find(|chunk| !spare.contains(&chunk.id)) else {
            return false;
        };
        // Somebody else may have deleted it meanwhile, which makes room as well.
        if let Some(gone) = self.dead_letters.purge(oldest.id) {
            let counts = &self.stats.dead_dropped_for_room;
            counts.count(gone.event_count, gone.payload_bytes);
            self.log(&gone, "dropped the oldest dead letter to make room");
        }
        true
    }

    /// Deletes those that were made more than `age_max` before `now_ns`; returns when the oldest of
    /// the others was made.
    pub fn expire(&self, now_ns: i64, age_max: Duration) -> Option<i64> {
        let age_max_ns = i64::try_from(age_max.as_nanos()).unwrap_or(i64::MAX);
        for chunk in self.dead_letters.chunks() {
            if now_ns.saturating_sub(chunk.created_ns) < age_max_ns {
                return Some(chunk.created_ns);
            }
            if let Some(gone) = self.dead_letters.purge(chunk.id) {
                let counts = &self.stats.dead_dropped_for_age;
                counts.count(gone.event_count, gone.payload_bytes);
                self.log(&gone, "dropped a dead letter for its age");
            }
        }
        None
    }

    fn log(&self, gone: &ChunkInfo, what: &str) {
        tracing::warn!(
            route = self.dead_letters.name(), chunk = %gone.id, events = gone.event_count, "{what}"
        );
    }
}

impl Evict for DeadLetterBounds {
    fn evict_oldest(&self) -> bool {
        self.evict_oldest(&BTreeSet::new())
    }
}
