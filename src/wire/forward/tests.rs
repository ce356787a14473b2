use proptest::prelude::*;

use super::json::JsonMessage;
use super::*;
use crate::msgpack::{self, write};
use crate::wire::compression::Codec;

const ENTRIES: &[u8] = b"\x92\x01\x81\xa1a\x01\x92\x02\x81\xa1a\x02";

fn scan(message: &[u8]) -> Layout {
    Scanner::new().advance(message).unwrap()
}

fn read(message: &[u8]) -> Result<Option<Message<'_>>, Invalid> {
    Message::read(message, &scan(message))
}

fn batch(message: &[u8]) -> Message<'_> {
    read(message).unwrap().unwrap()
}

fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn a_single_event_keeps_the_bytes_of_time_and_record() {
    for (message, chunk) in [
        (&b"\x93\xa3app\xce\x5f\x5e\x10\x00\x81\xa1k\xa1v"[..], None),
        (
            b"\x94\xa3app\xce\x5f\x5e\x10\x00\x81\xa1k\xa1v\x81\xa5chunk\xa2id",
            Some(&b"\xa2id"[..]),
        ),
    ] {
        let read = batch(message);
        let single = Entries::Single {
            time: b"\xce\x5f\x5e\x10\x00",
            record: b"\x81\xa1k\xa1v",
        };
        assert_eq!((read.tag, read.entries), ("app", single));
        assert_eq!(read.options.chunk, chunk);
    }
}

#[test]
fn an_event_time_makes_a_single_event_too() {
    let message = b"\x93\xa3app\xd7\x00\0\0\0\x01\0\0\0\x02\xc0";
    let single = Entries::Single {
        time: b"\xd7\x00\0\0\0\x01\0\0\0\x02",
        record: b"\xc0",
    };
    assert_eq!(batch(message).entries, single);
}

#[test]
fn the_elements_of_an_array_are_entries_back_to_back() {
    for head in [&b"\x92"[..], b"\xdc\0\x02", b"\xdd\0\0\0\x02"] {
        let message = concat(&[b"\x92\xa3app", head, ENTRIES]);
        assert_eq!(batch(&message).entries, Entries::Packed(ENTRIES));
    }
    let message = concat(&[b"\x93\xa3app\x92", ENTRIES, b"\x81\xa5chunk\x07"]);
    assert_eq!(batch(&message).entries, Entries::Packed(ENTRIES));
    assert_eq!(batch(&message).options.chunk, Some(&b"\x07"[..]));
    assert_eq!(batch(b"\x92\xa3app\x90").entries, Entries::Packed(b""));
}

#[test]
fn a_packed_payload_may_be_any_string_or_binary() {
    let payload = b"\x92\x01\x81\xa1a\xc4\x02\xff\xfe";
    for head in [&b"\xa9"[..], b"\xd9\x09", b"\xdb\0\0\0\x09", b"\xc4\x09"] {
        let message = concat(&[b"\x92\xa3app", head, payload]);
        assert_eq!(batch(&message).entries, Entries::Packed(payload));
    }
}

#[test]
fn options_say_how_a_payload_is_packed() {
    for (name, entries) in [
        (&b"\xa4gzip"[..], Entries::Compressed(Codec::Gzip, b"xyz")),
        (b"\xa4zstd", Entries::Compressed(Codec::Zstd, b"xyz")),
        (b"\xa4text", Entries::Packed(b"xyz")),
        (b"\xc0", Entries::Packed(b"xyz")),
    ] {
        let message = concat(&[b"\x93\xa3app\xa3xyz\x81\xaacompressed", name]);
        assert_eq!(batch(&message).entries, entries);
    }
    for name in [&b"\xa2xz"[..], b"\x07"] {
        let message = concat(&[b"\x93\xa3app\xa3xyz\x81\xaacompressed", name]);
        assert!(matches!(read(&message), Err(Invalid::Compression { .. })));
    }
}

