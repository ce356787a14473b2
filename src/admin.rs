//! The admin API: health, metrics, and a look at what is on disk.
//!
//! | path | who | answer |
//! |---|---|---|
//! | `GET /healthz` | all | 200 as long as the process is in order, else 503 |
//! | `GET /readyz` | all | 200 if events are taken in and stored, else 503 with the reasons |
//! | `GET /metrics` | read | Prometheus' text format |
//! | `GET /api/v1/status` | read | everything but the chunks |
//! | `GET /api/v1/inputs` | read | the inputs |
//! | `GET /api/v1/routes` | read | the routes with their buffers and outputs |
//! | `GET /api/v1/routes/{route}` | read | one of them |
//! | `GET /api/v1/routes/{route}/chunks` | read | a page of chunks; `state`, `key`, `output`, `older_than`, `order`, `limit` (at most 1,000), `cursor` |
//! | `GET /api/v1/chunks/{id}` | read | one chunk |
//! | `GET /api/v1/chunks/{id}/events` | read | a page of its events; `field`, `limit`, `cursor` |
//! | `GET /api/v1/chunks/{id}/export` | read | all of its events; `format`: `ndjson` or `msgpack` |
//! | `GET /api/v1/chunks/{id}/raw` | read | its file as it is on the disk |
//! | `GET /api/v1/quarantine` | read | a page of what was set aside; `limit`, `cursor` |
//! | `GET /api/v1/caller` | read | who asks, and in which role |
//! | `GET /api/v1/orphans` | read | what is on disk of routes and outputs that are not configured |
//! | `GET /api/v1/replays` | read | the replays since the start |
//! | `GET /api/v1/events` | read | server-sent events: what happens; `limit` |
//! | `GET /api/v1/tap` | read | server-sent events: what passes; `input`, `route`, `tag`, `sample`, `per_second`, `limit` |
//! | `GET /api/v1/audit` | read | the latest actions and refused attempts |
//! | `GET /api/v1/log-level` | read | which lines of the log are written |
//! | `GET /api/v1/openapi.json` | read | all of this for programs, as OpenAPI 3.1 |
//! | `POST /api/v1/flush` | admin | seals all that is staged |
//! | `POST /api/v1/reload` | admin | reads the configuration again, and says what it has changed |
//! | `POST /api/v1/drain` | admin | takes in no more, delivers what there is, then stops |
//! | `POST /api/v1/stop` | admin | stops as SIGTERM does |
//! | `PUT /api/v1/log-level` | admin | `{"filter": "warn,forebay=debug"}`, until the next start |
//! | `POST /api/v1/routes/{route}/flush` | admin | seals what is staged of a route |
//! | `POST /api/v1/routes/{route}/pause` | admin | starts no deliveries until it is resumed |
//! | `POST /api/v1/routes/{route}/resume` | admin | starts them again |
//! | `POST /api/v1/routes/{route}/outputs/{output}/pause` | admin | starts no deliveries to one output |
//! | `POST /api/v1/routes/{route}/outputs/{output}/resume` | admin | starts them again |
//! | `POST /api/v1/routes/{route}/outputs/{output}/retry` | admin | tries now what waits for its retry |
//! | `POST /api/v1/chunks/{id}/seal` | admin | seals a staged chunk |
//! | `POST /api/v1/chunks/{id}/retry` | admin | tries a queued chunk now |
//! | `POST /api/v1/chunks/{id}/hold` | admin | offers a chunk to nobody until it is released |
//! | `POST /api/v1/chunks/{id}/release` | admin | offers it again |
//! | `POST /api/v1/chunks/{id}/bury` | admin | `{"reason": "..."}`: moves it to the dead letters |
//! | `POST /api/v1/chunks/{id}/replay` | admin | delivers a dead letter after all; `{"to": route, "output": ...}` |
//! | `POST /api/v1/routes/{route}/dead/replay` | admin | the same for many; also `"which": {...}` |
//! | `POST /api/v1/routes/{route}/dead/drop` | admin | `{"which": {...}, "confirm": "<the route>"}`: deletes them |
//! | `POST /api/v1/replays/{id}/cancel` | admin | ends a replay |
//! | `POST /api/v1/orphans/{name}/adopt` | admin | `{"route": ...}`: makes it part of a route |
//! | `POST /api/v1/orphans/{name}/drop` | admin | `{"confirm": "<its name>"}`: deletes it |
//! | `POST /api/v1/verify` | admin | reads all chunks and compares all checksums; `{"route": ...}` |
//! | `POST /api/v1/chunks/{id}/drop` | admin | `{"confirm": "<its id>"}`: deletes it |
//!
//! Actions answer with what has changed, also where it was so already: each may be asked for again.
//! An action goes on when whoever asked for it has gone.
//!
//! At `/` is the [page](page) that shows all of it to people.
//!
//! Errors are problem details (RFC 9457). A page's `next` is the `cursor` of the next page; where it
//! is `null` the page is the last one.
//!
//! # Who is let in
//!
//! Whoever may use all of it can read every event on disk and stop the daemon. It is served on the
//! loopback address unless told otherwise, and there, without tokens, to everybody on the machine. On
//! any other address the configuration must have `tokens`, or `tls` with `client_ca_path`:
//!
//! ```yaml
//! admin:
//!   listen: 0.0.0.0:2020
//!   hosts: [forebay.example.com]
//!   tls: { cert_path: server.pem, key_path: server.key }
//!   tokens:
//!     prometheus: { role: read, secret: "${file:/run/secrets/prometheus}" }
//!     ops: { role: admin, secret: "${FOREBAY_ADMIN_TOKEN}" }
//! ```
//!
//! A token is sent as `Authorization: Bearer <secret>`; in Prometheus' configuration that is
//! `authorization: { credentials_file: /run/secrets/prometheus }`. Where there are tokens, everything
//! needs one but `/healthz` and `/readyz`; where there are client certificates, everything needs one of
//! those, and a token if there are any. Tokens over connections without TLS can be overheard.
//!
//! A browser can be made to send requests here by a page of another site, also by one whose name
//! resolves to the loopback address (DNS rebinding). So a request is refused whose `Host` is neither
//! `localhost`, nor an address of this server, nor one of `hosts`; and one that a browser says comes
//! from a page of another site.
//!
//! Each address may send so many requests a second, `requests_per_second_max`, and three times as many
//! at once; a wrong token counts as ten. Who did what is in the [audit
//! log](audit).

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::plan::{AdminPlan, ServerTls};
use crate::wire::http::{Limits, Server};
use crate::wire::tls::{Identity, TlsError, server_config};

