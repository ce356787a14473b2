use proptest::prelude::*;

use super::*;
use crate::chunk_key::Zone;
use crate::event::Value;

fn decoded(plan: &DecoderPlan, bytes: &[u8]) -> Result<String, DecodeError> {
    let decoded = plan.open(None).decode(bytes)?;
    Ok(Value::Map(decoded.record).to_json())
}

fn regex(pattern: &str) -> DecoderPlan {
    DecoderPlan::Regex(::regex::Regex::new(pattern).unwrap())
}

#[test]
fn h09_every_decoder_makes_a_record_or_says_why_not() {
    use DecodeError::{NoMatch, NotAnObject, NotJson, NotLogfmt, NotMsgpack, NotUtf8};
    let ok = |json: &str| Ok(json.to_owned());
    let words = regex("^(?P<first>[a-z]+)( (?P<second>[a-z]+))?$");
    for (plan, bytes, expected) in [
        (
            &DecoderPlan::Json,
            b" {\"a\":[1,null]} ".as_slice(),
            ok(r#"{"a":[1,null]}"#),
        ),
        (&DecoderPlan::Json, b"[1]", Err(NotAnObject)),
        (&DecoderPlan::Json, b"{\"a\":1", Err(NotJson)),
        (&DecoderPlan::Msgpack, b"\x81\xa1a\x01", ok(r#"{"a":1}"#)),
        (&DecoderPlan::Msgpack, b"\x81\xa1a\x01\x01", Err(NotMsgpack)),
        (
            &DecoderPlan::Msgpack,
            b"\x92\x05\x81\xa1a\x01",
            ok(r#"{"a":1}"#),
        ),
        (&DecoderPlan::Msgpack, b"\x93\x01\x02\x03", Err(NotAnObject)),
        (
            &DecoderPlan::Logfmt,
            b" level=info msg=\"it \\\"works\\\"\" ready n= u=\"\xc3\xa9\"  ",
            ok(
                "{\"level\":\"info\",\"msg\":\"it \\\"works\\\"\",\"ready\":true,\"n\":\"\",\"u\":\"\u{e9}\"}",
            ),
        ),
        (&DecoderPlan::Logfmt, b"a=1 a=2", ok(r#"{"a":"2"}"#)),
        (
            &DecoderPlan::Logfmt,
            b"url=http://x/?a=b",
            ok(r#"{"url":"http://x/?a=b"}"#),
        ),
        (&DecoderPlan::Logfmt, b"a=\"open", Err(NotLogfmt)),
        (&DecoderPlan::Logfmt, b"a=\"x\"y", Err(NotLogfmt)),
        (&DecoderPlan::Logfmt, b"=x", Err(NotLogfmt)),
        (&DecoderPlan::Logfmt, b"a=b\"c", Err(NotLogfmt)),
        (&DecoderPlan::Logfmt, b"a=\"\\q\"", Err(NotLogfmt)),
        (&DecoderPlan::Logfmt, b"  ", Err(NotLogfmt)),
        (&DecoderPlan::Logfmt, b"a=\xff", Err(NotUtf8)),
        (&words, b"one two", ok(r#"{"first":"one","second":"two"}"#)),
        (&words, b"one", ok(r#"{"first":"one"}"#)),
        (&words, b"1", Err(NoMatch)),
        (&words, b"\xff", Err(NotUtf8)),
        (
            &DecoderPlan::Text,
            b"any thing",
            ok(r#"{"message":"any thing"}"#),
        ),
    ] {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(decoded(plan, bytes), expected, "{}: {shown}", plan.name());
    }
}

#[test]
fn an_entry_has_its_time() {
    let decoder = DecoderPlan::Msgpack.open(None);
    let time = |bytes| decoder.decode(bytes).unwrap().time;
    assert_eq!(time(b"\x92\x05\x80"), Timestamp::from_s(5));
    assert_eq!(time(b"\x92\x00\x80"), None);
}

#[test]
fn times_are_read_in_every_format() {
    let utc = Zone::utc();
    let east = Zone::parse("+02:00").unwrap();
    for (format, value, zone, ns) in [
        ("unix", Value::from(5), &utc, 5_000_000_000),
        ("unix", Value::from("5.25"), &utc, 5_250_000_000),
        ("unix", Value::from(-0.5), &utc, -500_000_000),
        ("unix_ms", Value::from("1500"), &utc, 1_500_000_000),
        (
            "rfc3339",
            Value::from("1970-01-01T02:00:05+02:00"),
            &utc,
            5_000_000_000,
        ),
        (
            "%Y-%m-%d %H:%M:%S",
            Value::from("1970-01-01 02:00:05"),
            &east,
            5_000_000_000,
        ),
        (
            "%d/%b/%Y:%H:%M:%S %z",
            Value::from("01/Jan/1970:02:00:05 +0200"),
            &utc,
            5_000_000_000,
        ),
    ] {
        let read = TimeFormat::parse(format).unwrap().read(&value, zone);
        assert_eq!(read, Some(Timestamp::from_ns(ns)), "{format} {value}");
    }
    for (format, value) in [
        ("unix", Value::from("x")),
        ("unix", Value::from(1e300)),
        ("unix", Value::from(f64::NAN)),
        ("unix_ms", Value::from(i64::MAX)),
        ("rfc3339", Value::from("yesterday")),
        ("%Y", Value::from(5)),
    ] {
        let read = TimeFormat::parse(format).unwrap().read(&value, &utc);
        assert_eq!(read, None, "{format} {value}");
    }
    assert!(TimeFormat::parse("never").is_err());
    assert!(TimeFormat::parse("%!").is_err());
}

#[test]
fn the_time_leaves_the_record_unless_it_is_to_stay() {
    let key = |is_kept| TimeKey {
        field: "at".to_owned(),
        format: TimeFormat::Unix,
        zone: Zone::utc(),
        is_kept,
    };
    for (is_kept, field_count) in [(false, 1), (true, 2)] {
        let decoder = DecoderPlan::Json.open(Some(key(is_kept)));
        let decoded = decoder.decode(b"{\"at\":7,\"a\":1}").unwrap();
        assert_eq!(decoded.time, Timestamp::from_s(7));
        assert_eq!(decoded.record.len(), field_count);
        assert_eq!(decoder.decode(b"{\"a\":1}"), Err(DecodeError::NoTime));
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in crate::msgpack::testing::hostile_bytes()) {
        for plan in [DecoderPlan::Json, DecoderPlan::Msgpack, DecoderPlan::Logfmt, DecoderPlan::Text] {
            let _ = plan.open(None).decode(&bytes);
        }
    }

    /// What is written as logfmt is read as it was.
    #[test]
    fn logfmt_reads_what_was_quoted(names in proptest::collection::btree_map("[a-z.]{1,8}", any::<String>(), 1..6)) {
        let pair = |(name, value): (&String, &String)| {
            format!("{name}={}", serde_json::to_string(value).unwrap())
        };
        let text = names.iter().map(pair).collect::<Vec<_>>().join(" ");
        let record = DecoderPlan::Logfmt.open(None).decode(text.as_bytes()).unwrap().record;
        for (name, value) in &names {
            prop_assert_eq!(record.get(name), Some(&Value::from(value.as_str())));
        }
    }
}
