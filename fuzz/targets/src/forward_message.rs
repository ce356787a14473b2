//! Everything of the forward protocol that reads what strangers send, on any bytes.

use std::collections::BTreeMap;

use forebay::msgpack::{Error, value_len};
use forebay::wire::compression::Codec;
use forebay::wire::forward::json::JsonMessage;
use forebay::wire::forward::{Entries, Message, Scanner, read_ack};
use forebay::wire::handshake::{AwaitHelo, Server};

/// Most bytes that a payload may unpack to.
const UNPACKED_SIZE_MAX: usize = 100_000;

pub(crate) fn run(bytes: &[u8]) {
    a_message_ends_where_its_value_ends(bytes);
    what_is_read_lies_in_the_message(bytes);
    let _ = read_ack(bytes);
    let _ = JsonMessage::read(bytes);
    nobody_is_let_in(bytes);
}

fn a_message_ends_where_its_value_ends(bytes: &[u8]) {
    let mut scanner = Scanner::new();
    let middle = scanner.advance(&bytes[..bytes.len() / 2]);
    let scanned = match middle {
        Err(Error::Incomplete { .. }) => scanner.advance(bytes),
        end => end,
    };
    if let Ok(len) = value_len(bytes) {
        assert_eq!(scanned.map(|layout| layout.len), Ok(len));
    }
}

fn what_is_read_lies_in_the_message(bytes: &[u8]) {
    let Ok(layout) = Scanner::new().advance(bytes) else {
        return;
    };
    let Ok(Some(message)) = Message::read(bytes, &layout) else {
        return;
    };
    assert!(!message.tag.is_empty());
    if let Some(chunk) = message.options.chunk {
        assert_eq!(value_len(chunk), Ok(chunk.len()));
    }
    match message.entries {
        Entries::Packed(payload) => assert!(payload.len() < layout.len),
        Entries::Single { time, record } => {
            assert_eq!(value_len(time), Ok(time.len()));
            assert_eq!(value_len(record), Ok(record.len()));
        }
        Entries::Compressed(codec, packed) => unpacks_within_its_limit(codec, packed),
    }
}

fn unpacks_within_its_limit(codec: Codec, packed: &[u8]) {
    if let Ok(unpacked) = codec.unpack(packed, UNPACKED_SIZE_MAX) {
        assert!(unpacked.len() <= UNPACKED_SIZE_MAX);
    }
}

fn nobody_is_let_in(bytes: &[u8]) {
    let key = "a key that no input holds".to_owned().into();
    let nobody = BTreeMap::new();
    let server = Server::new("server", &key, &nobody, [1; 16], [2; 16]);
    assert!(server.check_ping(bytes).is_err());
    let client = AwaitHelo::new("client", &key, None, [3; 16]);
    if let Ok((_, client)) = client.read_helo(bytes) {
        assert!(client.read_pong(bytes).is_err());
    }
}
