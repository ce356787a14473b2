//! What an output's connections need of its configuration.

use std::sync::Arc;
use std::time::Duration;

use super::message::Encoder;
use crate::clock::Clock;
use crate::config::plan::{Compression, ForwardOutputPlan};
use crate::output::Chunk;
use crate::placeholder::Template;
use crate::wire::compression::Codec;

/// What an output's connections need of its configuration.
pub(super) struct Settings {
    /// The output's name in the configuration, for logs.
    pub(super) name: Arc<str>,
    /// Time.
    pub(super) clock: Clock,
    /// How long the server may take to read what we send.
    pub(super) send_timeout: Duration,
    /// How long an acknowledgement may take after the chunk is wholly written.
    pub(super) ack_timeout: Duration,
    require_ack: bool,
    codec: Option<Codec>,
    tag: Option<Template>,
}

impl Settings {
    /// The settings of `plan` for the output called `name`.
    pub(super) fn new(name: &str, plan: &ForwardOutputPlan, clock: Clock) -> Self {
        Self {
            name: Arc::from(name),
            clock,
            send_timeout: plan.send_timeout,
            ack_timeout: plan.ack_timeout,
            require_ack: plan.require_ack,
            codec: match plan.compress {
                Compression::None => None,
                Compression::Gzip => Some(Codec::Gzip),
                Compression::Zstd => Some(Codec::Zstd),
            },
            tag: plan.tag.clone(),
        }
    }

    /// An encoder for the messages of `chunk`.
    pub(super) fn encoder(&self, chunk: &Chunk) -> Encoder {
        let tag = self.tag.as_ref();
        let tag = tag.map(|tag| tag.render(chunk.key(), chunk.id(), chunk.zone()));
        Encoder::new(chunk.send_id(), tag, self.codec, self.require_ack)
    }
}
