//! A destination that does what a test tells it, step by step, and decodes with another library.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything that is expected to happen takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A listening server.
pub(super) struct Destination {
    listener: TcpListener,
}

/// One connection to it.
pub(super) struct Peer<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) tag: String,
    pub(super) payload: Vec<u8>,
    pub(super) size: u64,
    pub(super) compressed: String,
    pub(super) chunk: Option<String>,
}

impl Destination {
    pub(super) async fn bind() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self { listener }
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(super) async fn accept(&self) -> Peer {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        Peer::new(accepted.expect("nobody connects").unwrap().0)
    }

    pub(super) fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// Whether somebody connects within a short time.
    pub(super) async fn is_called(&self) -> bool {
        let accepted = timeout(Duration::from_millis(100), self.listener.accept());
        accepted.await.is_ok()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The next MessagePack value, or `None` if the connection ends first.
    pub(super) async fn try_value(&mut self) -> Option<rmpv::Value> {
        loop {
            let mut rest = self.buffer.as_slice();
            if let Ok(value) = rmpv::decode::read_value(&mut rest) {
                let consumed = self.buffer.len() - rest.len();
                self.buffer.drain(..consumed);
                return Some(value);
            }
            let read = self.stream.read_buf(&mut self.buffer);
            let read = timeout(PATIENCE, read).await.expect("nothing arrives");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next message, or `None` if the connection ends first.
    pub(super) async fn try_message(&mut self) -> Option<Received> {
        self.try_value().await.map(|value| Received::from(&value))
    }

    pub(super) async fn message(&mut self) -> Received {
        self.try_message().await.expect("the connection has ended")
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Says whether the bytes could be written.
    pub(super) async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// The connection below; nothing may have been read yet.
    pub(super) fn into_stream(self) -> S {
        assert!(self.buffer.is_empty());
        self.stream
    }

    /// Acknowledges `message` in one write.
    pub(super) async fn acknowledge(&mut self, message: &Received) {
        self.write(&message.ack()).await;
    }

    /// Waits until the other side closes the connection.
    pub(super) async fn closed(mut self) {
        while self.try_value().await.is_some() {}
    }

    /// Reads so many bytes and no more.
    pub(super) async fn read(&mut self, size: usize) {
        let mut bytes = vec![0; size];
        let read = self.stream.read_exact(&mut bytes);
        timeout(PATIENCE, read)
            .await
            .expect("nothing arrives")
            .unwrap();
    }
}

impl Received {
    /// The bytes of its acknowledgement.
    pub(super) fn ack(&self) -> Vec<u8> {
        ack(self.chunk.as_deref().expect("no acknowledgement is wanted"))
    }
}

impl From<&rmpv::Value> for Received {
    fn from(message: &rmpv::Value) -> Self {
        let text = |value: &rmpv::Value| value.as_str().unwrap().to_owned();
        let option = |name: &str| &message[2][name];
        Self {
            tag: text(&message[0]),
            payload: message[1].as_slice().unwrap().to_vec(),
            size: option("size").as_u64().unwrap(),
            compressed: text(option("compressed")),
            chunk: option("chunk").as_str().map(str::to_owned),
        }
    }
}

/// The bytes of an acknowledgement.
pub(super) fn ack(chunk: &str) -> Vec<u8> {
    let map = rmpv::Value::Map(vec![("ack".into(), chunk.into())]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &map).unwrap();
    bytes
}
