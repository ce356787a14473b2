//! The output to HTTP servers: one request a chunk, or one a batch if it is driven direct.
//!
//! Each request carries the header `Idempotency-Key` with the chunk's id in hexadecimal. It is the
//! same for every attempt at the chunk, also after a restart, so that a server can recognise what
//! it has taken already.
//!
//! A small chunk is sent with its length; a larger one is encoded while it is sent, so that memory
//! does not depend on its size. Nothing but a 2xx answer to the *whole* body is a delivery.
//! Redirections are not followed: where data goes is the configuration's to say.
//!
//! | answer | what happens |
//! |---|---|
//! | 2xx | delivered |
//! | 3xx, 401, 407, 408, 421, 426, 429, 502, 503, 504, 511 | kept; the destination is probed with one chunk until it answers otherwise |
//! | 402, 403, 404, 405, 409, 410, 423, 425, any other 5xx | kept; this chunk is tried again, others go on |
//! | any other, e.g. 400, 413, 422 | what it is about is looked for and goes to the last resort; the rest is delivered |
//!
//! `Retry-After` is kept to. Retries end as the route's retry settings say.

use std::io;

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Body, Method, RequestBuilder, Url};

use super::encode::{ChunkEncoder, EncodeError, Format};
use super::{
    BoxFuture, Buffered, Chunk, Direct, Events, Failure, FailureScope, Lifecycle, Outcome,
};
use crate::config::plan::{HttpMethod, HttpOutputPlan};
use crate::placeholder::Template;
use crate::wire::tls::TlsError;

mod address;
mod answer;
mod body;
mod client;
mod failure;
mod headers;
mod retry_after;
mod tls;

#[cfg(test)]
mod tests;

use answer::Answer;
use body::Written;
pub(crate) use client::client;

/// The header by which a server recognises a chunk that it has taken already.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Up to this many bytes of payload, a body is made before it is sent. JSON can be several times
/// as long, and as many bodies are in memory as deliveries are in flight.
const WHOLE_BODY_PAYLOAD_MAX: u64 = 256 << 10;

/// Why an HTTP output cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing can be sent to the configured address.
    #[error("the address cannot be used: {problem}")]
    Address {
        /// What is wrong with it. The address itself is not told: it may hold a password.
        problem: String,
    },
    /// The TLS settings cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A configured header cannot be sent.
    #[error("cannot send header {name:?}: {problem}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The HTTP client refuses its settings.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Sends each chunk as the body of one request.
pub struct HttpOutput {
    client: reqwest::Client,
    url: Template,
    method: Method,
    headers: HeaderMap,
    encoder: ChunkEncoder,
}

impl HttpOutput {
    /// An output as planned. Connects to nothing yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(plan: &HttpOutputPlan) -> Result<Self, OpenError> {
        address::check(&plan.url)?;
        Ok(Self {
            client: client::build(plan)?,
            url: plan.url.clone(),
            method: match plan.method {
                HttpMethod::Post => Method::POST,
                HttpMethod::Put => Method::PUT,
            },
            headers: headers::of(plan)?,
            encoder: ChunkEncoder {
                format: Format::of_body(plan.format),
                compression: plan.compress,
            },
        })
    }

    async fn send(&self, chunk: &Chunk) -> Outcome {
        let url = match address::of(&self.url, chunk) {
            Ok(url) => url,
            Err(reason) => return Outcome::Reject { reason },
        };
        if chunk.payload_len() <= WHOLE_BODY_PAYLOAD_MAX {
            self.send_whole(url, chunk).await
        } else {
            self.send_streamed(url, chunk).await
        }
    }

    /// One request for a batch that nobody has stored. It has no `Idempotency-Key`: the same events
    /// may well come twice.
    async fn send_events(&self, events: &Events) -> Outcome {
        let url = match address::of_tag(&self.url, events.tag()) {
            Ok(url) => url,
            Err(reason) => return Outcome::Reject { reason },
        };
        let (encoder, source) = (self.encoder.clone(), events.clone());
        let encoded =
            tokio::task::spawn_blocking(move || encoder.encode_events(&source, Vec::new()));
        match encoded.await {
            Ok(Ok(body)) => ask(self.to(url).body(body)).await,
            Ok(Err(error)) => error.outcome(cannot_be_made),
            Err(panic) => cannot_be_made(&io::Error::other(panic)),
        }
    }

    async fn send_whole(&self, url: Url, chunk: &Chunk) -> Outcome {
        let (encoder, source) = (self.encoder.clone(), chunk.clone());
        let encoded = tokio::task::spawn_blocking(move || encoder.encode(&source, Vec::new()));
        match encoded.await {
            Ok(Ok(body)) => self.request(url, chunk, body.into()).await,
            Ok(Err(error)) => error.outcome(cannot_be_made),
            Err(panic) => cannot_be_made(&io::Error::other(panic)),
        }
    }

    async fn send_streamed(&self, url: Url, chunk: &Chunk) -> Outcome {
        let (encoder, source) = (self.encoder.clone(), chunk.clone());
        let (body, written) =
            body::streamed(move |writer| encoder.encode(&source, writer).map(drop));
        let outcome = self.request(url, chunk, body).await;
        judge_streamed(outcome, written)
    }

    async fn request(&self, url: Url, chunk: &Chunk, body: Body) -> Outcome {
        let id = chunk.send_id().to_string();
        ask(self.to(url).header(IDEMPOTENCY_KEY, id).body(body)).await
    }

    fn to(&self, url: Url) -> RequestBuilder {
        let request = self.client.request(self.method.clone(), url);
        request.headers(self.headers.clone())
    }
}

/// Sends `request`, and says what the answer means for what is in it.
pub(crate) async fn ask(request: RequestBuilder) -> Outcome {
    match request.send().await {
        Ok(response) => Answer::read(response).await.outcome(),
        Err(error) => Outcome::Retry(failure::of(error)),
    }
}

impl Lifecycle for HttpOutput {}

impl Buffered for HttpOutput {
    fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send(chunk))
    }
}

impl Direct for HttpOutput {
    fn process<'a>(&'a self, events: &'a Events) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send_events(events))
    }
}

/// What a streamed request came to, once it is known how the making of its body ended.
///
/// If the body could not be made, that is the reason for whatever the server or the client said.
/// If it was not sent to its end, a success is about part of the chunk only.
fn judge_streamed(outcome: Outcome, mut written: Written<EncodeError>) -> Outcome {
    match (outcome, written.result()) {
        (_, Some(Err(error @ (EncodeError::Read(_) | EncodeError::Entry { .. })))) => {
            error.outcome(cannot_be_made)
        }
        (Outcome::Delivered, Some(Ok(()))) => Outcome::Delivered,
        (Outcome::Delivered, _) => Outcome::Retry(Failure::new(
            FailureScope::Chunk,
            "the server answered before it had the whole body",
        )),
        (outcome, _) => outcome,
    }
}

fn cannot_be_made(error: &io::Error) -> Outcome {
    let reason = format!("the body could not be made: {error}");
    Outcome::Retry(Failure::new(FailureScope::Chunk, reason))
}
