//! What a generator sends.

use serde::{Deserialize, Serialize};

use super::batch::EVENT_SIZE;

/// How a batch travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protocol {
    /// PackedForward.
    Forward,
    /// CompressedPackedForward.
    Gzip,
    /// NDJSON in an HTTP request.
    Http,
}

/// What to send, and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// How its batches travel.
    pub(crate) protocol: Protocol,
    /// Connections, each with its own thread.
    pub(crate) connections: u64,
    /// Events in a batch.
    pub(crate) batch_events: u64,
    /// Batches on each connection.
    pub(crate) batches: u64,
    /// Batches sent and not acknowledged, at most, on each connection.
    pub(crate) in_flight_max: u64,
    /// Tags that the batches have in turn.
    pub(crate) tags: u64,
}

impl Work {
    /// Events in all.
    pub(crate) fn events(self) -> u64 {
        self.connections * self.batches * self.batch_events
    }

    /// Bytes of them.
    pub(crate) fn payload_bytes(self) -> u64 {
        self.events() * EVENT_SIZE as u64
    }

    /// The same by the forward protocol, as close as it comes.
    pub(crate) fn for_bare(self) -> Self {
        let protocol = match self.protocol {
            Protocol::Http => Protocol::Forward,
            other => other,
        };
        Self { protocol, ..self }
    }

    /// One event under each of `tags` tags, as fast as it goes.
    pub(crate) fn one_each(tags: u64) -> Self {
        let connections = tags.min(4);
        Self {
            protocol: Protocol::Forward,
            connections,
            batch_events: 1,
            batches: tags.div_ceil(connections.max(1)),
            in_flight_max: 256,
            tags,
        }
    }

    /// About `events` in batches of 1,000 on four connections.
    pub(crate) fn large(events: u64) -> Self {
        Self {
            protocol: Protocol::Forward,
            connections: 4,
            batch_events: 1_000,
            batches: (events / 4_000).max(1),
            in_flight_max: 8,
            tags: 1,
        }
    }
}
