//! The two halves of a connection, and whether there is still somebody at its other end.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_rustls::server::TlsStream;

/// The reading half of a connection.
pub(super) trait Reader: AsyncRead + Unpin + Send + Sync {
    /// Whether the sender has closed its side or is gone, be there unread bytes before that or
    /// not.
    fn has_hung_up(&self) -> bool;
}

impl Reader for OwnedReadHalf {
    fn has_hung_up(&self) -> bool {
        has_hung_up(self.as_ref())
    }
}

/// Either half of a TLS connection. Both halves live in one task, so that the lock is never waited
/// for.
pub(super) struct TlsHalf(Arc<Mutex<TlsStream<TcpStream>>>);

impl TlsHalf {
    /// The two halves of `stream`.
    pub(super) fn split(stream: TlsStream<TcpStream>) -> (Self, Self) {
        let stream = Arc::new(Mutex::new(stream));
        (Self(stream.clone()), Self(stream))
    }

    fn stream(&self) -> MutexGuard<'_, TlsStream<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader for TlsHalf {
    fn has_hung_up(&self) -> bool {
        has_hung_up(self.stream().get_ref().0)
    }
}

impl AsyncRead for TlsHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_shutdown(cx)
    }
}

/// The runtime remembers that the other side has closed, whatever was read since.
fn has_hung_up(stream: &TcpStream) -> bool {
    let readiness = stream.ready(Interest::READABLE).now_or_never();
    readiness.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
}
