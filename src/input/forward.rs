//! The Fluent forward protocol, as a receiver.
//!
//! One TCP listener; on the same port, UDP heartbeats are answered. Each connection is one task
//! that does two things at a time: it reads messages and hands them to the intake straight from
//! its read buffer, and it writes acknowledgements in the order of the batches, each only when
//! its receipt has resolved. A batch that is held back stops its own connection's reading, and
//! neither the acknowledgements of earlier batches nor any other connection.
//!
//! Whatever a sender does wrong ends its connection with a logged reason, never in silence; what
//! was not acknowledged it sends again.
//!
//! Bounds: connections by `connections_max`; what they read and unpack by `read_memory_max`, as
//! [`memory`](super::memory) says, where one message takes at most `message_size_max` and half as
//! much again to read, and `unpacked_size_max` unpacked; for each connection, [`UNACKNOWLEDGED_MAX`]
//! batches that wait for their receipts, with an acknowledgement of a kilobyte or so for each.
//! An idle connection takes 12 KiB or so (10,000 of them, a build for debugging, glibc's allocator).

mod acks;
mod connection;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handover;
mod heartbeat;
mod read_buffer;
mod session;
mod stream;
mod throttle;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::config::plan::{ForwardInputPlan, ServerTls};
use crate::input::memory::Memory;
use crate::input::{InputContext, InputStats, Sockets};
use crate::wire::tls::{self, Identity, TlsError};

use error::ConnectionError;
use throttle::Throttle;

pub use acks::UNACKNOWLEDGED_MAX;

/// Connections that the kernel keeps for us while we are at our limit.
const BACKLOG: u32 = 1024;

/// The wait after a failed `accept`: what it lacks (descriptors, memory) takes time to come back.
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(100);

/// Payloads that are unpacked, or JSON texts that are read, at a time outside the runtime.
const BLOCKING_MAX: usize = 4;

/// A forward input that listens, but does not serve yet.
pub struct ForwardInput {
    listener: TcpListener,
    heartbeats: UdpSocket,
    acceptor: Option<TlsAcceptor>,
    plan: ForwardInputPlan,
}

/// Why a forward input cannot start. An operator must act.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The TCP address cannot be listened on.
    #[error("cannot listen on {address} (TCP)")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The UDP address for heartbeats cannot be used.
    #[error("cannot answer heartbeats on {address} (UDP)")]
    Udp {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What all connections of an input share.
struct Shared {
    plan: ForwardInputPlan,
    acceptor: Option<TlsAcceptor>,
    context: InputContext,
    memory: Memory,
    /// Permits to work outside the runtime.
    blocking: Semaphore,
    /// For warnings about connections that failed.
    failures: Throttle,
    /// For warnings about messages that were passed over.
    oddities: Throttle,
}

impl ForwardInput {
    /// Opens the sockets and reads the certificates. If the plan's port is 0, UDP gets the port
    /// that TCP was given.
    ///
    /// # Errors
    /// [`BindError`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn bind(plan: &ForwardInputPlan) -> Result<Self, BindError> {
        Self::bind_over(plan, &Sockets::default())
    }

    /// The same, but with those of the sockets that are `held` already.
    ///
    /// # Errors
    /// [`BindError`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn bind_over(plan: &ForwardInputPlan, held: &Sockets) -> Result<Self, BindError> {
        let acceptor = plan.tls.as_ref().map(acceptor).transpose()?;
        let (listener, heartbeats) = match held.listener() {
            Some(listener) => with_heartbeats(plan.listen, listener, held)?,
            None => open_sockets(plan.listen)?,
        };
        Ok(Self {
            listener,
            heartbeats,
            acceptor,
            plan: plan.clone(),
        })
    }

    /// The address that is listened on, with the port that the system chose if the plan's was 0.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Another hold of its sockets.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn sockets(&self) -> io::Result<Sockets> {
        Sockets::tcp(&self.listener)?.and_udp(&self.heartbeats)
    }

    /// Serves until `context.stop` is cancelled; then takes nothing more, and returns when what
    /// was taken in is acknowledged and all connections are closed. That can take as long as the
    /// store takes: the caller sets the limit. Dropping the future closes everything at once.
    pub async fn run(self, context: InputContext) {
        let stop = context.stop.clone();
        let shared = Arc::new(Shared::new(self.plan, self.acceptor, context));
        let mut connections = JoinSet::new();
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept_all(&self.listener, &shared, &mut connections) => {}
            () = heartbeat::answer_all(&self.heartbeats) => {}
        }
        drop((self.listener, self.heartbeats));
        while let Some(ended) = connections.join_next().await {
            report_panic(ended);
        }
    }
}

