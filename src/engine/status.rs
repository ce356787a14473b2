//! What the engine tells about itself: the types of the admin API, and the trait that gives them.
//!
//! Names in the JSON are the field names here. Moments are RFC 3339 in UTC with nanoseconds, sizes
//! are bytes of payload unless they say otherwise, durations are seconds. Fields are added, never
//! renamed.

use schemars::JsonSchema;
use serde::Serialize;

mod chunk;
mod cursor;
mod event;
mod file;
mod moment;
mod query;

pub use chunk::{ChunkPage, ChunkReport, ChunkState, Delivering, Progress};
pub use chunk::{FieldReport, KeyReport, WindowReport};
pub use cursor::{CursorError, EventCursor};
pub use event::{EventPage, EventReport};
pub use file::{ExportFormat, ExportPart, QuarantinePage, QuarantineReport, QuarantineTotals};
pub use moment::Moment;
pub use query::{ChunkOrder, ChunkQuery, EventQuery, FieldQuery, FieldQueryError};

pub use crate::metrics::ChunkTotals;

/// Looks into the engine. All calls but [`health`](Self::health) may read from the disk and block:
/// the admin API makes them off the runtime's own threads.
pub trait Inspect: Send + Sync + 'static {
    /// Whether the daemon does its work. Never blocks, so that it is answered on a bad day too.
    fn health(&self) -> Health;

    /// Everything but the chunks.
    fn status(&self) -> Status;

    /// The routes in the order of the configuration.
    fn routes(&self) -> Vec<RouteReport>;

    /// A page of a route's chunks by id, which is by the time they were created; `None` if there
    /// is no such route.
    fn chunks(&self, route: &str, query: &ChunkQuery) -> Option<ChunkPage>;

    /// One chunk by the text of its id, in whatever state; `None` if there is none.
    fn chunk(&self, id: &str) -> Option<ChunkReport>;

    /// A page of a chunk's events in the order they were stored: at most `query.limit`, and fewer
    /// when they are large or much is to be looked through. `None` if there is no such chunk.
    ///
    /// # Errors
    /// [`Unreadable`] if the chunk's file cannot be read.
    fn events(&self, id: &str, query: &EventQuery) -> Result<Option<EventPage>, Unreadable>;

    /// The next part of all of a chunk's events, from `from` on. `None` if there is no such chunk.
    ///
    /// # Errors
    /// As [`events`](Self::events).
    fn export(
        &self,
        id: &str,
        from: EventCursor,
        format: ExportFormat,
    ) -> Result<Option<ExportPart>, Unreadable>;

    /// The next part of a chunk's file as it is on the disk, from `offset` on; empty at its end.
    /// `None` if there is no such chunk.
    ///
    /// # Errors
    /// As [`events`](Self::events).
    fn raw(&self, id: &str, offset: u64) -> Result<Option<Vec<u8>>, Unreadable>;

    /// A page of what the quarantine holds, by name: at most `limit` files after the name `after`.
    ///
    /// # Errors
    /// [`Unreadable`] if its directory cannot be read.
    fn quarantine(&self, after: Option<&str>, limit: usize) -> Result<QuarantinePage, Unreadable>;

    /// All metrics in Prometheus' text format.
    fn metrics_text(&self) -> String;
}

/// Something is there but cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {reason}")]
pub struct Unreadable {
    /// `chunk` and its id, or `quarantine`.
    pub what: String,
    /// The store's or the system's error.
    pub reason: String,
}

/// Whether the daemon does its work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Health {
    /// The process is in order; if not, only a restart helps.
    pub live: bool,
    /// Every input takes events in and every route can store them.
    pub ready: bool,
    /// Why it is not ready or not live, or what is degraded; one line each.
    pub reasons: Vec<String>,
}

/// How far the daemon is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnginePhase {
    /// What is on disk is recovered; nothing is taken in yet.
    Starting,
    /// Events are taken in and delivered.
    Running,
    /// Nothing is taken in any more.
    Stopping,
}

/// The daemon as a whole.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Status {
    /// The program's version.
    pub version: &'static str,
    /// How far it is in its life.
    pub phase: EnginePhase,
    /// When it was started.
    pub started: Moment,
    /// How long it has been running.
    pub uptime_s: f64,
    /// Whether it does its work.
    pub health: Health,
    /// Inputs by name.
    pub inputs: Vec<InputReport>,
    /// Filters in the order of the configuration.
    pub filters: Vec<FilterReport>,
    /// Routes in the order of the configuration.
    pub routes: Vec<RouteReport>,
}

