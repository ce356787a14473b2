//! The admin API: health, metrics, and a look at what is on disk.
//!
//! | path | answer |
//! |---|---|
//! | `/healthz` | 200 as long as the process is in order, else 503 |
//! | `/readyz` | 200 if events are taken in and stored, else 503 with the reasons |
//! | `/metrics` | Prometheus' text format |
//! | `/api/v1/status` | everything but the chunks |
//! | `/api/v1/routes` | the routes with their buffers and outputs |
//! | `/api/v1/routes/{route}/chunks` | a page of chunks; `state`, `limit` (at most 1,000), `cursor` |
//! | `/api/v1/chunks/{id}` | one chunk |
//! | `/api/v1/chunks/{id}/events` | a page of its events; `limit`, `cursor` |
//!
//! Everything only reads. Errors are problem details (RFC 9457). A page's `next` is the `cursor` of
//! the next page; where it is `null` the page is the last one.
//!
//! The API asks for no password, which is why it listens on the loopback address unless told
//! otherwise: whoever reaches it can read every event on disk. A browser on the same machine
//! could be made to reach it by a name that resolves to the loopback address (DNS rebinding), so
//! requests that name a host other than an address of this server are refused.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::engine::status::Inspect;
use crate::wire::http::{Limits, Server};

mod handlers;
mod host;
mod query;
#[cfg(test)]
mod tests;

/// Most connections at a time: some scrapers, some people.
const CONNECTIONS_MAX: usize = 16;

/// How long a request's head may take, and an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The admin API's socket, bound.
pub struct AdminServer {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl AdminServer {
    /// Binds the socket; connections wait until [`run`](Self::run).
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let local_addr = listener.local_addr()?;
        Ok(Self {
            listener,
            local_addr,
        })
    }

    /// The address that was bound, with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers requests until `stop`.
    pub async fn run(self, inspect: Arc<dyn Inspect>, stop: CancellationToken) {
        let router = handlers::router(inspect, self.local_addr.ip());
        let server = Server {
            listener: self.listener,
            tls: None,
            limits: Limits {
                connections_max: CONNECTIONS_MAX,
                head_timeout: HEAD_TIMEOUT,
            },
            watch: Arc::new(()),
        };
        server.run(router, stop).await;
    }
}