mod access;
mod act;
mod api;
mod audit;
mod cross_site;
mod gate;
mod handlers;
mod host;
mod look;
mod page;
mod query;
mod rate;
#[cfg(test)]
mod tests;

use access::Access;
use audit::Audit;
use gate::Gate;
use host::Names;
use look::Admin;
pub use look::{Reach, Reloading};
use rate::Rates;

/// Most connections at a time: some scrapers, some people, some streams.
const CONNECTIONS_MAX: usize = 64;

/// How long a request's head may take, and an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The admin API with its socket, bound.
pub struct AdminServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: Option<TlsAcceptor>,
    gate: Arc<Gate>,
    names: Names,
}

/// Why the admin API cannot be served. An operator must act.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address cannot be bound.
    #[error("cannot serve the admin API on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The audit log cannot be opened.
    #[error("cannot open the audit log in {}", dir.display())]
    Audit {
        /// The data directory.
        dir: std::path::PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl AdminServer {
    /// Reads the certificates, opens the audit log in `data_dir` and binds the socket; connections
    /// wait until [`run`](Self::run).
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn bind(plan: &AdminPlan, data_dir: &Path, clock: Clock) -> Result<Self, AdminError> {
        let listen = plan.listen;
        let tls = plan.tls.as_ref().map(acceptor).transpose()?;
        let audit = Audit::open(data_dir, clock).map_err(|source| AdminError::Audit {
            dir: data_dir.to_owned(),
            source,
        })?;
        let bound = TcpListener::bind(listen).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (local_addr, listener) =
            bound.map_err(|source| AdminError::Listen { listen, source })?;
        if !local_addr.ip().is_loopback() && tls.is_none() {
            tracing::warn!(listen = %local_addr, "tokens of the admin API can be overheard: no TLS");
        }
        Ok(Self {
            listener,
            local_addr,
            tls,
            gate: Arc::new(Gate {
                access: Access::new(&plan.tokens),
                rates: Rates::new(plan.requests_per_second_max, clock),
                audit,
            }),
            names: Names {
                bound: local_addr.ip(),
                hosts: plan.hosts.as_slice().into(),
            },
        })
    }

    /// The address that was bound, with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers requests until `stop`.
    pub async fn run(self, reach: Reach, stop: CancellationToken) {
        let router = self.router(reach, stop.clone());
        let server = Server {
            listener: self.listener,
            tls: self.tls,
            limits: Limits {
                connections_max: CONNECTIONS_MAX,
                head_timeout: HEAD_TIMEOUT,
            },
            watch: Arc::new(()),
        };
        server.run(router, stop).await;
    }

    fn router(&self, reach: Reach, stop: CancellationToken) -> Router {
        let admin = Admin::new(reach, Arc::clone(&self.gate.audit), stop);
        handlers::router(admin, Arc::clone(&self.gate), self.names.clone())
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
