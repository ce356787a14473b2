//! Inputs: what takes events in and hands them to the intake.
//!
//! An input binds its socket when it is made, so that a wrong address stops the start, and serves
//! until it is told to stop. It acknowledges a batch only when the intake's receipt has resolved.

pub mod dummy;
pub mod forward;
pub mod http;
pub mod internal;
mod memory;
pub mod pull;
mod sockets;
pub mod stdin;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio_util::sync::CancellationToken;

use crate::buffer::Intake;
use crate::clock::Clock;

pub use sockets::Sockets;

/// What the engine gives an input to work with.
#[derive(Clone)]
pub struct InputContext {
    /// The input's name in the configuration, for logs.
    pub name: Arc<str>,
    /// Where batches go.
    pub intake: Intake,
    /// The input's counters.
    pub stats: Arc<InputStats>,
    /// Cancelled when the input is to stop: no new connection, no new batch; what was taken in is
    /// still acknowledged.
    pub stop: CancellationToken,
    /// Time.
    pub clock: Clock,
}

/// What an input counts; read by the metrics and the status page.
#[derive(Debug, Default)]
pub struct InputStats {
    /// Connections open now.
    pub connections_open: AtomicU64,
    /// Most connections open at a time.
    pub connections_max: AtomicU64,
    /// Connections accepted since the start.
    pub connections_total: AtomicU64,
    /// Connections closed because of what came over them (malformed, too large, not authorised).
    pub connections_failed: AtomicU64,
    /// Bytes of memory taken for what is being read, beyond what each connection has for itself.
    pub read_memory: AtomicU64,
    /// What `read_memory` is bounded by, except for one message at a time.
    pub read_memory_max: AtomicU64,
    /// Events acknowledged, or taken in where the sender asked for no acknowledgement.
    pub events: AtomicU64,
    /// Bytes of payload of those events, unpacked.
    pub bytes: AtomicU64,
    /// Batches taken in.
    pub batches: AtomicU64,
    /// Batches refused to the sender (held back, malformed, too large, not stored).
    pub batches_refused: AtomicU64,
    /// Reads that failed, of inputs that are [read](pull::Input).
    pub reads_failed: AtomicU64,
    /// 1 while a read takes longer than it may.
    pub stuck: AtomicU64,
    /// Events whose bytes the decoder could not decode; set aside.
    pub undecoded: AtomicU64,
    /// Events that asked for a decoder that is not there; set aside.
    pub unknown_decoders: AtomicU64,
}
