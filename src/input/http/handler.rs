//! From a request to an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;

use super::body;
use super::decode::{Decoding, GROWTH_MAX};
use super::head::Head;
use super::memory::{Memory, Reserved};
use super::refusal::Refusal;
use crate::buffer::Incoming;
use crate::config::plan::HttpInputPlan;
use crate::event::Timestamp;
use crate::input::InputContext;
use crate::wire::compression::UnpackError;

/// Larger bodies are decoded on a thread of their own: this one takes a quarter of a millisecond.
const DECODED_HERE_SIZE_MAX: usize = 64 * 1024;

/// By how much logs shrink at most, when they are packed in the usual way. A body that shrank by
/// more is unpacked a second time.
const PACKING_USUAL: usize = 16;

struct Http {
    context: InputContext,
    plan: HttpInputPlan,
    memory: Memory,
}

/// What the answer says about a batch that was taken.
#[derive(Serialize)]
struct Taken {
    /// Events stored.
    events: u64,
    /// Entries that are no event, or that no chunk can hold, kept as dead letters.
    set_aside: u64,
}

/// Entries with the memory that they take.
struct Payload {
    entries: Vec<u8>,
    _reserved: Reserved,
}

pub(super) fn router(context: InputContext, plan: &HttpInputPlan) -> Router {
    let http = Http {
        context,
        plan: plan.clone(),
        memory: Memory::for_bodies_of(plan.unpacked_size_max),
    };
    Router::new().fallback(answer).with_state(Arc::new(http))
}

async fn answer(State(http): State<Arc<Http>>, request: Request) -> Response {
    match http.take(request).await {
        Ok(taken) => Json(taken).into_response(),
        Err(refusal) => {
            let stats = &http.context.stats;
            stats.batches_refused.fetch_add(1, Relaxed);
            tracing::debug!(input = &*http.context.name, %refusal, "request refused");
            refusal.into_response()
        }
    }
}

impl Http {
    /// Takes a request's events in; returns when they are durable.
    async fn take(&self, request: Request) -> Result<Taken, Refusal> {
        let (parts, body) = request.into_parts();
        let head = match Head::parse(&parts) {
            Ok(head) => head,
            Err(refusal) => {
                body::discard(body).await;
                return Err(refusal);
            }
        };
        let body = body::read(body, head.size, self.plan.body_size_max).await?;
        let payload = self.payload(&head, body).await?;
        self.store(&head, &payload.entries).await
    }

    async fn store(&self, head: &Head, entries: &[u8]) -> Result<Taken, Refusal> {
        let mut taken = Taken {
            events: 0,
            set_aside: 0,
        };
        if entries.is_empty() {
            return Ok(taken);
        }
        let batch = Incoming {
            tag: &head.tag,
            payload: entries,
            batch_id: &head.batch_id,
            patience: Some(self.plan.patience),
        };
        let pending = self.context.intake.accept(batch).await?;
        taken.events = pending.event_count;
        taken.set_aside = pending.set_aside_count;
        pending.durable().await?;
        self.count(&taken, entries.len());
        Ok(taken)
    }

    fn count(&self, taken: &Taken, size: usize) {
        let stats = &self.context.stats;
        stats.batches.fetch_add(1, Relaxed);
        stats.events.fetch_add(taken.events, Relaxed);
        stats.bytes.fetch_add(size as u64, Relaxed);
    }

    /// The entries in a body.
    async fn payload(&self, head: &Head, body: Bytes) -> Result<Payload, Refusal> {
        let size_max = self.plan.unpacked_size_max;
        let usual = body.len().saturating_mul(PACKING_USUAL).min(size_max);
        let arrival = || Timestamp::from_ns(self.context.clock.now().unix_ns);
        let decoding = Decoding {
            codec: head.codec,
            format: head.format,
            time: head.time.unwrap_or_else(arrival),
            unpacked_size_max: usual,
        };
        match self.decode(decoding, body.clone()).await {
            Err(Refusal::Packing(UnpackError::TooLarge { .. })) if usual < size_max => {
                let unusual = Decoding {
                    unpacked_size_max: size_max,
                    ..decoding
                };
                self.decode(unusual, body).await
            }
            decoded => decoded,
        }
    }

    async fn decode(&self, decoding: Decoding, body: Bytes) -> Result<Payload, Refusal> {
        let unpacked_size = match decoding.codec {
            None => body.len(),
            Some(_) => decoding.unpacked_size_max,
        };
        let most = unpacked_size.saturating_mul(1 + GROWTH_MAX);
        let reserved = self.memory.reserve(most).await;
        let decode = move || {
            decoding
                .entries(&body)
                .map(|entries| Payload::new(entries, reserved))
        };
        if unpacked_size <= DECODED_HERE_SIZE_MAX {
            return decode();
        }
        // It goes on, and keeps what it reserved, even if the sender hangs up meanwhile.
        let decoded = tokio::task::spawn_blocking(decode).await;
        decoded.map_err(|_| Refusal::Internal)?
    }
}

impl Payload {
    fn new(entries: Vec<u8>, mut reserved: Reserved) -> Self {
        reserved.shrink(entries.capacity());
        Self {
            entries,
            _reserved: reserved,
        }
    }
}
