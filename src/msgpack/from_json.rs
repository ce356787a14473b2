//! From JSON to MessagePack, without a tree of values in between.
//!
//! Integers stay integers as far as `i64` and `u64` reach; all other numbers, longer integers
//! included, become floats of 64 bits. A number too large for a float is an error, as is text
//! that nests deeper than [`JSON_DEPTH_MAX`]. Duplicate keys are kept.

use std::io::BufRead;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::shape::HEAD_SIZE_MAX;
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
        number += 1;
        if let Some(behind) = empty_line(rest) {
            rest = behind;
            continue;
        }
        before_each(out);
        rest = first_line(out, rest).map_err(|error| {
            out.truncate(start);
            error.on_line(number)
        })?;
        count += 1;
    }
    Ok(count)
}

/// Appends the value of the first line of `text`, and gives the other lines.
fn first_line<'t>(out: &mut Vec<u8>, text: &'t [u8]) -> Result<&'t [u8], JsonError> {
    let start = out.len();
    if let Some(len) = quick::line(out, text) {
        return Ok(&text[len..]);
    }
    out.truncate(start);
    let mut rest = text;
    long_way(out, next_line(&mut rest))?;
    Ok(rest)
}

/// What is behind the first line of `text` if it is white space.
#[inline]
fn empty_line(text: &[u8]) -> Option<&[u8]> {
    // So does hardly a line begin that has a value.
    if !text.first()?.is_ascii_whitespace() {
        return None;
    }
    let mut rest = text;
    next_line(&mut rest).trim_ascii().is_empty().then_some(rest)
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
    let (mut head, size) = ([0; HEAD_SIZE_MAX], out.len() - end);
    head[..size].copy_from_slice(&out[end..]);
    out.truncate(end);
    out.splice(at..=at, head.into_iter().take(size));
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
mod tests;
