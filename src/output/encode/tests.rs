use rmpv::Value;

use super::*;
use crate::msgpack::testing::encode as packed;

/// 2025-11-21T07:54:56.000000042Z as an `EventTime`.
const EVENT_TIME: &[u8] = b"\xd7\x00\x69\x20\x1a\xd0\x00\x00\x00\x2a";
const TIME_TEXT: &str = "2025-11-21T07:54:56.000000042Z";

fn entry(record: &Value) -> Vec<u8> {
    [b"\x92", EVENT_TIME, &packed(record)].concat()
}

fn map(pairs: &[(Value, Value)]) -> Value {
    Value::Map(pairs.to_vec())
}

fn record(pairs: &[(&str, Value)]) -> Value {
    Value::Map(
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect(),
    )
}

fn columns(names: &[&str]) -> Format {
    let fields = names.iter().map(ToString::to_string).collect();
    Format::of_file(&FileFormat::Csv { fields }).unwrap()
}

fn written(format: &Format, payload: &[u8]) -> Vec<u8> {
    let mut writer = EventWriter::new(format.clone(), Compression::None, Vec::new()).unwrap();
    writer.write_payload("app.web", payload).unwrap();
    writer.finish().unwrap()
}

/// The line of one event; the string `a?b` in its record is stored as bytes that are not UTF-8.
fn text(format: &Format, record: &Value) -> String {
    let mut entry = entry(record);
    if let Some(at) = entry.windows(3).position(|bytes| bytes == b"a?b") {
        entry[at + 1] = 0xff;
    }
    String::from_utf8(written(format, &entry)).unwrap()
}

