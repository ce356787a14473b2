use proptest::prelude::*;

use super::*;
use crate::msgpack::testing::{encode, hostile_bytes, value as any_value};
use crate::msgpack::{value_len, write};

fn json(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    assert_eq!(value(&mut out, bytes), Ok(bytes.len()));
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[test]
fn each_line_of_the_table_holds() {
    for (bytes, text) in [
        (&[0xc0][..], "null"),
        (&[0xc2], "false"),
        (&[0xc3], "true"),
        (&[0x92, 0x01, 0xe0], "[1,-32]"),
        (&[0x90], "[]"),
        (&[0x80], "{}"),
        (
            b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            "18446744073709551615",
        ),
        (b"\xd3\x80\0\0\0\0\0\0\0", "-9223372036854775808"),
        (b"\xca\x3d\xcc\xcc\xcd", "0.1"),
        (b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1"),
        (b"\xcb\x3f\xf0\0\0\0\0\0\0", "1.0"),
        (b"\xcb\x44\x15\xaf\x1d\x78\xb5\x8c\x40", "1e20"),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", "null"),
        (b"\xcb\x7f\xf0\0\0\0\0\0\0", "null"),
        (b"\xca\xff\x80\0\0", "null"),
        (b"\xa4a\"\\\n", r#""a\"\\\n""#),
        (b"\xa6\x00\x1f\x08\x0c\r\t", r#""\u0000\u001f\b\f\r\t""#),
        (b"\xa1\x7f", "\"\u{7f}\""),
        (b"\xa4a\xffb\xfe", "\"a\u{fffd}b\u{fffd}\""),
        (b"\xa3\xe2\x82\xac", "\"\u{20ac}\""),
        (b"\xc4\x04\x00\xff\x10\x20", r#""AP8QIA==""#),
        (
            b"\xd7\x00\x69\x20\x1a\x80\x07\x5b\xcd\x15",
            r#""2025-11-21T07:53:36.123456789Z""#,
        ),
        (
            b"\xc7\x08\x00\x69\x20\x1a\x80\0\0\0\0",
            r#""2025-11-21T07:53:36Z""#,
        ),
        (b"\xd6\xff\0\0\0\x01", r#""1970-01-01T00:00:01Z""#),
        (
            b"\xd7\xff\0\0\0\x04\0\0\0\x01",
            r#""1970-01-01T00:00:01.000000001Z""#,
        ),
        (
            b"\xc7\x0c\xff\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff",
            r#""1969-12-31T23:59:59.000000001Z""#,
        ),
        (
            b"\xc7\x0c\xff\0\0\0\x01\x7f\xff\xff\xff\xff\xff\xff\xff",
            r#"{"type":-1,"data":"AAAAAX//////////"}"#,
        ),
        (b"\xd4\x00\x01", r#"{"type":0,"data":"AQ=="}"#),
        (b"\xd5\x07\x01\x02", r#"{"type":7,"data":"AQI="}"#),
        (b"\x82\xa1a\x01\xa1a\x02", r#"{"a":1,"a":2}"#),
        (b"\x81\x01\x02", r#"{"1":2}"#),
        (b"\x81\xc0\xc0", r#"{"null":null}"#),
        (b"\x81\xc3\x01", r#"{"true":1}"#),
        (b"\x81\xca\x3f\xc0\0\0\x01", r#"{"1.5":1}"#),
        (b"\x81\xc4\x01a\x01", r#"{"YQ==":1}"#),
        (
            b"\x81\xd4\x07a\x01",
            r#"{"{\"type\":7,\"data\":\"YQ==\"}":1}"#,
        ),
        (b"\x81\x92\x01\xa1b\x01", r#"{"[1,\"b\"]":1}"#),
        (b"\x81\x81\x90\x01\x02", r#"{"{\"kA==\":1}":2}"#),
    ] {
        assert_eq!(json(bytes), text, "{bytes:02x?}");
    }
}

#[test]
fn keys_inside_keys_cannot_blow_the_output_up() {
    let mut bytes = vec![0x81; 127];
    bytes.extend([0x80; 128]);
    assert_eq!(value_len(&bytes), Ok(bytes.len()));
    assert!(json(&bytes).len() < 3 * bytes.len());
}

/// A key in a key is passed over, not written; its depth counts all the same.
#[test]
fn keys_inside_keys_are_as_deep_as_any_value() {
    for (arrays, is_too_deep) in [(126, false), (127, true)] {
        let mut bytes = vec![0x81, 0x81];
        bytes.extend(std::iter::repeat_n(0x91, arrays));
        bytes.extend([0xc0; 3]);
        let written = value(&mut Vec::new(), &bytes);
        assert_eq!(matches!(written, Err(Error::TooDeep { .. })), is_too_deep);
        assert_eq!(written, value_len(&bytes));
    }
}

#[test]
fn members_are_written_without_braces() {
    let mut out = b"{\"tag\":\"t\"".to_vec();
    assert_eq!(members(&mut out, b',', b"\x82\xa1a\x01\x02\x80\xc0"), Ok(6));
    assert_eq!(out, br#"{"tag":"t","a":1,"2":{}"#);
    assert_eq!(members(&mut out, b',', b"\x80\xc0"), Ok(1));
    assert_eq!(members(&mut out, b',', b"\x90\xc0"), Ok(0));
    assert_eq!(out, br#"{"tag":"t","a":1,"2":{}"#);
}

#[test]
fn an_error_leaves_the_output_as_it_was() {
    let mut out = b"kept".to_vec();
    let short = value(&mut out, b"\x92\xa1a");
    assert_eq!(short, Err(Error::Incomplete { needed: 1 }));
    let deep = value(&mut out, &[0x91; 200]);
    assert!(matches!(deep, Err(Error::TooDeep { .. })));
    assert_eq!(out, b"kept");
}

/// What serde_json makes of the table, for values that both can hold.
fn expected(value: &rmpv::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        rmpv::Value::Boolean(value) => Json::from(*value),
        rmpv::Value::Integer(value) => match value.as_i64() {
            Some(value) => Json::from(value),
            None => Json::from(value.as_u64().unwrap()),
        },
        rmpv::Value::F32(value) if value.is_finite() => {
            serde_json::from_str(ryu::Buffer::new().format(*value)).unwrap()
        }
        rmpv::Value::F64(value) => Json::from(*value),
        rmpv::Value::String(value) => {
            Json::from(String::from_utf8_lossy(value.as_bytes()).into_owned())
        }
        rmpv::Value::Binary(value) => Json::from(BASE64.encode(value)),
        rmpv::Value::Array(values) => Json::Array(values.iter().map(expected).collect()),
        _ => Json::Null,
    }
}

fn has_no_maps_or_extensions(value: &rmpv::Value) -> bool {
    match value {
        rmpv::Value::Array(values) => values.iter().all(has_no_maps_or_extensions),
        value => !value.is_map() && !value.is_ext(),
    }
}

/// The table once more, by a tree of values and pieces of text.
fn plainly(value: &rmpv::Value, is_in_key: bool) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    match value {
        rmpv::Value::Boolean(value) => value.to_string(),
        rmpv::Value::Integer(value) => value.to_string(),
        rmpv::Value::F32(value) if value.is_finite() => {
            ryu::Buffer::new().format(*value).to_owned()
        }
        rmpv::Value::F64(value) if value.is_finite() => {
            ryu::Buffer::new().format(*value).to_owned()
        }
        rmpv::Value::String(text) => quoted(&String::from_utf8_lossy(text.as_bytes())),
        rmpv::Value::Binary(bytes) => quoted(&BASE64.encode(bytes)),
        rmpv::Value::Array(values) => {
            let values: Vec<_> = values
                .iter()
                .map(|value| plainly(value, is_in_key))
                .collect();
            format!("[{}]", values.join(","))
        }
        rmpv::Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| {
                let nests = key.is_array() || key.is_map();
                let key = match plainly(key, true) {
                    _ if nests && is_in_key => quoted(&BASE64.encode(encode(key))),
                    text if text.starts_with('"') => text,
                    text => quoted(&text),
                };
                format!("{key}:{}", plainly(value, is_in_key))
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        rmpv::Value::Ext(kind, data) => match time::moment(*kind, data) {
            Some(moment) => quoted(&moment.to_string()),
            None => format!("{{\"type\":{kind},\"data\":\"{}\"}}", BASE64.encode(data)),
        },
        _ => "null".to_owned(),
    }
}

/// A string of any length about those at which it is written another way, with what needs care.
fn text_about_a_lane() -> impl Strategy<Value = rmpv::Value> {
    "[ -~]{0,40}(|[\"\\\\\u{0}-\u{1f}]|\u{e4}|\u{20ac})[ -~]{0,40}".prop_map(rmpv::Value::from)
}

proptest! {
    /// A value at the end of what there is, and one with something behind it, take different ways.
    #[test]
    fn values_are_written_as_a_plain_writer_writes_them(
        value in prop_oneof![
            any_value(),
            proptest::collection::vec((text_about_a_lane(), text_about_a_lane()), 0..8)
                .prop_map(rmpv::Value::Map),
        ],
        behind in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let expected = plainly(&value, false);
        let mut bytes = encode(&value);
        prop_assert_eq!(&json(&bytes), &expected);
        let len = bytes.len();
        bytes.extend(behind);
        let mut out = b"before".to_vec();
        prop_assert_eq!(super::value(&mut out, &bytes), Ok(len));
        prop_assert_eq!(&out[6..], expected.as_bytes());
    }

    #[test]
    fn values_read_back_as_what_they_were(value in any_value()) {
        let text = json(&encode(&value));
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        if has_no_maps_or_extensions(&value) {
            prop_assert_eq!(read, expected(&value));
        }
    }

    #[test]
    fn hostile_bytes_are_judged_as_the_walk_judges_them(bytes in hostile_bytes()) {
        let mut out = Vec::new();
        let written = value(&mut out, &bytes);
        match value_len(&bytes) {
            Ok(len) => {
                prop_assert_eq!(written, Ok(len));
                let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&out).is_ok();
                prop_assert!(is_json, "{}", String::from_utf8_lossy(&out));
            }
            Err(_) => prop_assert!(written.is_err() && out.is_empty()),
        }
    }
}

#[test]
fn a_record_written_here_reads_as_json() {
    let mut record = Vec::new();
    write::map_head(&mut record, 1);
    write::str(&mut record, b"n");
    write::int(&mut record, -5);
    assert_eq!(json(&record), r#"{"n":-5}"#);
}
