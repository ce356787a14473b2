//! Forebay's store: durable, checksummed chunk files with group commit and recovery.
//!
//! A [`Store`] owns a directory. In it each [`Route`] keeps its events in chunks: files of frames
//! with the same [`ChunkKey`]. [`Route::append`] writes a frame and returns a [`Receipt`] that
//! resolves when the frame, its file and the file's directory entry are synced. A sealed chunk is
//! [claimed](Route::claim) by each of its destinations and purged when all have committed it.
//!
//! What always holds:
//! - No receipt resolves before the sync that covers it.
//! - All truth is in the chunk files; there is no index to keep in step.
//! - A damaged byte costs at most the frame it is in. Damaged bytes are copied to the quarantine
//!   before the file that holds them is removed.
//! - Reading never writes; examining a directory needs no store.
//! - Files, mappings and bytes on disk are bounded.
//!
//! The crate is synchronous, uses no network and no clock: times are parameters, in Unix
//! nanoseconds.
//!
//! # Map
//!
//! | module | job |
//! |---|---|
//! | `layout`, `checksum`, `header`, `meta`, `frame` | the file format, as in `FORMAT.md` |
//! | `head`, `walk`, `reader` | reading a file: pure parsing, then windows |
//! | `fs` | the only way to the disk: real and simulated |
//! | `chunk`, `route`, `claim`, `receipt` | the life of a chunk |
//! | `files`, `space` | bounds: open files, bytes |
//! | `queue`, `committer` | group commit |
//! | `recovery`, `quarantine` | scan, plan, apply; what is set aside |
//! | `store` | the directory, its lock and its thread |

mod checksum;
mod chunk;
mod claim;
mod committer;
mod early_sync;
mod error;
mod files;
mod frame;
pub mod fs;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod head;
mod header;
mod histogram;
mod id;
pub mod key;
mod layout;
mod meta;
mod observer;
mod quarantine;
mod queue;
mod reader;
mod receipt;
pub mod recovery;
mod removals;
mod route;
mod slots;
mod space;
mod stats;
mod store;
mod sync;
mod walk;

pub use claim::{Claim, Committed};
pub use early_sync::EarlySync;
pub use error::{AppendError, ClaimError, OpenError, ReadError, StoreIoError, SyncError};
pub use fs::{Fs, RealFs};
pub use header::{SealReason, SlotState};
pub use histogram::{Distribution, Histogram};
pub use id::{ChunkId, ChunkIdError};
pub use key::{ChunkKey, KeyField, KeyValue, TimeWindow};
pub use layout::MAX_DESTINATIONS;
pub use meta::{ChunkMeta, DeadNote};
pub use observer::{ChunkInfo, DamageReport, Observer, Phase, SlotInfo};
pub use quarantine::Quarantined;
pub use reader::{Frame, Reader, WINDOW_LEN, Window};
pub use receipt::Receipt;
pub use recovery::{Recovered, inspect_dir};
pub use route::{
    Append, Appended, AppendedRun, Durability, Route, RouteOptions, RouteTotals, SeparateChunk,
};
pub use slots::Slots;
pub use stats::StoreStats;
pub use store::{
    DEAD_DIR, LOCK_FILE, MonotonicClock, QUARANTINE_DIR, ROUTES_DIR, Store, StoreOptions,
};
pub use walk::{Damage, DamageKind};

#[cfg(test)]
mod tests;
