//! Serving HTTP/1.1 connections, in bounds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::impatient::Impatient;
use crate::wire::tcp;

/// Most bytes of a request's head.
const HEAD_SIZE_MAX: usize = 32 * 1024;

/// Most bytes that are kept of what has come and is not asked for, for each connection.
const BUFFER_SIZE_MAX: usize = 64 * 1024;

/// How long an answer may wait to be taken.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait when the system gives no connection, which it does when descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener with everything needed to serve it.
pub struct Server<W> {
    /// The socket, listening.
    pub listener: TcpListener,
    /// TLS, if the connections are encrypted.
    pub tls: Option<TlsAcceptor>,
    /// The bounds.
    pub limits: Limits,
    /// Who is told of connections.
    pub watch: Arc<W>,
}

/// A server's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections open at a time; more wait in the kernel's queue.
    pub connections_max: usize,
    /// How long the TLS handshake may take, how long the head of a request may, and how long a
    /// connection may be idle between two requests.
    pub head_timeout: Duration,
}

/// Who is at the other end of a connection; every request has it as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The SHA-256 of the certificate that it showed and that was found good, if it showed one.
    pub certificate_sha256: Option<[u8; 32]>,
}

/// Who is told of connections.
pub trait Watch: Send + Sync + 'static {
    /// One was accepted.
    fn opened(&self) {}
    /// One has ended.
    fn closed(&self) {}
    /// One ends because what came over it is not TLS or not HTTP; [`closed`](Self::closed) follows.
    fn failed(&self) {}
}

impl Watch for () {}

impl<W: Watch> Server<W> {
    /// Answers requests by `router` until `stop`; then takes no more connections and requests,
    /// and returns when those under way are answered. Dropping the future closes all connections.
    pub async fn run(self, router: Router, stop: CancellationToken) {
        let Self {
            listener,
            tls,
            limits,
            watch,
        } = self;
        let places = Arc::new(Semaphore::new(
            limits.connections_max.min(Semaphore::MAX_PERMITS),
        ));
        let mut connections = JoinSet::new();
        loop {
            let accepted = stop.run_until_cancelled(next(&listener, &places)).await;
            let Some((stream, address, place)) = accepted else {
                break;
            };
            let connection = Connection {
                tls: tls.clone(),
                head_timeout: limits.head_timeout,
                router: router.clone(),
                stop: stop.clone(),
                guard: Guard::new(Arc::clone(&watch), place),
            };
            connections.spawn(connection.run(stream, address));
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }
}

/// The next connection, once there is a place for it.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // Never closed, so this is always a permit.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let mut failure_count = 0_u64;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, place),
            Err(error) => {
                failure_count += 1;
                // Seldomer the longer it lasts.
                if failure_count.is_power_of_two() {
                    tracing::warn!(%error, failure_count, "cannot accept a connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Counts a connection as open, and holds its place, until it is dropped.
struct Guard<W: Watch> {
    watch: Arc<W>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<W: Watch> Guard<W> {
    fn new(watch: Arc<W>, place: Option<OwnedSemaphorePermit>) -> Self {
        watch.opened();
        Self {
            watch,
            _place: place,
        }
    }
}

impl<W: Watch> Drop for Guard<W> {
    fn drop(&mut self) {
        self.watch.closed();
    }
}

struct Connection<W: Watch> {
    tls: Option<TlsAcceptor>,
    head_timeout: Duration,
    router: Router,
    stop: CancellationToken,
    guard: Guard<W>,
}

impl<W: Watch> Connection<W> {
    async fn run(mut self, stream: TcpStream, address: SocketAddr) {
        let mut peer = Peer {
            address,
            certificate_sha256: None,
        };
        // It fails only for a connection that is over already.
        let _ = tcp::tune(&stream);
        let is_sound = match self.tls.take() {
            None => self.drive(stream, peer).await,
            Some(tls) => {
                let handshake = tokio::time::timeout(self.head_timeout, tls.accept(stream));
                match self.stop.run_until_cancelled(handshake).await {
                    Some(Ok(Ok(stream))) => {
                        peer.certificate_sha256 = certificate_sha256(&stream);
                        self.drive(stream, peer).await
                    }
                    Some(_) => false,
                    None => true,
                }
            }
        };
        if !is_sound {
            self.guard.watch.failed();
        }
    }

    /// Answers requests until either side has had enough; `false` if what came was not HTTP.
    async fn drive<S>(&self, stream: S, peer: Peer) -> bool
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = TowerToHyperService::new(Introduced {
            router: self.router.clone(),
            peer,
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_header_size(HEAD_SIZE_MAX)
            .max_buf_size(BUFFER_SIZE_MAX)
            .serve_connection(
                TokioIo::new(Impatient::new(stream, ANSWER_TIMEOUT)),
                service,
            );
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        !ended.is_err_and(|error| error.is_parse())
    }
}

fn certificate_sha256(stream: &TlsStream<TcpStream>) -> Option<[u8; 32]> {
    let (_, connection) = stream.get_ref();
    let own = connection.peer_certificates()?.first()?;
    Some(Sha256::digest(own).into())
}

/// A router whose requests say who sent them.
#[derive(Clone)]
struct Introduced {
    router: Router,
    peer: Peer,
}

impl Service<Request<Incoming>> for Introduced {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}
