//! What the values are read from.

use std::sync::Arc;

use forebay_storage::{Quarantined, StoreStats};
use schemars::JsonSchema;
use serde::Serialize;

use crate::buffer::RouteStats;
use crate::filter::FilterStats;
use crate::flush::DestinationStats;
use crate::input::InputStats;

use super::process::ProcessSample;

/// Everything the metrics show, at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The moment, in Unix nanoseconds.
    pub now_unix_ns: i64,
    /// When the daemon was started, in Unix nanoseconds.
    pub started_unix_ns: i64,
    /// Whether it takes events in and can store them.
    pub is_ready: bool,
    /// Events that no route matched.
    pub events_unmatched: u64,
    /// Inputs.
    pub inputs: Vec<InputSample>,
    /// Filters.
    pub filters: Vec<FilterSample>,
    /// Routes.
    pub routes: Vec<RouteSample>,
    /// The store.
    pub store: StoreStats,
    /// Chunk files that may be open.
    pub open_files_max: u64,
    /// What is in quarantine; `None` if it cannot be listed.
    pub quarantined: Option<Quarantined>,
    /// Damaged pieces of chunks met since the start.
    pub damages: u64,
    /// Happenings that listeners of the API were too slow for.
    pub happenings_missed: u64,
    /// The catalogue.
    pub catalog: CatalogSample,
    /// Bytes free on the file system of the data directory; `None` if it does not say.
    pub disk_free_bytes: Option<u64>,
    /// Bytes of that file system in all.
    pub disk_size_bytes: Option<u64>,
    /// The process.
    pub process: ProcessSample,
    /// Reloads of the configuration.
    pub reloads: ReloadSample,
}

/// One input.
#[derive(Clone, Debug)]
pub struct InputSample {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its counters.
    pub stats: Arc<InputStats>,
}

/// One filter.
#[derive(Clone, Debug)]
pub struct FilterSample {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its counters.
    pub stats: Arc<FilterStats>,
}

/// One route.
#[derive(Clone, Debug)]
pub struct RouteSample {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// What an acknowledgement means: `disk` or `memory`.
    pub durability: &'static str,
    /// Its counters.
    pub stats: Arc<RouteStats>,
    /// Chunks that take appends.
    pub staged: ChunkTotals,
    /// Sealed chunks that wait for a delivery.
    pub queued: ChunkTotals,
    /// Chunks with at least one delivery under way.
    pub in_flight: ChunkTotals,
    /// Dead letters.
    pub dead: ChunkTotals,
    /// Bytes that count toward `total_limit_size`.
    pub used_bytes: u64,
    /// `total_limit_size`.
    pub limit_bytes: u64,
    /// Seconds until it is full if it goes on growing as over the last minute; `None` if it does not
    /// grow.
    pub time_to_full_s: Option<f64>,
    /// `chunk_limit_size`.
    pub chunk_limit_bytes: u64,
    /// Bytes that count toward `dead_letter_limit_size`.
    pub dead_used_bytes: u64,
    /// `dead_letter_limit_size`.
    pub dead_letter_limit_bytes: u64,
    /// Whether the operator has paused it.
    pub is_paused: bool,
    /// Batches that may be remembered; 0 if none are.
    pub remembered_batches_max: u64,
    /// Chunks that the operator holds.
    pub held_chunks: u64,
    /// When the oldest chunk that is not a dead letter was created, in Unix nanoseconds.
    pub oldest_created_unix_ns: Option<i64>,
    /// The route's outputs.
    pub outputs: Vec<DestinationSample>,
}

/// One output of a route.
#[derive(Clone, Debug)]
pub struct DestinationSample {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its counters.
    pub stats: Arc<DestinationStats>,
    /// Deliveries that may be in flight.
    pub in_flight_max: u64,
    /// Whether the operator has paused it, whatever its route is.
    pub is_paused: bool,
    /// Sealed chunks that it has not confirmed.
    pub owed_chunks: u64,
    /// When the oldest of them was sealed, in Unix nanoseconds.
    pub oldest_owed_unix_ns: Option<i64>,
    /// Chunks that were cut up to find the records that it does not take.
    pub bisections: u64,
}

/// How much there is in one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChunkTotals {
    /// Chunks.
    pub chunks: u64,
    /// Events in them.
    pub events: u64,
    /// Bytes of payload in them.
    pub bytes: u64,
}

/// The catalogue.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatalogSample {
    /// Whether updates are kept at all.
    pub is_enabled: bool,
    /// Updates kept.
    pub updates: u64,
    /// Updates lost.
    pub updates_dropped: u64,
}

/// Reloads of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct ReloadSample {
    /// Those that changed what runs, or found nothing to change.
    pub successes: u64,
    /// Those that changed nothing because of an error.
    pub failures: u64,
    /// Whether what runs is what was read last; also before the first reload.
    pub is_last_successful: bool,
    /// When the last that succeeded ended, in Unix nanoseconds.
    pub last_success_unix_ns: Option<i64>,
}

impl Default for ReloadSample {
    fn default() -> Self {
        Self {
            successes: 0,
            failures: 0,
            is_last_successful: true,
            last_success_unix_ns: None,
        }
    }
}
