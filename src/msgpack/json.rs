//! From MessagePack to JSON, without a tree of values in between.
//!
//! | MessagePack | JSON |
//! |---|---|
//! | nil, booleans, arrays | the same |
//! | integers | all digits, up to `u64::MAX` |
//! | floats | the shortest text that reads back as the same float, of its own width |
//! | NaN, infinities | `null` |
//! | strings | what is not UTF-8 in them becomes U+FFFD, one for each broken sequence |
//! | binary data | a string, base64 with padding |
//! | `EventTime` (extension 0 of 8 bytes), timestamps (extension -1) | a string, RFC 3339 in UTC |
//! | other extensions | `{"type":7,"data":"..."}` with the data in base64 |
//! | maps | objects, keys in their order, duplicates kept |
//! | keys that are no strings | their JSON text as a string; in a key inside a key: base64 of the MessagePack |
//!
//! The last rule bounds the output: text that is quoted once for each level would double with
//! each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Cursor, DEPTH_MAX, EVENT_TIME_EXT, Error, Value};

pub(super) mod escape;
mod time;

pub use escape::string;

/// Appends the JSON of the value that `bytes` begin with, and gives the value's length in `bytes`.
///
/// # Errors
/// [`Error`] if the bytes are no value; `out` is then as it was.
pub fn value(out: &mut Vec<u8>, bytes: &[u8]) -> Result<usize, Error> {
    let mut transcoder = Transcoder::new(out, bytes);
    let written = transcoder.value(0);
    transcoder.finish(written).map(|((), len)| len)
}

/// Appends the members of the map that `bytes` begin with, separated by commas, without the
/// braces, so that the caller can add members of its own. Of any other value nothing is appended.
/// Gives the number of members.
///
/// # Errors
/// [`Error`] if the bytes are no value; `out` is then as it was.
pub fn members(out: &mut Vec<u8>, bytes: &[u8]) -> Result<u32, Error> {
    let mut transcoder = Transcoder::new(out, bytes);
    let written = transcoder.members_of_map();
    transcoder.finish(written).map(|(count, _)| count)
}

/// Appends the base64 text of `bytes`, with padding, without quotes.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    let written = BASE64.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

struct Transcoder<'a, 'o> {
    cursor: Cursor<'a>,
    out: &'o mut Vec<u8>,
    /// Where `out` ended before.
    start: usize,
    is_in_key: bool,
}

impl<'a, 'o> Transcoder<'a, 'o> {
    fn new(out: &'o mut Vec<u8>, bytes: &'a [u8]) -> Self {
        let start = out.len();
        Self {
            cursor: Cursor::new(bytes),
            out,
            start,
            is_in_key: false,
        }
    }

    /// What was written and how many bytes of MessagePack it took.
    fn finish<T>(self, written: Result<T, Error>) -> Result<(T, usize), Error> {
        if written.is_err() {
            self.out.truncate(self.start);
        }
        written.map(|written| (written, self.cursor.position()))
    }

    fn members_of_map(&mut self) -> Result<u32, Error> {
        let Value::Map(count) = self.cursor.read()? else {
            return Ok(0);
        };
        self.members(count, 1)?;
        Ok(count)
    }

    fn value(&mut self, depth: u32) -> Result<(), Error> {
        if let Some(bytes) = self.cursor.short_str() {
            string(self.out, bytes);
            return Ok(());
        }
        match self.cursor.read()? {
            Value::Str(bytes) => string(self.out, bytes),
            Value::Map(count) => {
                let depth = self.deeper(depth)?;
                self.out.push(b'{');
                self.members(count, depth)?;
                self.out.push(b'}');
            }
            Value::Array(count) => {
                let depth = self.deeper(depth)?;
                self.elements(count, depth)?;
            }
            scalar => self.scalar(scalar),
        }
        Ok(())
    }

    fn elements(&mut self, count: u32, depth: u32) -> Result<(), Error> {
        self.out.push(b'[');
        for index in 0..count {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn members(&mut self, count: u32, depth: u32) -> Result<(), Error> {
        for index in 0..count {
            if let Some(bytes) = self.cursor.short_str() {
                escape::key(self.out, bytes, index == 0);
            } else {
                if index > 0 {
                    self.out.push(b',');
                }
                self.unusual_key(depth)?;
                self.out.push(b':');
            }
            self.value(depth)?;
        }
        Ok(())
    }

    fn unusual_key(&mut self, depth: u32) -> Result<(), Error> {
        let start = self.cursor;
        match self.cursor.read()? {
            Value::Str(bytes) => string(self.out, bytes),
            Value::Array(_) | Value::Map(_) => {
                self.cursor = start;
                self.nested_key(depth)?;
            }
            scalar => self.scalar_key(scalar),
        }
        Ok(())
    }

    /// The key's JSON, and quotes around it if it is no string by itself.
    fn scalar_key(&mut self, scalar: Value<'_>) {
        let start = self.out.len();
        self.scalar(scalar);
        match self.out.get(start) {
            Some(b'"') => {}
            Some(b'{') => {
                let text = self.out.split_off(start);
                string(self.out, &text);
            }
            _ => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
            }
        }
    }

    /// A key that is an array or a map.
    fn nested_key(&mut self, depth: u32) -> Result<(), Error> {
        if self.is_in_key {
            let bytes = self.cursor.skip_at(depth)?;
            quoted_base64(self.out, bytes);
            return Ok(());
        }
        let mut text = Vec::new();
        let mut inner = Transcoder {
            cursor: self.cursor,
            out: &mut text,
            start: 0,
            is_in_key: true,
        };
        inner.value(depth)?;
        self.cursor = inner.cursor;
        string(self.out, &text);
        Ok(())
    }

    fn scalar(&mut self, scalar: Value<'_>) {
        match scalar {
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::Int(value) => integer(self.out, value),
            Value::UInt(value) => integer(self.out, value),
            Value::F32(value) => float(self.out, value),
            Value::F64(value) => float(self.out, value),
            Value::Bin(bytes) => quoted_base64(self.out, bytes),
            Value::Ext(kind, data) => extension(self.out, kind, data),
            Value::Str(bytes) => string(self.out, bytes),
            Value::Nil | Value::Array(_) | Value::Map(_) => self.out.extend_from_slice(b"null"),
        }
    }

    fn deeper(&self, depth: u32) -> Result<u32, Error> {
        if depth >= DEPTH_MAX {
            return Err(Error::TooDeep {
                offset: self.cursor.position(),
            });
        }
        Ok(depth + 1)
    }
}

fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn float(out: &mut Vec<u8>, value: impl ryu::Float + Into<f64> + Copy) {
    let is_number = value.into().is_finite();
    let mut buffer = ryu::Buffer::new();
    let text = if is_number {
        buffer.format_finite(value)
    } else {
        "null"
    };
    out.extend_from_slice(text.as_bytes());
}

fn extension(out: &mut Vec<u8>, kind: i8, data: &[u8]) {
    if let Some(moment) = time::moment(kind, data) {
        out.extend_from_slice(format!("\"{moment}\"").as_bytes());
        return;
    }
    out.extend_from_slice(b"{\"type\":");
    integer(out, kind);
    out.extend_from_slice(b",\"data\":");
    quoted_base64(out, data);
    out.push(b'}');
}

fn quoted_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    base64(out, bytes);
    out.push(b'"');
}

#[cfg(test)]
mod tests;
