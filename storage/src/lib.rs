//! Forebay's store: durable, checksummed chunk files with group commit and recovery.
pub mod key;
pub use key::{ChunkKey, KeyField, KeyValue, TimeWindow};
