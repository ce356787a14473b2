use std::io::Read as _;

use bytes::Bytes;
use forebay_storage::{ChunkKey, KeyField, KeyValue, TimeWindow};

use super::super::{Chunk, ChunkError, Custom};
use crate::event::Timestamp;
use crate::output::testing::{chunk, chunk_with_key, numbered, unreadable_chunk};
use crate::output::{EventRef, OwnedEvent};

/// The value of `n` in a record.
fn n(event: EventRef<'_>) -> u64 {
    let record: serde_json::Value = event.decode().unwrap();
    record["n"].as_u64().unwrap()
}

fn of_two_tags() -> Chunk {
    chunk(&[("a", numbered(3, 10)), ("b", numbered(2, 0))])
}

/// The chunk with one line an event, but for those whose number is odd.
fn even_lines(chunk: Chunk) -> Chunk<Custom> {
    let format = |event: EventRef<'_>| {
        let n = n(event);
        n.is_multiple_of(2)
            .then(|| Bytes::from(format!("{} {n}\n", event.tag)))
    };
    chunk.in_form(Custom::new(format))
}

#[test]
fn f13_metadata_has_what_is_among_the_chunk_keys() {
    let key = ChunkKey {
        tag: Some("app.web".to_owned()),
        window: Some(TimeWindow {
            start_s: 3600,
            len_s: 60,
        }),
        fields: [KeyField {
            path: "user".to_owned(),
            value: KeyValue::Str("ann".to_owned()),
        }]
        .into(),
    };
    let keyed = chunk_with_key(&key, &[("app.web", numbered(1, 0))]);
    let metadata = keyed.metadata();
    assert_eq!(metadata.timekey, Timestamp::from_s(3600));
    assert_eq!(metadata.tag, Some("app.web"));
    let user = KeyValue::Str("ann".to_owned());
    assert_eq!(metadata.variable("user"), Some(&user));
    assert_eq!(metadata.variable("host"), None);

    let bare = of_two_tags();
    let metadata = bare.metadata();
    assert_eq!((metadata.timekey, metadata.tag), (None, None));
    assert!(metadata.variables.is_none());
}

#[test]
fn f23_f24_the_id_is_sixteen_bytes_and_printable() {
    let chunk = of_two_tags();
    let printed = chunk.id().to_string();
    assert_eq!(chunk.id().as_bytes().len(), 16);
    assert_eq!(printed.len(), 32);
    assert!(printed.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn f23_the_bytes_are_the_same_however_they_are_read() {
    let chunk = of_two_tags();
    let expected = [numbered(3, 10), numbered(2, 0)].concat();
    assert_eq!(chunk.read().unwrap(), expected);
    assert_eq!(chunk.payload_len(), expected.len() as u64);
    let mut streamed = Vec::new();
    chunk.reader().unwrap().read_to_end(&mut streamed).unwrap();
    assert_eq!(streamed, expected);
    let mut byte_by_byte = Vec::new();
    let mut reader = chunk.reader().unwrap();
    let mut byte = [0];
    while reader.read(&mut byte).unwrap() > 0 {
        byte_by_byte.extend(byte);
    }
    assert_eq!(byte_by_byte, expected);
    let mut written = Vec::new();
    let len = chunk.write_to(&mut written).unwrap();
    assert_eq!((written.len() as u64, written), (len, expected));
}

#[test]
fn f20_f25_the_standard_format_has_its_records_in_order() {
    let chunk = of_two_tags();
    let owned: Result<Vec<OwnedEvent>, _> = chunk.records().unwrap().collect();
    let owned = owned.unwrap();
    let seen: Vec<_> = owned
        .iter()
        .map(|event| (event.tag.as_str(), event.time.s(), n(event.as_event())))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", 1, 0),
            ("a", 2, 1),
            ("a", 3, 2),
            ("b", 1, 0),
            ("b", 2, 1)
        ]
    );
    let mut each = Vec::new();
    let walked: Result<(), ChunkError> = chunk.each(|event| {
        each.push(event.to_owned());
        Ok(())
    });
    walked.unwrap();
    assert_eq!(each, owned);
}

#[test]
fn f19_a_custom_format_is_applied_to_each_event_and_may_leave_it_out() {
    let lines = even_lines(of_two_tags());
    let expected = b"a 0\na 2\nb 0\n";
    assert_eq!(lines.read().unwrap(), expected);
    let mut streamed = Vec::new();
    lines.reader().unwrap().read_to_end(&mut streamed).unwrap();
    assert_eq!(streamed, expected);
}

#[test]
fn an_event_that_is_none_ends_the_records_with_an_error() {
    let mut payload = numbered(1, 0);
    payload.push(0xc0);
    payload.extend(numbered(1, 0));
    let chunk = chunk(&[("t", payload)]);
    let mut records = chunk.records().unwrap();
    assert!(records.next().unwrap().is_ok());
    assert!(matches!(
        records.next(),
        Some(Err(ChunkError::Event { .. }))
    ));
    assert!(records.next().is_none());
}

#[test]
fn a_chunk_that_cannot_be_opened_says_so() {
    let gone = unreadable_chunk();
    assert!(matches!(gone.read(), Err(ChunkError::Read(_))));
    assert!(gone.reader().is_err() && gone.records().is_err());
}
