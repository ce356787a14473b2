//! One connection: TLS, then the handshake, then the session.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::error::ConnectionError;
use super::read_buffer::ReadBuffer;
use super::session;
use super::stream::{Reader, TlsHalf};
use crate::clock;
use crate::config::plan::ServerSecurity;
use crate::input::memory::Share;
use crate::msgpack::{self, Framer};
use crate::wire::handshake::{self, Server};
use crate::wire::tcp;

/// How long TLS may take, and after it the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a connection until either side ends it, or the input stops.
///
/// # Errors
/// [`ConnectionError`]: why it ended early. It is counted, but not logged.
pub(super) async fn serve(shared: &Shared, stream: TcpStream) -> Result<(), ConnectionError> {
    let served = serve_stream(shared, stream).await;
    if let Err(error) = &served {
        let stats = shared.stats();
        let add = |is: bool| u64::from(is);
        stats
            .connections_failed
            .fetch_add(add(error.is_senders_fault()), Relaxed);
        stats
            .batches_refused
            .fetch_add(add(error.refuses_a_batch()), Relaxed);
    }
    served
}

async fn serve_stream(shared: &Shared, stream: TcpStream) -> Result<(), ConnectionError> {
    tcp::tune(&stream)?;
    let Some(acceptor) = &shared.acceptor else {
        let (reader, writer) = stream.into_split();
        return serve_halves(shared, reader, writer).await;
    };
    let accepting = accept_tls(acceptor, stream);
    let Some(stream) = shared.context.stop.run_until_cancelled(accepting).await else {
        return Ok(());
    };
    let (reader, writer) = TlsHalf::split(stream?);
    Box::pin(serve_halves(shared, reader, writer)).await
}

async fn accept_tls(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectionError> {
    timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream))
        .await
        .map_err(|_| ConnectionError::HandshakeTimedOut)?
        .map_err(ConnectionError::Tls)
}

pub(super) async fn serve_halves<R, W>(
    shared: &Shared,
    mut reader: R,
    mut writer: W,
) -> Result<(), ConnectionError>
where
    R: Reader,
    W: AsyncWrite + Unpin,
{
    let mut buffer = ReadBuffer::new();
    let mut share = shared.memory.share();
    if let Some(security) = &shared.plan.security {
        let proving = timeout(
            HANDSHAKE_TIMEOUT,
            shake_hands(security, &mut buffer, &mut share, &mut reader, &mut writer),
        );
        match shared.context.stop.run_until_cancelled(proving).await {
            None => return Ok(()),
            Some(proved) => proved.map_err(|_| ConnectionError::HandshakeTimedOut)??,
        }
    }
    session::run(shared, buffer, share, reader, writer).await
}

/// Lets a sender in, or tells it why not.
async fn shake_hands<R, W>(
    security: &ServerSecurity,
    buffer: &mut ReadBuffer,
    share: &mut Share,
    reader: &mut R,
    writer: &mut W,
) -> Result<(), ConnectionError>
where
    R: Reader,
    W: AsyncWrite + Unpin,
{
    let server = Server::new(
        &security.self_hostname,
        &security.shared_key,
        &security.users,
        random_salt(),
        random_salt(),
    );
    send(writer, &server.helo()).await?;
    let len = read_message(buffer, share, reader).await?;
    let checked = server.check_ping(&buffer.unused()[..len]);
    buffer.consume(len);
    match checked {
        Ok((user, pong)) => {
            tracing::debug!(hostname = user.hostname, user = user.name, "sender let in");
            send(writer, &pong).await
        }
        Err(denied) => {
            send(writer, &denied.pong).await?;
            let _ = writer.shutdown().await;
            Err(denied.error.into())
        }
    }
}

/// Reads until the buffer begins with a complete handshake message, and gives its length.
async fn read_message(
    buffer: &mut ReadBuffer,
    share: &mut Share,
    reader: &mut (impl AsyncRead + Unpin),
) -> Result<usize, ConnectionError> {
    let size_max = handshake::MESSAGE_SIZE_MAX;
    let mut framer = Framer::new();
    loop {
        let needed = match framer.advance(buffer.unused()) {
            Ok(len) => return Ok(len),
            Err(msgpack::Error::Incomplete { needed }) => needed,
            Err(error) => return Err(error.into()),
        };
        if buffer.unused().len().saturating_add(needed) > size_max {
            return Err(ConnectionError::TooLarge { size_max });
        }
        buffer.make_room(needed, share).await;
        if buffer.read(reader, needed).await? == 0 {
            return Err(ConnectionError::Truncated);
        }
    }
}

async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    message: &[u8],
) -> Result<(), ConnectionError> {
    writer.write_all(message).await?;
    writer.flush().await?;
    Ok(())
}

fn random_salt() -> [u8; handshake::SALT_SIZE] {
    let mut salt = [0; handshake::SALT_SIZE];
    clock::fill_random(&mut salt);
    salt
}