#[test]
fn a_chunk_of_any_type_is_echoed_byte_for_byte() {
    for chunk in [
        &b"\xa2id"[..],
        b"\xb9cVZKMUZYMG9uZXNmZXZlMQ==\n",
        b"\xd9\x02id",
        b"\xc4\x02\xff\xfe",
        b"\xa2\xff\xfe",
        b"\x00",
        b"\xcd\0\x07",
        b"\xc2",
        b"\x92\x01\x81\xa1a\xc0",
        b"\xcb\x7f\xf8\0\0\0\0\0\x01",
    ] {
        let options = concat(&[b"\x82\xa4size\x02\xa5chunk", chunk]);
        let message = concat(&[b"\x93\xa3app\x92", ENTRIES, &options]);
        assert_eq!(batch(&message).options.chunk, Some(chunk));
        assert_eq!(batch(&message).options.event_count, Some(2));
        let mut ack = Vec::new();
        write_ack(&mut ack, chunk);
        assert_eq!(ack, concat(&[b"\x81\xa3ack", chunk]));
    }
    let message = concat(&[b"\x93\xa3app\x92", ENTRIES, b"\x81\xa5chunk\xc0"]);
    assert_eq!(batch(&message).options.chunk, None);
}

#[test]
fn a_batch_is_called_by_the_bytes_of_its_chunk() {
    for (chunk, id) in [
        (&b"\xa2id"[..], &b"id"[..]),
        (b"\xd9\x02id", b"id"),
        (b"\xc4\x02\xff\xfe", b"\xff\xfe"),
        (b"\xcd\0\x07", b"\xcd\0\x07"),
    ] {
        let message = concat(&[b"\x93\xa3app\x90\x81\xa5chunk", chunk]);
        assert_eq!(batch(&message).options.batch_id(), id);
    }
    assert_eq!(batch(b"\x92\xa3app\x90").options.batch_id(), b"");
}

#[test]
fn a_chunk_that_is_too_long_is_refused() {
    let mut message = b"\x93\xa3app\x90\x81\xa5chunk".to_vec();
    write::str(&mut message, &[b'x'; CHUNK_SIZE_MAX]);
    let size = CHUNK_SIZE_MAX + 3;
    assert_eq!(read(&message), Err(Invalid::ChunkTooLong { size }));
}

#[test]
fn options_that_are_no_map_say_nothing() {
    for options in [
        &b"\xc0"[..],
        b"\x05",
        b"\x91\x01",
        b"\xa1x",
        b"\x81\x01\x02",
    ] {
        let message = concat(&[b"\x93\xa3app\x92", ENTRIES, options]);
        assert_eq!(batch(&message).options, Options::default());
    }
}

#[test]
fn elements_behind_the_options_are_passed_over() {
    let message = concat(&[b"\x96\xa3app\x01\x80\x81\xa5chunk\x07\x01\x92\x01\x02"]);
    assert_eq!(scan(&message).len, message.len());
    assert_eq!(batch(&message).options.chunk, Some(&b"\x07"[..]));
}

#[test]
fn nil_is_a_heartbeat_and_other_scalars_are_not() {
    assert_eq!(read(b"\xc0"), Ok(None));
    for message in [&b"\x07"[..], b"\xa1x", b"\x81\x01\x02", b"\x0a"] {
        assert_eq!(scan(message).len, message.len());
        assert_eq!(read(message), Err(Invalid::NotAnArray));
    }
}

#[test]
fn a_tag_must_be_text() {
    for message in [
        &b"\x90"[..],
        b"\x92\xa2\xff\xfe\x90",
        b"\x92\xa0\x90",
        b"\x92\xc0\x90",
        b"\x92\x07\x90",
    ] {
        assert_eq!(read(message), Err(Invalid::Tag));
    }
    for message in [&b"\x91\xa3app"[..], b"\x92\xa3app\x07"] {
        assert_eq!(read(message), Err(Invalid::TooShort));
    }
    assert_eq!(batch(b"\x92\xc4\x03app\x90").tag, "app");
}

