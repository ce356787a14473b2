use proptest::prelude::*;

use super::*;
use crate::msgpack::{json, testing, value_len};

fn packed(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    value(&mut out, text.as_bytes()).expect("JSON");
    out
}

#[test]
fn numbers_keep_their_kind() {
    assert_eq!(packed("1"), [1]);
    assert_eq!(packed("-1"), [0xff]);
    assert_eq!(
        packed("18446744073709551615"),
        [0xcf, 255, 255, 255, 255, 255, 255, 255, 255]
    );
    assert_eq!(packed("1.0"), [0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(packed("100000000000000000000")[0], 0xcb);
}

#[test]
fn heads_are_as_short_as_can_be() {
    for count in [0, 1, 15, 16, 17, 65_535, 65_536] {
        let text = format!("[{}]", vec!["1"; count].join(","));
        let mut expected = Vec::new();
        write::array_head(&mut expected, count);
        expected.resize(expected.len() + count, 1);
        assert_eq!(packed(&text), expected, "{count} values");
    }
}

#[test]
fn errors_say_where_and_leave_the_output_as_it_was() {
    let mut out = b"kept".to_vec();
    let error = value(&mut out, b"{\"a\":1").expect_err("it ends early");
    assert!(error.is_incomplete);
    let error = value(&mut out, b"{}\n x").expect_err("two values");
    assert_eq!((error.line, error.column), (2, 2));
    assert!(!error.is_incomplete);
    let error = lines(&mut out, b"{}\n\n{}\n{a", |_| {}).expect_err("a bare name");
    assert_eq!(error.line, 4);
    assert!(value(&mut out, b"1e999").is_err());
    assert_eq!(out, b"kept");
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat();
    let allowed = JSON_DEPTH_MAX as usize;
    assert_eq!(packed(&nested(allowed)).len(), allowed);
    let mut out = Vec::new();
    for levels in [allowed + 1, 100_000] {
        assert!(value(&mut out, nested(levels).as_bytes()).is_err());
    }
}

#[test]
fn elements_and_lines_are_taken_one_by_one() {
    let mark = |out: &mut Vec<u8>| out.push(0xc0);
    for text in ["[1, {\"a\": 2}]", " [1,{\"a\":2}] "] {
        let mut out = Vec::new();
        assert_eq!(elements(&mut out, text.as_bytes(), mark).unwrap(), 2);
        assert_eq!(out, b"\xc0\x01\xc0\x81\xa1a\x02");
    }
    let mut out = Vec::new();
    assert_eq!(elements(&mut out, b"{}", mark).unwrap(), 1);
    assert_eq!(elements(&mut out, b"[]", mark).unwrap(), 0);
    assert_eq!(lines(&mut out, b"1\r\n \n[2]", mark).unwrap(), 2);
    assert_eq!(out, b"\xc0\x80\xc0\x01\xc0\x91\x02");
}

/// What the two ways make of a text.
fn both_ways(text: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    let is_short = quick::value(&mut short, text).is_some();
    let is_long = long_way(&mut long, text).is_ok();
    (is_short.then_some(short), is_long.then_some(long))
}

#[test]
fn usual_text_takes_the_short_way_and_unusual_text_the_long_one() {
    for text in [
        " { \"a\" : [ 1 , -2.5e3, true,false, null ,\"\" ] ,\t\"\":{}}\r\n",
        "[]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\uFFFD\"",
        "\"h\u{e9}llo \u{1f600}, longer than a few words\"",
        "[0, 0.0, -0.0, 999999999999999999, -999999999999999999, 5e-324, 1E+2]",
    ] {
        let (short, long) = both_ways(text.as_bytes());
        assert!(short.is_some(), "{text}");
        assert_eq!(short, long, "{text}");
    }
    for text in [
        "-0",
        "18446744073709551615",
        "100000000000000000000",
        "\"\\ud83d\\ude00\"",
    ] {
        let (short, long) = both_ways(text.as_bytes());
        assert_eq!(short, None, "{text}");
        assert!(long.is_some(), "{text}");
    }
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "[1}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "1e999",
        "tru",
        "truex",
        "\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "1 2",
        "nul",
        "[1 2]",
        "\"\\u+123\"",
    ] {
        assert_eq!(both_ways(text.as_bytes()), (None, None), "{text}");
    }
    assert_eq!(both_ways(b"\"\xff\""), (None, None));
    assert_eq!(both_ways(b"\"\xc3\\u00a9\""), (None, None));
}

#[test]
fn numbers_are_read_at_every_length_of_their_parts() {
    // Sixteen of the first are below 2^53, of the others above.
    for digits in [
        "12345678901234567890",
        "98765432109876543219",
        "93333333333333333333",
    ] {
        for (sign, whole, places) in parts() {
            let point = if places > 0 { "." } else { "" };
            let number = format!("{sign}{}{point}{}", &digits[..whole], &digits[..places]);
            let is_long = whole == 20 || whole == 19 && sign == "-" && places == 0;
            // With enough behind it and with nothing.
            for text in [format!("[{number}{}]", " ".repeat(40)), number] {
                let (short, long) = both_ways(text.as_bytes());
                assert!(short.is_some() || is_long, "{text}");
                if short.is_some() {
                    assert_eq!(short, long, "{text}");
                }
            }
        }
    }
}

/// Signs, and how many digits stand before and behind the point.
fn parts() -> impl Iterator<Item = (&'static str, usize, usize)> {
    let lens = (1..=20).flat_map(|whole| (0..=20).map(move |places| (whole, places)));
    lens.flat_map(|(whole, places)| ["", "-"].map(|sign| (sign, whole, places)))
}

/// What is short, medium and long is read in other ways, and so is what ends near the text's end.
#[test]
fn every_byte_is_found_in_strings_of_every_length() {
    for len in (0..70).chain(250..260) {
        for special in ["", "\"", "\\", "\u{1f}", "\\n", "\u{e4}", "\u{7f}"] {
            for at in (0..=len).step_by(3) {
                let mut string = "x".repeat(len);
                string.insert_str(at, special);
                let behind = if len % 2 == 0 {
                    " ".repeat(40)
                } else {
                    String::new()
                };
                let text = format!("{{\"{string}\":[\"{string}\",1]}}{behind}");
                let (short, long) = both_ways(text.as_bytes());
                assert_eq!(short, long, "{text}");
            }
        }
    }
}

#[test]
fn a_value_ends_with_its_line() {
    for text in [
        "[1,\n2]",
        "{\"a\":\n1}",
        "\n[1\n]",
        "{\"a\":1}}\n",
        "1 2\n",
        "[1]\u{c}\n",
    ] {
        assert!(
            lines(&mut Vec::new(), text.as_bytes(), |_| {}).is_err(),
            "{text:?}"
        );
    }
    let mut out = Vec::new();
    let text = " [1]\t\r\n\u{c}\n\n\t[\"\u{e4}\"]\n 99999999999999999999 ";
    assert_eq!(lines(&mut out, text.as_bytes(), |_| {}).unwrap(), 3);
    assert_eq!(out[..6], [0x91, 1, 0x91, 0xa2, 0xc3, 0xa4]);
}

proptest! {
    #[test]
    fn lines_mean_what_each_means_alone(
        texts in proptest::collection::vec(
            prop_oneof![
                Just(" \t".to_owned()),
                "[\\[\\]{}\",:0-9eE. \\\\truefalsn\n-]{0,20}",
                testing::value().prop_map(|value| {
                    let mut text = Vec::new();
                    json::value(&mut text, &testing::encode(&value)).unwrap();
                    String::from_utf8(text).unwrap()
                }),
            ],
            0..5,
        ),
    ) {
        let text = texts.join("\n");
        let (mut expected, mut count, mut is_right) = (Vec::new(), 0, true);
        for line in text.split('\n').filter(|line| !line.trim().is_empty()) {
            expected.push(0xc0);
            is_right &= long_way(&mut expected, line.as_bytes()).is_ok();
            count += 1;
        }
        let mut out = Vec::new();
        let read = lines(&mut out, text.as_bytes(), |out| out.push(0xc0));
        prop_assert_eq!(read.ok(), is_right.then_some(count));
        prop_assert_eq!(out, if is_right { expected } else { Vec::new() });
    }

    #[test]
    fn the_short_way_means_what_the_long_way_means(
        text in prop_oneof![
            "[\\[\\]{}\",:0-9eE. \\\\truefalsn-]{0,60}".prop_map(String::into_bytes),
            "[\\[{]?\"(\\PC|[\\x00-\\x1f]|\\\\.|\\\\u[0-9a-f]{4}){0,20}\"[\\]}]?".prop_map(String::into_bytes),
            "-?[0-9]{1,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..20),
        ],
    ) {
        let (short, long) = both_ways(&text);
        if short.is_some() {
            prop_assert_eq!(short, long);
        }
    }

    #[test]
    fn there_and_back_is_the_same_text(value in testing::value()) {
        let bytes = testing::encode(&value);
        let mut text = Vec::new();
        json::value(&mut text, &bytes).unwrap();
        let mut packed = Vec::new();
        super::value(&mut packed, &text).unwrap();
        prop_assert_eq!(value_len(&packed), Ok(packed.len()));
        let mut again = Vec::new();
        json::value(&mut again, &packed).unwrap();
        let read = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        prop_assert_eq!(read(&again), read(&text));
    }

    #[test]
    fn hostile_text_never_panics(text in "[\\[\\]{}\",:0-9eE. \\\\truefalsn-]{0,60}") {
        let mut out = Vec::new();
        let ours = value(&mut out, text.as_bytes()).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(ours, theirs);
    }
}
