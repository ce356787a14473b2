//! A client that speaks the forward protocol.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddrV4, TcpStream};

use rmp::encode;
use rmpv::Value;

use super::event::{self, EventId};
use super::wait;

/// One connection to a forward input.
pub(crate) struct Sender {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Sender {
    /// Connects.
    pub(crate) fn connect(address: SocketAddrV4) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(wait::DEADLINE))?;
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, reader })
    }

    /// Sends `entries` as one PackedForward message that asks to be acknowledged as `chunk`.
    pub(crate) fn send(&mut self, tag: &str, chunk: &str, entries: &[u8]) -> io::Result<()> {
        self.send_raw(&packed_forward(tag, chunk, entries))
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one acknowledgement and returns the `chunk` in it.
    pub(crate) fn read_ack(&mut self) -> io::Result<String> {
        let answer = rmpv::decode::read_value(&mut self.reader).map_err(io::Error::other)?;
        let ack = answer["ack"].as_str().map(str::to_owned);
        ack.ok_or_else(|| io::Error::other(format!("no acknowledgement: {answer}")))
    }

    /// Sends the events `ids` under `tag` and waits for the acknowledgement.
    ///
    /// # Panics
    /// If the connection breaks or another batch is acknowledged.
    pub(crate) fn deliver(&mut self, tag: &str, ids: &[EventId]) {
        self.deliver_entries(tag, &event::entries(ids, 1));
    }

    /// As [`deliver`](Self::deliver), for any entries.
    pub(crate) fn deliver_entries(&mut self, tag: &str, entries: &[u8]) {
        let chunk = format!("{tag}/{}", entries.len());
        self.send(tag, &chunk, entries).unwrap();
        assert_eq!(self.read_ack().unwrap(), chunk);
    }

    /// The socket, e.g. to set another time-out.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

/// `[tag, bin(entries), {"chunk": chunk}]`.
pub(crate) fn packed_forward(tag: &str, chunk: &str, entries: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() + 64);
    encode::write_array_len(&mut bytes, 3).unwrap();
    encode::write_str(&mut bytes, tag).unwrap();
    encode::write_bin(&mut bytes, entries).unwrap();
    rmpv::encode::write_value(&mut bytes, &options(&[("chunk", chunk.into())])).unwrap();
    bytes
}

/// An option map.
pub(crate) fn options(fields: &[(&str, Value)]) -> Value {
    let pairs = fields
        .iter()
        .map(|(name, value)| (Value::from(*name), value.clone()));
    Value::Map(pairs.collect())
}
