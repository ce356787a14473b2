//! Making a connection: name, TCP, TLS, shared key, all within one time limit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::receive::{Messages, ReceiveError};
use crate::clock::{Clock, fill_random};
use crate::config::plan::{ClientSecurity, ClientTls, ForwardOutputPlan, ForwardServer};
use crate::output::FailureScope;
use crate::wire::handshake::{AwaitHelo, HandshakeError, SALT_SIZE};
use crate::wire::tls::{self, TlsError};

/// An idle connection is probed by the kernel after this long, so that a server that vanished
/// without a word is noticed before a chunk is sent to it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// The time between two such probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// After so many probes without an answer the connection is lost.
const KEEPALIVE_PROBES: u32 = 3;

type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// How to reach one server.
pub(super) struct Connector {
    host: String,
    port: u16,
    timeout: Duration,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    security: Option<ClientSecurity>,
    clock: Clock,
}

/// A connection over which chunks may be sent.
pub(super) struct Link {
    /// What the server says.
    pub(super) messages: Messages<ReadHalf>,
    /// The way to the server.
    pub(super) writer: WriteHalf,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The name does not lead to an address.
    #[error("cannot resolve the host name")]
    Name(#[source] io::Error),
    /// No address accepts connections.
    #[error("cannot connect")]
    Tcp(#[source] io::Error),
    /// The server and we cannot agree on TLS, or do not trust each other.
    #[error("TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The PING could not be sent.
    #[error("connection lost during the shared-key handshake")]
    Ping(#[source] io::Error),
    /// The server said something else than HELO and PONG, or nothing.
    #[error("shared-key handshake failed")]
    Receive(#[from] ReceiveError),
    /// The server does not let us in, or does not know the shared key.
    #[error("shared-key handshake failed")]
    Handshake(#[from] HandshakeError),
    /// It took too long.
    #[error("no {stage} within {timeout:?}")]
    TimedOut {
        /// What was waited for.
        stage: &'static str,
        /// The limit on all stages together.
        timeout: Duration,
    },
}

impl ConnectError {
    /// Whether another attempt is of no use until somebody changes a setting.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Handshake(_))
    }

    /// Whom the failure speaks about.
    pub(super) fn scope(&self) -> FailureScope {
        match self {
            Self::Name(_) | Self::Tcp(_) => FailureScope::Unreachable,
            _ => FailureScope::Destination,
        }
    }
}

impl Connector {
    /// How to reach `server` with the settings of `plan`. Reads the certificates.
    ///
    /// # Errors
    /// [`TlsError`]: certificates, key or server name cannot be used.
    pub(super) fn new(
        server: &ForwardServer,
        plan: &ForwardOutputPlan,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        let tls = plan.tls.as_ref();
        Ok(Self {
            host: server.host.clone(),
            port: server.port,
            timeout: plan.connect_timeout,
            tls: tls.map(|tls| tls_for(server, tls)).transpose()?,
            security: plan.security.clone(),
            clock,
        })
    }

    /// Makes one connection.
    ///
    /// # Errors
    /// [`ConnectError`], within the time limit.
    pub(super) async fn connect(&self) -> Result<Link, ConnectError> {
        let deadline = self.clock.now().monotonic.saturating_add(self.timeout);
        let deadline = self.clock.instant(deadline);
        let tcp = self.within(deadline, "TCP connection", self.connect_tcp());
        let mut link = self.with_tls(tcp.await?, deadline).await?;
        if let Some(security) = &self.security {
            let shake_hands = shake_hands(&mut link, security);
            self.within(deadline, "answer to the shared-key handshake", shake_hands)
                .await?;
        }
        Ok(link)
    }

    async fn connect_tcp(&self) -> Result<TcpStream, ConnectError> {
        let addresses = lookup_host((self.host.as_str(), self.port)).await;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses.map_err(ConnectError::Name)? {
            match TcpStream::connect(address).await.and_then(tuned) {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(ConnectError::Tcp(failure))
    }

    async fn with_tls(&self, tcp: TcpStream, deadline: Instant) -> Result<Link, ConnectError> {
        let Some((connector, name)) = &self.tls else {
            let (reader, writer) = tcp.into_split();
            return Ok(Link::new(Box::new(reader), Box::new(writer)));
        };
        let shake_hands = connector.connect(name.clone(), tcp);
        let encrypt = async { shake_hands.await.map_err(ConnectError::Tls) };
        let stream = self.within(deadline, "TLS handshake", encrypt).await?;
        let (reader, writer) = tokio::io::split(stream);
        Ok(Link::new(Box::new(reader), Box::new(writer)))
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        stage: &'static str,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let timed_out = ConnectError::TimedOut {
            stage,
            timeout: self.timeout,
        };
        timeout_at(deadline, work).await.unwrap_or(Err(timed_out))
    }
}

impl Link {
    fn new(reader: ReadHalf, writer: WriteHalf) -> Self {
        Self {
            messages: Messages::new(reader),
            writer,
        }
    }
}

fn tls_for(
    server: &ForwardServer,
    plan: &ClientTls,
) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let identity = plan.identity.as_ref().map(|identity| tls::Identity {
        cert_path: &identity.cert_path,
        key_path: &identity.key_path,
    });
    let config = tls::client_config(plan.ca_path.as_deref(), identity)?;
    let name = tls::server_name(plan.server_name.as_deref().unwrap_or(&server.host))?;
    Ok((TlsConnector::from(Arc::clone(&config)), name))
}

fn tuned(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(&stream, KEEPALIVE_PROBES)?;
    Ok(stream)
}

async fn shake_hands(link: &mut Link, security: &ClientSecurity) -> Result<(), ConnectError> {
    let mut salt = [0; SALT_SIZE];
    fill_random(&mut salt);
    let user = security.user.as_ref();
    let user = user.map(|(name, password)| (name.as_str(), password));
    let hostname = &security.self_hostname;
    let client = AwaitHelo::new(hostname, &security.shared_key, user, salt);
    let (ping, client) = client.read_helo(link.messages.next().await?)?;
    send(&mut link.writer, &ping)
        .await
        .map_err(ConnectError::Ping)?;
    client.read_pong(link.messages.next().await?)?;
    Ok(())
}

async fn send(writer: &mut WriteHalf, bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}
