//! Batches that go to outputs at once, without a buffer.
//!
//! The sender waits: its batch is acknowledged when every direct output of the route has taken it,
//! and everything else of it is durable. Nothing is kept for a direct output that does not take a
//! batch: the sender is refused, and has it still. A repeat is sent again, known or not, because
//! this may be what the refusal was for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::route_buffer::unhurried;
use super::{Incoming, Refused, malformed};
use crate::event::{self, Limits, Timestamp};

/// What the end of a batch's way to a direct output is.
pub type Passing = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send>>;

/// Sends batches at once: the engine's way to one direct output of a route.
pub trait PassOn: Send + Sync {
    /// Begins to send the entries of a batch of `tag`; resolves when they are taken.
    fn pass_on(&self, tag: &str, payload: Bytes, event_count: u64) -> Passing;
}

/// The direct outputs of a route.
pub type Direct = Vec<Arc<dyn PassOn>>;

/// Begins to send what of a batch is events to each of `outputs`.
pub(super) fn pass_on(
    outputs: &[Arc<dyn PassOn>],
    batch: Incoming<'_>,
    now: Timestamp,
    limits: Limits,
) -> Result<Vec<Passing>, Refused> {
    if outputs.is_empty() {
        return Ok(Vec::new());
    }
    let checked = unhurried(batch.payload.len(), || event::check(batch.payload))
        .map_err(|error| malformed(&error, batch.payload))?;
    let (payload, event_count) = if checked.all_plain {
        (Bytes::copy_from_slice(batch.payload), checked.event_count)
    } else {
        let normalized = unhurried(batch.payload.len(), || {
            event::normalize(batch.payload, now, limits)
        });
        let event_count = normalized.checked.event_count;
        (Bytes::from(normalized.payload), event_count)
    };
    if event_count == 0 {
        return Ok(Vec::new());
    }
    let pass_on =
        |output: &Arc<dyn PassOn>| output.pass_on(batch.tag, payload.clone(), event_count);
    Ok(outputs.iter().map(pass_on).collect())
}

/// Waits for all; what one of them does not take does not call off the others.
pub(super) async fn passed(passing: Vec<Passing>) -> Result<(), Refused> {
    let ended = futures_util::future::join_all(passing).await;
    ended.into_iter().collect()
}
