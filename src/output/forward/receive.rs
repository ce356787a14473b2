//! Reading what a server says: MessagePack messages, however they are cut into pieces.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::message::MessageId;
use crate::msgpack::{self, Cursor, Framer, Value};
use crate::wire::forward::read_ack;
use crate::wire::handshake::MESSAGE_SIZE_MAX;

/// How much is read at a time, in bytes: some hundred acknowledgements.
const READ_SIZE: usize = 8 * 1024;

/// The messages that come over one connection.
///
/// Holds at most one message, of [`MESSAGE_SIZE_MAX`] bytes, and what was read behind it.
#[derive(Debug)]
pub(super) struct Messages<R> {
    reader: R,
    /// The message that was given out last, then what is not given out yet.
    buffer: Vec<u8>,
    given_out: usize,
    framer: Framer,
}

/// Why there is no further message.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    /// The server has closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The connection is lost.
    #[error("connection lost")]
    Lost(#[from] io::Error),
    /// What came is not MessagePack.
    #[error("the server sent what is not MessagePack")]
    Malformed(#[source] msgpack::Error),
    /// A message is longer than any that a server has reason to send.
    #[error("the server sent a message of more than {MESSAGE_SIZE_MAX} bytes")]
    TooLarge,
}

/// What a server says once the connection stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `{"ack": id}` with an id as we write them.
    Ack(MessageId),
    /// `["HELO", ...]`: the server wants a shared key before anything else.
    Helo,
    /// Anything else, among it acknowledgements of what we never sent.
    Other,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// The messages that `reader` brings.
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            given_out: 0,
            framer: Framer::new(),
        }
    }

    /// The next message, once all of it is there.
    ///
    /// # Errors
    /// [`ReceiveError`]; there will be no message any more.
    pub(super) async fn next(&mut self) -> Result<&[u8], ReceiveError> {
        self.buffer.drain(..self.given_out);
        self.given_out = 0;
        while self.given_out == 0 {
            match self.framer.advance(&self.buffer) {
                Ok(len) => self.given_out = len,
                Err(msgpack::Error::Incomplete { needed }) => self.read(needed).await?,
                Err(error) => return Err(ReceiveError::Malformed(error)),
            }
        }
        Ok(&self.buffer[..self.given_out])
    }

    async fn read(&mut self, needed: usize) -> Result<(), ReceiveError> {
        if self.buffer.len().saturating_add(needed) > MESSAGE_SIZE_MAX {
            return Err(ReceiveError::TooLarge);
        }
        self.buffer.reserve(READ_SIZE);
        match self.reader.read_buf(&mut self.buffer).await? {
            0 => Err(ReceiveError::Closed),
            _ => Ok(()),
        }
    }
}

impl Answer {
    /// What `message` says.
    pub(super) fn parse(message: &[u8]) -> Self {
        match read_ack(message).map(MessageId::decode) {
            Ok(Some(id)) => Self::Ack(id),
            _ if Self::is_helo(message) == Some(true) => Self::Helo,
            _ => Self::Other,
        }
    }

    fn is_helo(message: &[u8]) -> Option<bool> {
        let mut cursor = Cursor::new(message);
        let Value::Array(1..) = cursor.read().ok()? else {
            return None;
        };
        Some(cursor.read().ok()?.as_bytes()? == b"HELO")
    }
}

#[cfg(test)]
mod tests {
    use forebay_storage::ChunkId;
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::msgpack::write;

    const ID: MessageId = MessageId {
        chunk_id: ChunkId::from_bytes([7; 16]),
        index: 3,
    };

    fn ack(id: &[u8]) -> Vec<u8> {
        let mut out = vec![0x81];
        write::str(&mut out, b"ack");
        write::str(&mut out, id);
        out
    }

    #[tokio::test]
    async fn messages_are_whole_however_they_are_cut() {
        let expected = [ack(b"a"), vec![0xc0], ack(&[b'b'; 300]), ack(b"")];
        let stream = expected.concat();
        for piece_size in [1, 2, 7, stream.len()] {
            let (mut far, near) = tokio::io::duplex(piece_size);
            let bytes = stream.clone();
            tokio::spawn(async move { far.write_all(&bytes).await });
            let mut messages = Messages::new(near);
            for message in &expected {
                assert_eq!(messages.next().await.unwrap(), message);
            }
            assert!(matches!(messages.next().await, Err(ReceiveError::Closed)));
        }
    }

    #[tokio::test]
    async fn a_server_that_never_ends_its_message_is_cut_off() {
        let mut huge = vec![0xc6];
        huge.extend(u32::MAX.to_be_bytes());
        let mut messages = Messages::new(huge.as_slice());
        assert!(matches!(messages.next().await, Err(ReceiveError::TooLarge)));
    }

    #[tokio::test]
    async fn what_is_not_messagepack_is_an_error() {
        let mut messages = Messages::new(&b"\xc1"[..]);
        let error = messages.next().await.unwrap_err();
        assert!(matches!(error, ReceiveError::Malformed(_)));
    }

    #[test]
    fn answers_are_told_apart() {
        let id = ID.encode();
        assert_eq!(Answer::parse(&ack(id.as_bytes())), Answer::Ack(ID));
        assert_eq!(Answer::parse(&ack(b"something else")), Answer::Other);
        assert_eq!(Answer::parse(b"\x92\xa4HELO\x80"), Answer::Helo);
        for other in [
            &b"\x92\xa4PONG\xc3"[..],
            b"\xc0",
            b"\x80",
            b"\x90",
            b"\x81\xa3ack\xc0",
        ] {
            assert_eq!(Answer::parse(other), Answer::Other);
        }
    }

    #[test]
    fn an_ack_among_other_keys_is_found() {
        let mut message = vec![0x83, 0x01, 0x92, 0x01, 0x02];
        write::str(&mut message, b"ack");
        write::bin(&mut message, ID.encode().as_bytes());
        write::str(&mut message, b"more");
        message.push(0xc0);
        assert_eq!(Answer::parse(&message), Answer::Ack(ID));
    }
}