impl Shared {
    fn new(plan: ForwardInputPlan, acceptor: Option<TlsAcceptor>, context: InputContext) -> Self {
        let stats = &context.stats;
        Self {
            memory: Memory::new(plan.read_memory_max, stats),
            plan,
            acceptor,
            context,
            blocking: Semaphore::new(BLOCKING_MAX),
            failures: Throttle::default(),
            oddities: Throttle::default(),
        }
    }

    fn stats(&self) -> &InputStats {
        &self.context.stats
    }
}

/// TCP and UDP on the same port. Where the system chooses it, the port that it chooses for TCP may
/// be taken for UDP; then it is asked again.
fn open_sockets(address: SocketAddr) -> Result<(TcpListener, UdpSocket), BindError> {
    let mut attempts_left = if address.port() == 0 { 16 } else { 1 };
    loop {
        attempts_left -= 1;
        let listener = listen(address).map_err(|source| BindError::Tcp { address, source })?;
        let address = listener.local_addr().unwrap_or(address);
        match heartbeat::bind(address) {
            Ok(heartbeats) => return Ok((listener, heartbeats)),
            Err(source) if attempts_left == 0 => return Err(BindError::Udp { address, source }),
            Err(_) => {}
        }
    }
}

/// A listener that was held, and the socket for heartbeats that was held with it, or a new one.
fn with_heartbeats(
    address: SocketAddr,
    listener: io::Result<TcpListener>,
    held: &Sockets,
) -> Result<(TcpListener, UdpSocket), BindError> {
    let listener = listener.map_err(|source| BindError::Tcp { address, source })?;
    let address = listener.local_addr().unwrap_or(address);
    let heartbeats = held.datagrams().unwrap_or_else(|| heartbeat::bind(address));
    let heartbeats = heartbeats.map_err(|source| BindError::Udp { address, source })?;
    Ok((listener, heartbeats))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn acceptor(files: &ServerTls) -> Result<TlsAcceptor, TlsError> {
    let identity = Identity {
        cert_path: &files.cert_path,
        key_path: &files.key_path,
    };
    let config = tls::server_config(identity, files.client_ca_path.as_deref())?;
    Ok(TlsAcceptor::from(config))
}

/// Accepts connections for ever, at most `connections_max` at a time.
async fn accept_all(listener: &TcpListener, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    let permits = Arc::new(Semaphore::new(shared.plan.connections_max));
    loop {
        tokio::select! {
            Some(ended) = connections.join_next() => report_panic(ended),
            accepted = accept(listener, &permits) => match accepted {
                Ok((stream, peer, permit)) => {
                    connections.spawn(serve(shared.clone(), stream, peer, permit));
                }
                Err(error) => {
                    warn_throttled(shared, &error);
                    tokio::time::sleep(ACCEPT_RETRY_WAIT).await;
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await;
    let permit = permit.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// Serves one connection to its end.
async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    _permit: OwnedSemaphorePermit,
) {
    let _open = OpenConnection::count(&shared.context.stats);
    if let Err(error) = connection::serve(&shared, stream).await {
        report(&shared, peer, &error);
    }
}

fn report(shared: &Shared, peer: SocketAddr, error: &ConnectionError) {
    let input = &*shared.context.name;
    let is_ordinary = error.is_ordinary();
    let error = error as &dyn std::error::Error;
    if is_ordinary {
        tracing::debug!(input, %peer, error, "connection ended");
    } else if let Some(held_back) = shared.failures.admit(shared.context.clock.now()) {
        tracing::warn!(input, %peer, error, held_back, "connection closed");
    }
}

fn warn_throttled(shared: &Shared, error: &io::Error) {
    if let Some(held_back) = shared.failures.admit(shared.context.clock.now()) {
        let input = &*shared.context.name;
        tracing::warn!(input, %error, held_back, "cannot accept connections");
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "connection task failed");
    }
}

/// Counts a connection as open while it lives.
struct OpenConnection(Arc<InputStats>);

impl OpenConnection {
    fn count(stats: &Arc<InputStats>) -> Self {
        stats.connections_open.fetch_add(1, Relaxed);
        stats.connections_total.fetch_add(1, Relaxed);
        Self(stats.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
