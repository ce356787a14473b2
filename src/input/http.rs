//! The HTTP input: `POST /<tag>` with events in the body.
//!
//! The parts of the path are the tag: `/app/web` and `/app.web` are both `app.web`. What the body
//! holds is said by `Content-Type`, how it is packed by `Content-Encoding` (gzip or zstd):
//!
//! | content type | body |
//! |---|---|
//! | `application/json` | an object, or an array of objects |
//! | `application/x-ndjson`, `application/jsonl` | an object a line |
//! | `application/msgpack` | maps, entries `[time, record]`, or arrays of them, back to back |
//! | `application/x-www-form-urlencoded` | one of the above in the field `json` or `msgpack` |
//!
//! Events have the time of `?time=` (seconds since the epoch, with up to nine decimals) or else of
//! their arrival; entries have their own. `Idempotency-Key` is kept with the batch as its id.
//!
//! A body is taken as a whole or not at all: one line that is not JSON, and nothing is stored. What
//! is right as JSON or MessagePack but is no object is set aside as a dead letter by the intake.
//!
//! | status | meaning |
//! |---|---|
//! | 200 | every event is durable; the body counts them |
//! | 400 | the body, the tag or a parameter is malformed; the detail says where |
//! | 405, 408, 413, 415 | wrong method, body too slow, too large, of another type or packing |
//! | 503 | held back for too long, without memory, not stored, or stopping; `Retry-After` says when to try again |
//!
//! A full route is 503 and not 429, whether it made the sender wait first or refused at once:
//! Fluentd's `out_http` gives a chunk up at any status that it was not told to retry, and it is told
//! to retry 503.
//!
//! Bodies, those that arrive and what they become, share `read_memory_max`, as
//! [`memory`](super::memory) says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{InputContext, InputStats, Sockets};
use crate::config::plan::{HttpInputPlan, ServerTls};
use crate::wire::http::{Limits, Server, Watch};
use crate::wire::tls::{Identity, TlsError, server_config};

mod body;
mod decode;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handler;
mod head;
mod refusal;
#[cfg(test)]
mod tests;

/// How long the head of a request may take, and an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// An HTTP input with its socket, bound.
pub struct HttpInput {
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: Option<TlsAcceptor>,
    plan: HttpInputPlan,
}

/// Why an HTTP input cannot be made. An operator must act.
#[derive(Debug, thiserror::Error)]
pub enum HttpInputError {
    /// The address cannot be bound.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl HttpInput {
    /// Reads the certificates and binds the socket; connections wait until [`run`](Self::run).
    ///
    /// # Errors
    /// [`HttpInputError`].
    pub async fn bind(plan: &HttpInputPlan) -> Result<Self, HttpInputError> {
        Self::bind_over(plan, &Sockets::default()).await
    }

    /// The same, but with the socket that is `held` already, if one is.
    ///
    /// # Errors
    /// [`HttpInputError`].
    pub async fn bind_over(plan: &HttpInputPlan, held: &Sockets) -> Result<Self, HttpInputError> {
        let listen = plan.listen;
        let tls = plan.tls.as_ref().map(acceptor).transpose()?;
        let bound = match held.listener() {
            Some(listener) => listener,
            None => TcpListener::bind(listen).await,
        };
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (local_addr, listener) =
            bound.map_err(|source| HttpInputError::Listen { listen, source })?;
        Ok(Self {
            listener,
            local_addr,
            tls,
            plan: plan.clone(),
        })
    }

    /// The address that was bound, with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Another hold of its socket.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn sockets(&self) -> io::Result<Sockets> {
        Sockets::tcp(&self.listener)
    }

    /// Takes events in until the context's stop; returns when all requests under way are answered.
    pub async fn run(self, context: InputContext) {
        let stop = context.stop.clone();
        let server = Server {
            listener: self.listener,
            tls: self.tls,
            limits: Limits {
                connections_max: self.plan.connections_max,
                head_timeout: HEAD_TIMEOUT,
            },
            watch: Arc::new(Connections(Arc::clone(&context.stats))),
        };
        server.run(handler::router(context, &self.plan), stop).await;
    }
}

fn acceptor(tls: &ServerTls) -> Result<TlsAcceptor, TlsError> {
    let identity = Identity {
        cert_path: &tls.cert_path,
        key_path: &tls.key_path,
    };
    let config = server_config(identity, tls.client_ca_path.as_deref())?;
    Ok(TlsAcceptor::from(config))
}

/// Counts connections.
struct Connections(Arc<InputStats>);

impl Watch for Connections {
    fn opened(&self) {
        self.0.connections_open.fetch_add(1, Relaxed);
        self.0.connections_total.fetch_add(1, Relaxed);
    }

    fn closed(&self) {
        self.0.connections_open.fetch_sub(1, Relaxed);
    }

    fn failed(&self) {
        self.0.connections_failed.fetch_add(1, Relaxed);
    }
}