/// One input.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct InputReport {
    /// Its name in the configuration.
    pub name: String,
    /// Its type, e.g. `forward`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The address it listens on, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Connections open now.
    pub connections_open: u64,
    /// Connections that may be open.
    pub connections_max: u64,
    /// Connections accepted since the start.
    pub connections_total: u64,
    /// Connections closed because of what came over them.
    pub connections_failed: u64,
    /// Bytes of memory taken for what is being read and unpacked.
    pub read_memory: u64,
    /// Bytes that may be taken for it; one message at a time may go beyond.
    pub read_memory_max: u64,
    /// Batches taken in since the start.
    pub batches: u64,
    /// Events taken in since the start.
    pub events: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// Batches refused to the sender.
    pub batches_refused: u64,
    /// Reads that failed.
    pub reads_failed: u64,
    /// Whether a read takes longer than it may.
    pub stuck: bool,
    /// Events whose bytes could not be decoded; set aside.
    pub undecoded: u64,
    /// Events that asked for a decoder that is not there; set aside.
    pub unknown_decoders: u64,
}

/// One filter; counted since the start.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FilterReport {
    /// Its name in the configuration.
    pub name: String,
    /// Its type, e.g. `grep`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Events that came to it.
    pub events: u64,
    /// Events that it blocked.
    pub blocked: u64,
    /// Events that it failed on and that went on unchanged.
    pub failed_kept: u64,
    /// Events that it failed on and that went on with another tag.
    pub failed_tagged: u64,
    /// Events that it failed on and that went to the dead letters.
    pub failed_dead: u64,
    /// Events that it injected.
    pub injected: u64,
}

/// One route.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RouteReport {
    /// Its name in the configuration.
    pub name: String,
    /// The patterns of the tags it takes, as written.
    #[serde(rename = "match")]
    pub patterns: String,
    /// What an acknowledgement means on this route: `disk` or `memory`.
    pub durability: &'static str,
    /// What happens to a sender when the route is full: `block`, `reject` or `drop_oldest_chunk`.
    pub overflow: &'static str,
    /// Its bounds.
    pub limits: Limits,
    /// Chunks that take appends.
    pub staged: ChunkTotals,
    /// Sealed chunks that wait for a delivery.
    pub queued: ChunkTotals,
    /// Chunks with at least one delivery under way.
    pub in_flight: ChunkTotals,
    /// Dead letters.
    pub dead: ChunkTotals,
    /// What was damaged and set aside, of all runs, also of its dead letters; `null` if it cannot be
    /// listed.
    pub quarantined: Option<QuarantineTotals>,
    /// When the oldest chunk that is not a dead letter was created.
    pub oldest_chunk_created: Option<Moment>,
    /// Senders held back now.
    pub senders_waiting: u64,
    /// Whether the operator has stopped its deliveries.
    pub paused: bool,
    /// Bytes of its files that count toward `total_limit_size`.
    pub used_bytes: u64,
    /// Events a second that it has stored, over the last minute, or since somebody last asked if
    /// that is longer ago.
    pub rate_in: f64,
    /// Events a second that the slowest of its outputs has confirmed, over the same time.
    pub rate_out: f64,
    /// Seconds until it is full if it goes on growing as over that time; `null` if it does not
    /// grow.
    pub time_to_full_s: Option<f64>,
    /// Seconds until nothing waits if it goes on like that; `null` if it does not get there.
    pub time_to_empty_s: Option<f64>,
    /// Its outputs, in the order of the configuration.
    pub outputs: Vec<DestinationReport>,
}

/// A route's bounds, in bytes on disk except for `chunk_limit_size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Limits {
    /// Most bytes of payload in one chunk.
    pub chunk_limit_size: u64,
    /// Most bytes of the route.
    pub total_limit_size: u64,
    /// Most bytes of its dead letters.
    pub dead_letter_limit_size: u64,
}

/// One output of a route.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DestinationReport {
    /// The output's name in the configuration.
    pub name: String,
    /// Sealed chunks that it has not confirmed.
    pub owed_chunks: u64,
    /// When the oldest chunk that it has not confirmed was created.
    pub oldest_owed: Option<Moment>,
    /// Deliveries under way.
    pub in_flight: u64,
    /// Whether the operator has stopped deliveries to it, whatever the route is.
    pub paused: bool,
    /// Events a second that it has confirmed, over the same time as its route's.
    pub rate: f64,
    /// Whether the destination counts as down and is only probed.
    pub breaker_is_open: bool,
    /// When it is tried next, if it is waiting.
    pub next_attempt: Option<Moment>,
    /// Chunks confirmed since the start.
    pub chunks_delivered: u64,
    /// Events in them.
    pub events_delivered: u64,
    /// Deliveries started.
    pub attempts: u64,
    /// Those that were not a chunk's first.
    pub retries: u64,
    /// Chunks given up.
    pub chunks_rejected: u64,
    /// When a chunk was last confirmed.
    pub last_success: Option<Moment>,
    /// When an attempt last failed.
    pub last_failure: Option<Moment>,
    /// How it failed, in one line.
    pub last_error: Option<String>,
}