#[test]
fn a_message_is_refused_by_what_it_claims_before_it_arrives() {
    for (head, needed) in [
        (&b"\x93\xa3app\xc6\x10\0\0\0"[..], 0x1000_0000 + 1),
        (b"\x92\xa3app\xdd\xff\xff\xff\xff", 0xffff_ffff),
        (b"\xdd\xff\xff\xff\xff", 0xffff_ffff),
    ] {
        let claimed = Scanner::new().advance(head);
        assert_eq!(claimed, Err(msgpack::Error::Incomplete { needed }));
    }
}

#[test]
fn what_is_sent_is_what_receivers_read() {
    let mut sent = Vec::new();
    write_head(&mut sent, "app", 12);
    sent.extend_from_slice(ENTRIES);
    let mut options = SendOptions {
        chunk: Some("id"),
        event_count: 2,
        codec: None,
    };
    write_options(&mut sent, &options);
    let golden = concat(&[
        b"\x93\xa3app\xc4\x0c",
        ENTRIES,
        b"\x83\xa4size\x02\xaacompressed\xa4text\xa5chunk\xa2id",
    ]);
    assert_eq!(sent, golden);
    assert_eq!(batch(&sent).entries, Entries::Packed(ENTRIES));

    options.chunk = None;
    options.codec = Some(Codec::Zstd);
    let mut written = Vec::new();
    write_options(&mut written, &options);
    assert_eq!(written, b"\x82\xa4size\x02\xaacompressed\xa4zstd");
}

#[test]
fn an_ack_is_read_whatever_stands_beside_it() {
    assert_eq!(read_ack(b"\x81\xa3ack\xa2id"), Ok(&b"id"[..]));
    assert_eq!(read_ack(b"\x81\xc4\x03ack\xc4\x02id"), Ok(&b"id"[..]));
    assert_eq!(
        read_ack(b"\x82\xa1x\x92\x01\x02\xa3ack\xa2id"),
        Ok(&b"id"[..])
    );
    for message in [
        &b"\x80"[..],
        b"\xc0",
        b"\x81\xa3ack\x07",
        b"\x81\xa3nak\xa2id",
    ] {
        assert_eq!(read_ack(message), Err(InvalidAck::NotAnAck));
    }
    assert!(matches!(
        read_ack(b"\x81\xa3ack"),
        Err(InvalidAck::Malformed(_))
    ));
}

