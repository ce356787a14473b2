//! From a body to entries.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::head::Format;
use super::refusal::Refusal;
use crate::event::{Timestamp, entries_from_json, entries_from_ndjson, write_entry};
use crate::msgpack::{Cursor, Value};
use crate::wire::compression::Codec;

/// By how much a body can grow at most: `1` and a line feed become an entry of 12 bytes.
pub(super) const GROWTH_MAX: usize = 6;

/// How to read a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoding {
    /// How it is packed.
    pub(super) codec: Option<Codec>,
    /// What it holds.
    pub(super) format: Format,
    /// The time of events that have none of their own.
    pub(super) time: Timestamp,
    /// Most bytes it may have unpacked.
    pub(super) unpacked_size_max: usize,
}

impl Decoding {
    /// The entries in `body`, back to back.
    ///
    /// What is no object or map becomes an entry whose record is no map: the intake sets it aside.
    ///
    /// # Errors
    /// The body is not what it should be, with the place.
    pub(super) fn entries(&self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let unpacked;
        let body = match self.codec {
            None => body,
            Some(codec) => {
                unpacked = codec.unpack(body, self.unpacked_size_max)?;
                &unpacked
            }
        };
        // Most JSON becomes a little shorter than it was.
        let mut out = Vec::with_capacity(body.len());
        append(&mut out, self.format, self.time, body)?;
        Ok(out)
    }
}

fn append(out: &mut Vec<u8>, format: Format, time: Timestamp, body: &[u8]) -> Result<(), Refusal> {
    match format {
        Format::Json => entries_from_json(out, time, body).map(drop)?,
        Format::Ndjson => entries_from_ndjson(out, time, body).map(drop)?,
        Format::Msgpack => append_msgpack(out, time, body)?,
        Format::Form => {
            let (format, field) = form_field(body).ok_or(Refusal::Form)?;
            append(out, format, time, &field)?;
        }
    }
    Ok(())
}

/// The first field `json` or `msgpack`; never a form again.
fn form_field(body: &[u8]) -> Option<(Format, Vec<u8>)> {
    let fields = body.split(|byte| *byte == b'&');
    let mut known = fields.filter_map(|field| {
        if let Some(json) = field.strip_prefix(b"json=") {
            return Some((Format::Json, form_decoded(json)));
        }
        let msgpack = field.strip_prefix(b"msgpack=")?;
        Some((Format::Msgpack, form_decoded(msgpack)))
    });
    known.next()
}

fn form_decoded(value: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = value
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    match Cow::from(percent_decode(&spaced)) {
        Cow::Owned(decoded) => decoded,
        Cow::Borrowed(_) => spaced,
    }
}

fn append_msgpack(out: &mut Vec<u8>, time: Timestamp, body: &[u8]) -> Result<(), Refusal> {
    let mut cursor = Cursor::new(body);
    while !cursor.is_at_end() {
        let offset = cursor.position();
        let wrong = |source| Refusal::Msgpack { offset, source };
        let value = cursor.skip().map_err(wrong)?;
        let mut inside = Cursor::new(value);
        match inside.read().map_err(wrong)? {
            Value::Array(_) if is_entry(value) => out.extend_from_slice(value),
            Value::Array(count) => {
                for _ in 0..count {
                    append_event(out, time, inside.skip().map_err(wrong)?);
                }
            }
            _ => append_event(out, time, value),
        }
    }
    Ok(())
}

/// Arrays are taken for entries, everything else for records.
fn append_event(out: &mut Vec<u8>, time: Timestamp, value: &[u8]) {
    match Cursor::new(value).read() {
        Ok(Value::Array(_)) => out.extend_from_slice(value),
        _ => write_entry(out, time, value),
    }
}

