//! From JSON to MessagePack, without a tree of values in between.
//!
//! Integers stay integers as far as `i64` and `u64` reach; all other numbers, longer integers
//! included, become floats of 64 bits. A number too large for a float is an error, as is text
//! that nests deeper than [`JSON_DEPTH_MAX`]. Duplicate keys are kept.

use std::io::BufRead;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{DEPTH_MAX, write};

mod quick;

/// How deep JSON may nest: a little less than [`DEPTH_MAX`], so that what is read can be wrapped
/// in an entry and in a message.
pub const JSON_DEPTH_MAX: u32 = DEPTH_MAX - 8;

/// Why text is not JSON that can be kept.
#[derive(Debug, thiserror::Error)]
#[error("not JSON at line {line}, column {column}")]
pub struct JsonError {
    /// The line in the text, from 1.
    pub line: usize,
    /// The column in the line, in bytes, from 1; 0 before the first byte.
    pub column: usize,
    /// Whether the text is right as far as it goes, but ends early.
    pub is_incomplete: bool,
    source: serde_json::Error,
}

/// Appends the MessagePack of the one JSON value that `text` holds.
///
/// # Errors
/// [`JsonError`]; `out` is then as it was.
pub fn value(out: &mut Vec<u8>, text: &[u8]) -> Result<(), JsonError> {
    let start = out.len();
    if quick::value(out, text).is_some() {
        return Ok(());
    }
    out.truncate(start);
    long_way(out, text)
}

fn long_way(out: &mut Vec<u8>, text: &[u8]) -> Result<(), JsonError> {
    whole(out, text, |out, json| {
        Transcribe { out, depth: 0 }.deserialize(json)
    })
}

/// Appends the MessagePack of each element of the JSON array that `text` holds, or of the value
/// if it is no array. `before_each` may append something first. Gives the number of values.
///
/// # Errors
/// [`JsonError`]; `out` is then as it was.
pub fn elements(
    out: &mut Vec<u8>,
    text: &[u8],
    mut before_each: impl FnMut(&mut Vec<u8>),
) -> Result<u64, JsonError> {
    let start = out.len();
    if let Some(count) = quick::elements(out, text, &mut before_each) {
        return Ok(count);
    }
    out.truncate(start);
    whole(out, text, |out, json| {
        let is_array = text.trim_ascii_start().first() == Some(&b'[');
        Elements { out, before_each }.of(json, is_array)
    })
}

/// Appends the MessagePack of the value of each line of `text`; lines of white space are passed
/// over. `before_each` may append something first. Gives the number of values.
///
/// # Errors
/// [`JsonError`] with the line; `out` is then as it was.
pub fn lines(
    out: &mut Vec<u8>,
    text: &[u8],
    mut before_each: impl FnMut(&mut Vec<u8>),
) -> Result<u64, JsonError> {
    let start = out.len();
    let (mut count, mut number, mut rest) = (0, 0, text);
    while !rest.is_empty() {
        let line = next_line(&mut rest);
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        before_each(out);
        value(out, line).map_err(|error| {
            out.truncate(start);
            error.on_line(number)
        })?;
        count += 1;
    }
    Ok(count)
}

/// Takes a line with its end off `rest`.
fn next_line<'t>(rest: &mut &'t [u8]) -> &'t [u8] {
    let mut behind = *rest;
    // Of the ways to look for a byte the fastest in the standard library. Memory does not fail.
    let len = behind.skip_until(b'\n').unwrap_or(rest.len());
    let (line, behind) = rest.split_at(len);
    *rest = behind;
    line
}

type Json<'de> = serde_json::Deserializer<serde_json::de::SliceRead<'de>>;

/// Reads all of `text` by `read`.
fn whole<T>(
    out: &mut Vec<u8>,
    text: &[u8],
    read: impl FnOnce(&mut Vec<u8>, &mut Json<'_>) -> Result<T, serde_json::Error>,
) -> Result<T, JsonError> {
    let start = out.len();
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = read(out, &mut json).and_then(|value| json.end().map(|()| value));
    read.map_err(|error| {
        out.truncate(start);
        JsonError::from(error)
    })
}

impl JsonError {
    fn on_line(self, line: usize) -> Self {
        Self { line, ..self }
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(source: serde_json::Error) -> Self {
        Self {
            line: source.line(),
            column: source.column(),
            is_incomplete: source.is_eof(),
            source,
        }
    }
}

/// Appends what it is shown.
struct Transcribe<'o> {
    out: &'o mut Vec<u8>,
    depth: u32,
}

impl<'o> Transcribe<'o> {
    fn deeper<E: serde::de::Error>(&self) -> Result<u32, E> {
        if self.depth >= JSON_DEPTH_MAX {
            return Err(E::custom("nested too deep"));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Transcribe<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Transcribe<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        write::nil(self.out);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        write::bool(self.out, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        write::int(self.out, value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        write::uint(self.out, value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        write::float(self.out, value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        write::str(self.out, value.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let out = self.out;
        let head = reserve_head(out);
        let mut count = 0;
        while values
            .next_element_seed(Transcribe { out, depth })?
            .is_some()
        {
            count += 1;
        }
        fill_head(out, head, |head| write::array_head(head, count));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let out = self.out;
        let head = reserve_head(out);
        let mut count = 0;
        while pairs.next_key_seed(Transcribe { out, depth })?.is_some() {
            pairs.next_value_seed(Transcribe { out, depth })?;
            count += 1;
        }
        fill_head(out, head, |head| write::map_head(head, count));
        Ok(())
    }
}

/// Leaves room for the head of up to 15 values, and says where.
fn reserve_head(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len() - 1
}

/// Puts the head where room was left; a longer head moves what follows.
fn fill_head(out: &mut Vec<u8>, at: usize, write: impl FnOnce(&mut Vec<u8>)) {
    let end = out.len();
    write(out);
    if let [head] = out[end..] {
        out[at] = head;
        out.truncate(end);
    } else {
        let head = out.split_off(end);
        out.splice(at..=at, head);
    }
}

/// Appends the elements of a top-level array one by one.
struct Elements<'o, F> {
    out: &'o mut Vec<u8>,
    before_each: F,
}

impl<F: FnMut(&mut Vec<u8>)> Elements<'_, F> {
    fn of(mut self, json: &mut Json<'_>, is_array: bool) -> Result<u64, serde_json::Error> {
        if is_array {
            return json.deserialize_seq(self);
        }
        (self.before_each)(self.out);
        let out = self.out;
        Transcribe { out, depth: 0 }.deserialize(json).map(|()| 1)
    }
}

impl<'de, F: FnMut(&mut Vec<u8>)> Visitor<'de> for Elements<'_, F> {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<u64, A::Error> {
        let mut count = 0;
        loop {
            let end = self.out.len();
            (self.before_each)(self.out);
            let out = &mut *self.out;
            if values
                .next_element_seed(Transcribe { out, depth: 0 })?
                .is_none()
            {
                self.out.truncate(end);
                return Ok(count);
            }
            count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
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

    proptest! {
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
}