#[test]
fn json_messages_become_the_same_entries() {
    let single = JsonMessage::read(br#"["app", 1, {"a": 1}, {"chunk": "id"}]"#).unwrap();
    assert_eq!(single.tag, "app");
    assert_eq!(single.payload, b"\x92\x01\x81\xa1a\x01");
    assert_eq!(single.chunk.as_deref(), Some("\"id\""));
    let many = JsonMessage::read(br#" ["app", [[1, {"a": 1}], [2, {"a": 2}]]]"#).unwrap();
    assert_eq!(many.payload, ENTRIES);
    assert_eq!(many.chunk, None);
    let many = JsonMessage::read(br#"["app", [], {"size": 0, "chunk": 7}]"#).unwrap();
    assert_eq!((many.payload, many.chunk), (vec![], Some("7".to_owned())));
}

#[test]
fn a_json_chunk_is_echoed_byte_for_byte() {
    for (chunk, id) in [
        (r#""a\u00e9\n""#, "aé\n"),
        ("1.50e3", "1.50e3"),
        (r#"{"b": [1,  2]}"#, r#"{"b": [1,  2]}"#),
        ("true", "true"),
    ] {
        let text = format!(r#"["app", [], {{"size": 0, "chunk": {chunk} }}]"#);
        let message = JsonMessage::read(text.as_bytes()).unwrap();
        assert_eq!(message.chunk.as_deref(), Some(chunk));
        assert_eq!(message.batch_id(), id);
        let mut ack = Vec::new();
        json::write_ack(&mut ack, chunk);
        assert_eq!(ack, format!(r#"{{"ack":{chunk}}}"#).as_bytes());
    }
    for options in ["null", "5", "{}", r#"{"chunk": null}"#] {
        let text = format!(r#"["app", 1, {{}}, {options}]"#);
        assert_eq!(JsonMessage::read(text.as_bytes()).unwrap().chunk, None);
    }
}

#[test]
fn json_that_is_no_message_is_refused() {
    assert_eq!(JsonMessage::read(b"{\"a\": 1}"), Err(Invalid::NotAnArray));
    for text in ["[]", "[1, [], {}]", "[\"\", []]", "[null, []]"] {
        assert_eq!(JsonMessage::read(text.as_bytes()), Err(Invalid::Tag));
    }
    for text in ["[\"a\"]", "[\"a\", 1]"] {
        assert_eq!(JsonMessage::read(text.as_bytes()), Err(Invalid::TooShort));
    }
    for text in [
        "[\"a\", [}]",
        "[\"a\" 1]",
        "[\"a\", \"packed\"]",
        "[\"a\", 1, {]}",
    ] {
        let read = JsonMessage::read(text.as_bytes());
        assert!(matches!(read, Err(Invalid::MalformedJson { .. })), "{text}");
    }
}

/// Messages right, cut, with a byte changed, and noise.
fn hostile_message() -> impl Strategy<Value = Vec<u8>> {
    let real = prop_oneof![
        Just(concat(&[
            b"\x94\xa3app\x01\x81\xa1k\xa1v\x81\xa5chunk\xa2id"
        ])),
        Just(concat(&[
            b"\x93\xa3app\x92",
            ENTRIES,
            b"\x82\xa5chunk\xa2id\xa4size\x02"
        ])),
        Just(concat(&[
            b"\x93\xa3app\xc4\x0c",
            ENTRIES,
            b"\x81\xaacompressed\xa4gzip"
        ])),
    ];
    let damaged = (real, any::<(usize, u8, usize)>()).prop_map(|(mut bytes, (at, byte, len))| {
        let index = at % bytes.len();
        bytes[index] = byte;
        bytes.truncate(len % bytes.len() + 1);
        bytes
    });
    prop_oneof![damaged, any::<Vec<u8>>()]
}

proptest! {
    #[test]
    fn pieces_are_scanned_as_the_whole(
        bytes in hostile_message(),
        piece_size in 1..8_usize,
    ) {
        let mut scanner = Scanner::new();
        let mut seen = 0;
        let pieces = loop {
            seen = (seen + piece_size).min(bytes.len());
            match scanner.advance(&bytes[..seen]) {
                Err(msgpack::Error::Incomplete { needed }) if seen < bytes.len() => {
                    prop_assert!(needed > 0);
                }
                end => break end,
            }
        };
        prop_assert_eq!(&pieces, &Scanner::new().advance(&bytes));
        if let Ok(layout) = pieces {
            prop_assert!(layout.len <= bytes.len());
            prop_assert_eq!(layout.len, msgpack::value_len(&bytes).unwrap());
            let _ = Message::read(&bytes, &layout);
        }
        let _ = read_ack(&bytes);
        let _ = JsonMessage::read(&bytes);
    }

    #[test]
    fn a_scanner_goes_on_with_the_next_message(piece_size in 1..50_usize) {
        let stream = concat(&[
            b"\x94\xa3app\x01\x81\xa1k\xa1v\x81\xa5chunk\xa2id\xc0",
            b"\x93\xa3app\x92", ENTRIES, b"\x82\xa5chunk\xa2id\xa4size\x02",
            b"\x92\xa3app\xc4\x0c", ENTRIES,
        ]);
        let mut scanner = Scanner::new();
        let (mut start, mut seen, mut batch_count) = (0, 0, 0);
        while seen < stream.len() {
            seen = (seen + piece_size).min(stream.len());
            while let Ok(layout) = scanner.advance(&stream[start..seen]) {
                let message = Message::read(&stream[start..], &layout).unwrap();
                batch_count += usize::from(message.is_some());
                start += layout.len;
            }
        }
        prop_assert_eq!((batch_count, start), (3, stream.len()));
    }
}