/// Whether an array is one entry, `[time, {...}]` or `[[time, {...}], {...}]`, and not a list of
/// events: a list of two records begins with a map, one of two entries does not end with one.
fn is_entry(array: &[u8]) -> bool {
    let mut cursor = Cursor::new(array);
    let Ok(Value::Array(2)) = cursor.read() else {
        return false;
    };
    let is_map = |value: Result<&[u8], _>| {
        value.is_ok_and(|value| matches!(Cursor::new(value).read(), Ok(Value::Map(_))))
    };
    !is_map(cursor.skip()) && is_map(cursor.skip())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{check, entries};

    const ARRIVAL: Timestamp = Timestamp::from_ns(5_000_000_000);

    fn decode(format: Format, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let decoding = Decoding {
            codec: None,
            format,
            time: ARRIVAL,
            unpacked_size_max: 0,
        };
        decoding.entries(body)
    }

    /// The times in seconds and the records' bytes; -1 where an entry is bad.
    fn events(format: Format, body: &[u8]) -> Vec<(i64, Vec<u8>)> {
        let payload = decode(format, body).unwrap();
        let shown = entries(&payload).map(|entry| match entry {
            Ok(entry) => (entry.time.s(), entry.record.to_vec()),
            Err(bad) => (-1, bad.bytes.to_vec()),
        });
        shown.collect()
    }

    const A1: &[u8] = b"\x81\xa1a\x01";
    const A2: &[u8] = b"\x81\xa1a\x02";

    #[test]
    fn json_is_an_object_or_an_array_of_objects() {
        let one = vec![(5, A1.to_vec())];
        assert_eq!(events(Format::Json, br#" {"a":1} "#), one);
        let two = vec![(5, A1.to_vec()), (5, A2.to_vec())];
        assert_eq!(events(Format::Json, br#"[{"a":1},{"a":2}]"#), two);
        assert_eq!(events(Format::Json, b"[]"), vec![]);
        assert!(matches!(
            decode(Format::Json, b""),
            Err(Refusal::Json { .. })
        ));
    }

    #[test]
    fn one_bad_line_refuses_the_whole_body_and_is_named() {
        let two = vec![(5, A1.to_vec()), (5, A2.to_vec())];
        assert_eq!(events(Format::Ndjson, b"{\"a\":1}\r\n\n{\"a\":2}\n"), two);
        let refused = decode(Format::Ndjson, b"{\"a\":1}\n{\"a\":\n{\"a\":2}").unwrap_err();
        let text = refused.to_string();
        assert!(text.starts_with("not JSON at line 2, column"), "{text}");
        assert!(text.ends_with("ends early"), "{text}");
    }

    #[test]
    fn msgpack_is_records_entries_or_lists_of_them() {
        let entry = [&[0x92, 0x07], A2].concat();
        let expected = vec![(5, A1.to_vec()), (7, A2.to_vec())];
        let back_to_back = [A1, &entry].concat();
        assert_eq!(events(Format::Msgpack, &back_to_back), expected);
        let list = [&[0x92], A1, &entry].concat();
        assert_eq!(events(Format::Msgpack, &list), expected);
        let records = [&[0x92], A1, A2].concat();
        let both = vec![(5, A1.to_vec()), (5, A2.to_vec())];
        assert_eq!(events(Format::Msgpack, &records), both);
        let entries = [&[0x92], entry.as_slice(), &entry].concat();
        let twice = vec![(7, A2.to_vec()), (7, A2.to_vec())];
        assert_eq!(events(Format::Msgpack, &entries), twice);
        let with_metadata = [&[0x92, 0x92, 0x07, 0x80], A1].concat();
        assert_eq!(
            events(Format::Msgpack, &with_metadata),
            vec![(7, A1.to_vec())]
        );
    }

    #[test]
    fn what_is_no_record_is_left_to_the_intake_to_set_aside() {
        let bad = |format, body: &[u8]| {
            let seen = events(format, body);
            seen.iter().filter(|(time, _)| *time == -1).count()
        };
        assert_eq!(bad(Format::Msgpack, b"\x05"), 1);
        assert_eq!(bad(Format::Msgpack, b"\x93\x05\xa1x\x80"), 2);
        assert_eq!(bad(Format::Json, b"[1,{}]"), 1);
    }

    #[test]
    fn msgpack_that_breaks_off_is_refused_with_the_place() {
        let refused = decode(Format::Msgpack, &[A1, b"\x82\xa1a"].concat()).unwrap_err();
        assert!(refused.to_string().contains("at byte 4"), "{refused}");
    }

    #[test]
    fn a_form_holds_json_or_msgpack_in_a_field() {
        let one = vec![(5, b"\x81\xa1a\xa3b c".to_vec())];
        assert_eq!(
            events(Format::Form, b"x=1&json=%7B%22a%22:%22b+c%22%7D"),
            one
        );
        assert_eq!(events(Format::Form, b"json={\"a\":\"b%20c\"}"), one);
        let msgpack = vec![(5, A1.to_vec())];
        assert_eq!(events(Format::Form, b"msgpack=%81%A1a%01"), msgpack);
        for body in [b"".as_slice(), b"{\"a\":1}", b"xjson={}"] {
            assert!(matches!(decode(Format::Form, body), Err(Refusal::Form)));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_decoded_is_msgpack_and_grows_by_no_more_than_the_bound(
            body: Vec<u8>,
            format in prop::sample::select(vec![
                Format::Json, Format::Ndjson, Format::Msgpack, Format::Form,
            ]),
        ) {
            if let Ok(payload) = decode(format, &body) {
                prop_assert!(check(&payload).is_ok());
                prop_assert!(payload.len() <= body.len() * 12);
            }
        }

        #[test]
        fn the_shortest_lines_grow_by_no_more_than_the_bound(lines in 1_usize..2_000) {
            let body = b"1\n".repeat(lines);
            let payload = decode(Format::Ndjson, &body).unwrap();
            prop_assert!(payload.len() <= body.len() * GROWTH_MAX);
        }
    }
}
