//! From a request to an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;

use super::body::{self, Bounds};
use super::decode::{Decoding, GROWTH_MAX};
use super::head::Head;
use super::refusal::Refusal;
use crate::buffer::Incoming;
use crate::config::plan::HttpInputPlan;
use crate::event::Timestamp;
use crate::input::InputContext;
use crate::input::memory::{Memory, Share};
use crate::wire::compression::UnpackError;

/// Larger bodies are decoded on a thread of their own: this one takes a quarter of a millisecond.
const DECODED_HERE_SIZE_MAX: usize = 64 * 1024;

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
    _share: Share,
}

pub(super) fn router(context: InputContext, plan: &HttpInputPlan) -> Router {
    let http = Http {
        memory: Memory::new(plan.read_memory_max, &context.stats),
        context,
        plan: plan.clone(),
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
        let bounds = Bounds {
            size: head.size,
            size_max: self.plan.body_size_max,
            patience: self.plan.patience,
        };
        let mut share = self.memory.share();
        let body = body::read(body, bounds, &mut share).await?;
        let payload = self.payload(&head, body, share).await?;
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

    /// The entries in a body, whose memory `share` holds.
    async fn payload(&self, head: &Head, body: Bytes, share: Share) -> Result<Payload, Refusal> {
        let size_max = self.plan.unpacked_size_max;
        let claimed = head
            .codec
            .map_or(body.len(), |codec| codec.claimed_size(&body).min(size_max));
        let arrival = || Timestamp::from_ns(self.context.clock.now().unix_ns);
        let decoding = Decoding {
            codec: head.codec,
            format: head.format,
            time: head.time.unwrap_or_else(arrival),
            unpacked_size_max: claimed,
        };
        match self.decode(decoding, body.clone(), share).await? {
            (Err(Refusal::Packing(UnpackError::TooLarge { .. })), share) if claimed < size_max => {
                let decoding = Decoding {
                    unpacked_size_max: size_max,
                    ..decoding
                };
                let (entries, share) = self.decode(decoding, body, share).await?;
                Ok(Payload::new(entries?, share))
            }
            (entries, share) => Ok(Payload::new(entries?, share)),
        }
    }

    /// Decodes a body; the share holds body and entries then.
    async fn decode(
        &self,
        decoding: Decoding,
        body: Bytes,
        mut share: Share,
    ) -> Result<(Result<Vec<u8>, Refusal>, Share), Refusal> {
        let most = decoding.unpacked_size_max.saturating_mul(1 + GROWTH_MAX);
        body::grow(&mut share, most, self.plan.patience).await?;
        let decode = move || {
            let entries = decoding.entries(&body);
            let kept = entries.as_ref().map_or(0, Vec::capacity);
            share.give_back(most.saturating_sub(kept));
            (entries, share)
        };
        if decoding.unpacked_size_max <= DECODED_HERE_SIZE_MAX {
            return Ok(decode());
        }
        // It goes on, and keeps its share, even if the sender hangs up meanwhile.
        let decoded = tokio::task::spawn_blocking(decode).await;
        decoded.map_err(|_| Refusal::Internal)
    }
}

impl Payload {
    /// The body is gone by now.
    fn new(entries: Vec<u8>, mut share: Share) -> Self {
        share.keep(entries.capacity());
        Self {
            entries,
            _share: share,
        }
    }
}
