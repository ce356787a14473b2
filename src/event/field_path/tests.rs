use proptest::prelude::*;

use super::*;
use crate::msgpack::testing::{encode, hostile_bytes};

fn packed(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    crate::msgpack::from_json::value(&mut out, json.as_bytes()).unwrap();
    out
}

#[test]
fn paths_lead_to_values() {
    let record = packed(
        r#"{"user":"ann","a.b":1,"a":{"b":{"c":2},"l":[{"x":3},[4]]},"n":null,"user":"bob","@t-_":5}"#,
    );
    for (path, value) in [
        ("user", Some(r#""ann""#)),
        ("a.b", Some("1")),
        ("$.user", Some(r#""ann""#)),
        ("$.a.b", Some(r#"{"c":2}"#)),
        ("$.a.b.c", Some("2")),
        ("$.a.l[0].x", Some("3")),
        ("$.a.l[1][0]", Some("4")),
        ("$.a.l[2]", None),
        ("$.a[0]", None),
        ("$.user.x", None),
        ("n", Some("null")),
        ("@t-_", Some("5")),
        ("absent", None),
        ("$[0]", None),
    ] {
        let found = FieldPath::parse(path).unwrap();
        let found = found.find(&record);
        assert_eq!(found, value.map(packed).as_deref(), "{path}");
    }
}

#[test]
fn keys_that_are_no_strings_are_passed_over() {
    let pairs = vec![
        (1.into(), 2.into()),
        (rmpv::Value::Binary(b"a".to_vec()), 3.into()),
        ("a".into(), 4.into()),
    ];
    let record = encode(&rmpv::Value::Map(pairs));
    assert_eq!(FieldPath::parse("a").unwrap().find(&record), Some(&[4][..]));
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    for (path, message) in [
        ("", "field ``: a name is missing at position 0"),
        ("$", "field `$`: a name is missing at position 1"),
        ("$.", "field `$.`: a name is missing at position 2"),
        ("$.a..b", "field `$.a..b`: a name is missing at position 4"),
        (
            "$a",
            "field `$a`: 'a' at position 1 cannot be part of a name",
        ),
        (
            "a b",
            "field `a b`: ' ' at position 1 cannot be part of a name",
        ),
        (
            "${a}",
            "field `${a}`: '{' at position 1 cannot be part of a name",
        ),
        (
            "a[0]",
            "field `a[0]`: '[' at position 1 cannot be part of a name",
        ),
        (
            "$.a b",
            "field `$.a b`: ' ' at position 3 cannot be part of a name",
        ),
        ("é", "field `é`: 'é' at position 0 cannot be part of a name"),
        (
            "$['a']",
            "field `$['a']`: write `$.a.b` instead of quoted names in brackets (position 1)",
        ),
        (
            "$.a[\"b\"]",
            "field `$.a[\"b\"]`: write `$.a.b` instead of quoted names in brackets (position 3)",
        ),
        (
            "$.a[x]",
            "field `$.a[x]`: the brackets at position 3 hold no index",
        ),
        (
            "$.a[]",
            "field `$.a[]`: the brackets at position 3 hold no index",
        ),
        (
            "$.a[-1]",
            "field `$.a[-1]`: the brackets at position 3 hold no index",
        ),
        (
            "$.a[1",
            "field `$.a[1`: the brackets at position 3 hold no index",
        ),
        (
            "$.a[0]b",
            "field `$.a[0]b`: 'b' at position 6 cannot be part of a name",
        ),
        (
            "$.a[99999999999]",
            "field `$.a[99999999999]`: the brackets at position 3 hold no index",
        ),
    ] {
        let error = FieldPath::parse(path).expect_err(path);
        assert_eq!(error.to_string(), message);
    }
}

proptest! {
    #[test]
    fn hostile_text_never_panics(text in any::<String>(), tail in "[$.\\[\\]0-9a'\"]{0,12}") {
        let _ = FieldPath::parse(&text);
        let _ = FieldPath::parse(&format!("${tail}"));
    }

    #[test]
    fn hostile_records_never_panic(record in hostile_bytes()) {
        for path in ["a", "$.a.b", "$.a[3].b"] {
            let _ = FieldPath::parse(path).unwrap().find(&record);
        }
    }
}