#[test]
fn ndjson_puts_time_and_tag_before_the_fields() {
    for (record, expected) in [
        (record(&[]), r#""time":"T","tag":"app.web""#),
        (
            record(&[("a", 1.into()), ("b", "x\n\"".into())]),
            r#""time":"T","tag":"app.web","a":1,"b":"x\n\"""#,
        ),
    ] {
        let expected = format!("{{{}}}\n", expected.replace('T', TIME_TEXT));
        assert_eq!(text(&Format::Ndjson, &record), expected);
    }
}

#[test]
fn a_records_own_time_and_tag_stand_where_they_are() {
    for (record, expected) in [
        (
            record(&[("a", 1.into()), ("time", 2.into())]),
            r#"{"tag":"app.web","a":1,"time":2}"#,
        ),
        (
            record(&[("tag", Value::Nil), ("time", "x".into())]),
            r#"{"tag":null,"time":"x"}"#,
        ),
        (
            map(&[
                (Value::Binary(b"tag".to_vec()), 1.into()),
                ("time".into(), 2.into()),
            ]),
            r#"{"tag":"app.web","dGFn":1,"time":2}"#,
        ),
    ] {
        assert_eq!(text(&Format::Ndjson, &record), format!("{expected}\n"));
    }
}

#[test]
fn json_is_the_record_alone_and_odd_values_have_a_defined_form() {
    for (value, expected) in [
        ("a?b".into(), "\"a\u{fffd}b\""),
        (Value::Binary(vec![0, 0xff]), r#""AP8=""#),
        (Value::F64(f64::NAN), "null"),
        (Value::F64(f64::NEG_INFINITY), "null"),
        (Value::F32(0.1), "0.1"),
        (u64::MAX.into(), "18446744073709551615"),
        (i64::MIN.into(), "-9223372036854775808"),
        (
            Value::Ext(0, EVENT_TIME[2..].to_vec()),
            r#""2025-11-21T07:54:56.000000042Z""#,
        ),
        (Value::Ext(7, vec![1]), r#"{"type":7,"data":"AQ=="}"#),
        (map(&[(1.into(), 2.into())]), r#"{"1":2}"#),
    ] {
        let line = text(&Format::Json, &record(&[("v", value)]));
        assert_eq!(line, format!("{{\"v\":{expected}}}\n"));
    }
}

#[test]
fn a_json_array_is_one_text_however_many_payloads_there_are() {
    let array = |payload_count| {
        let mut writer =
            EventWriter::new(Format::JsonArray, Compression::None, Vec::new()).unwrap();
        let payload = [entry(&record(&[])), entry(&record(&[("a", 1.into())]))].concat();
        for _ in 0..payload_count {
            writer.write_payload("t", &payload).unwrap();
        }
        let text = writer.finish().unwrap();
        let array: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
        array
    };
    assert!(array(0).is_empty());
    assert_eq!(array(2).len(), 4);
    assert_eq!(array(2)[3]["a"], 1);
    assert_eq!(array(2)[3]["tag"], "t");
}

#[test]
fn csv_has_the_named_fields_in_their_order() {
    let format = columns(&["time", "b", "$.n.x", "tag", "none", "a"]);
    let event = record(&[
        ("a", "x,y".into()),
        ("b", "say \"so\"\n".into()),
        ("n", record(&[("x", 1.5.into())])),
    ]);
    let expected = format!("{TIME_TEXT},\"say \"\"so\"\"\n\",1.5,app.web,,\"x,y\"\n");
    assert_eq!(text(&format, &event), expected);
}

#[test]
fn csv_writes_each_kind_of_value_as_text() {
    for (value, expected) in [
        (Value::Nil, "\"\""),
        ("".into(), "\"\""),
        (true.into(), "true"),
        (u64::MAX.into(), "18446744073709551615"),
        (Value::F64(f64::NAN), "null"),
        ("a?b".into(), "a\u{fffd}b"),
        (Value::Binary(vec![0, 0xff]), "AP8="),
        (Value::Ext(0, EVENT_TIME[2..].to_vec()), TIME_TEXT),
        (
            Value::Array(vec![1.into(), "x".into()]),
            "\"[1,\"\"x\"\"]\"",
        ),
        (record(&[("k", Value::Nil)]), "\"{\"\"k\"\":null}\""),
        ("é \u{1f600}".into(), "é \u{1f600}"),
    ] {
        let line = text(&columns(&["v"]), &record(&[("v", value)]));
        assert_eq!(line, format!("{expected}\n"));
    }
}

#[test]
fn long_csv_fields_are_quoted_to_their_end() {
    for len in [250, 255, 256, 257, 10_000] {
        for unit in ["x", "\"", ","] {
            let value = unit.repeat(len);
            let line = text(
                &columns(&["v", "w"]),
                &record(&[("v", value.as_str().into())]),
            );
            let quoted = format!("\"{}\"", value.replace('"', "\"\""));
            let expected = if unit == "x" { value } else { quoted };
            assert_eq!(line, format!("{expected},\n"));
        }
    }
}

#[test]
fn the_records_own_time_and_tag_fill_their_columns() {
    let event = record(&[("time", 5.into()), ("tag", Value::Nil)]);
    assert_eq!(text(&columns(&["time", "tag"]), &event), "5,\n");
}

#[test]
fn a_csv_field_that_is_no_path_is_refused() {
    let fields = vec!["a b".to_owned()];
    assert!(Format::of_file(&FileFormat::Csv { fields }).is_err());
}

#[test]
fn ltsv_replaces_what_would_break_a_line() {
    for (event, expected) in [
        (record(&[]), "time:T\ttag:app.web"),
        (
            record(&[("a:b\tc", "x\ty\r\nz\\n".into())]),
            "time:T\ttag:app.web\ta_b_c:x\\ty\\r\\nz\\n",
        ),
        (
            record(&[("time", 1.into()), ("tag", Value::Nil)]),
            "time:1\ttag:",
        ),
        (
            map(&[(7.into(), record(&[("k", "a\tb".into())]))]),
            "time:T\ttag:app.web\t7:{\"k\":\"a\\tb\"}",
        ),
        (
            record(&[("v", "a?b".into()), ("", 1.into())]),
            "time:T\ttag:app.web\tv:a\u{fffd}b\t:1",
        ),
    ] {
        let expected = format!("{}\n", expected.replace('T', TIME_TEXT));
        assert_eq!(text(&Format::Ltsv, &event), expected);
    }
}

#[test]
fn msgpack_is_what_was_stored() {
    let payload = b"\x92\x05\x81\xa1a\x01\x92\x92\x05\x80\x80";
    assert_eq!(written(&Format::Msgpack, payload), payload);
}

#[test]
fn both_forms_of_times_and_entries_are_read() {
    for (payload, time) in [
        (&b"\x92\x05\x80"[..], "1970-01-01T00:00:05.000000000Z"),
        (b"\x92\xff\x80", "1969-12-31T23:59:59.000000000Z"),
        (
            b"\x92\x92\xd7\0\0\0\0\x01\0\0\0\x02\x81\xa1m\x01\x80",
            "1970-01-01T00:00:01.000000002Z",
        ),
    ] {
        let line = String::from_utf8(written(&Format::Ndjson, payload)).unwrap();
        assert_eq!(
            line,
            format!("{{\"time\":\"{time}\",\"tag\":\"app.web\"}}\n")
        );
    }
}

#[test]
fn more_than_is_collected_at_a_time_is_written_in_order() {
    let events: Vec<u8> = (0..5_000)
        .flat_map(|index: u32| entry(&record(&[("index", index.into())])))
        .collect();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut writer = EventWriter::new(Format::Json, compression, Vec::new()).unwrap();
        writer.write_payload("t", &events).unwrap();
        let bytes = writer.finish().unwrap();
        let text = match compression {
            Compression::None => bytes,
            Compression::Gzip => crate::wire::compression::Codec::Gzip
                .unpack(&bytes, 1 << 20)
                .unwrap(),
            Compression::Zstd => zstd::decode_all(bytes.as_slice()).unwrap(),
        };
        let text = String::from_utf8(text).unwrap();
        let expected: String = (0..5_000).map(|i| format!("{{\"index\":{i}}}\n")).collect();
        assert!(text == expected, "{compression:?}");
    }
}

#[test]
fn an_entry_that_should_not_be_there_is_an_error_that_rejects() {
    for payload in [&b"\x92\x05\x01"[..], b"\xc1", b"\x92\x05\x81\xa1a"] {
        let mut writer = EventWriter::new(Format::Ndjson, Compression::None, Vec::new()).unwrap();
        let error = writer.write_payload("app", payload).unwrap_err();
        let outcome = error.outcome(|_| Outcome::Delivered);
        assert!(matches!(outcome, Outcome::Reject { .. }), "{outcome:?}");
    }
}
