//! A connection whose answers must be taken in time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream that fails when the other side does not take what is written: from the moment when it
/// first takes no more, all of it must be gone in time. However little it reads now and then, it
/// does not hold its place for ever.
pub(super) struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Runs while something waits to be written.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    /// `stream`, whose other side has so long to take an answer.
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            deadline: None,
        }
    }

    /// `result`, or an error if it has been pending for too long.
    fn in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_pending() {
            let deadline = self
                .deadline
                .get_or_insert_with(|| Box::pin(sleep(self.patience)));
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called by the server when all of an answer is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.deadline = None;
        }
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.in_time(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A server of one large answer on a pipe with little room, that has been asked for it.
    async fn asked() -> (DuplexStream, JoinHandle<hyper::Result<()>>) {
        let (mut client, server) = tokio::io::duplex(1000);
        let router = Router::new().fallback(async || vec![b'x'; 1_000_000]);
        let serving = tokio::spawn(async move {
            let stream = TokioIo::new(Impatient::new(server, PATIENCE));
            hyper::server::conn::http1::Builder::new()
                .serve_connection(stream, TowerToHyperService::new(router))
                .await
        });
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        client.write_all(request).await.unwrap();
        (client, serving)
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_or_too_little_is_cut_off() {
        for step in [0, 1] {
            let (mut client, mut serving) = asked().await;
            let began = Instant::now();
            let mut byte = [0; 1];
            while !serving.is_finished() {
                client.read_exact(&mut byte[..step]).await.unwrap();
                let _ = tokio::time::timeout(Duration::from_secs(1), &mut serving).await;
                if began.elapsed() > 2 * PATIENCE {
                    panic!("it is still there");
                }
            }
            assert!(began.elapsed() >= PATIENCE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_but_in_time_has_all() {
        let (mut client, serving) = asked().await;
        let mut size = 0;
        let mut part = [0; 50_000];
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            match client.read(&mut part).await.unwrap() {
                0 => break,
                read => size += read,
            }
        }
        assert!(size > 1_000_000);
        serving.await.unwrap().unwrap();
    }
}
