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

use super::{Cursor, EVENT_TIME_EXT, Error, Value};
use transcoder::{Place, Transcoder};

mod number;
pub(super) mod room;
mod text;
mod time;
mod transcoder;
pub(super) mod words;

pub use text::string;

/// Appends the JSON of the value that `bytes` begin with, and gives the value's length in `bytes`.
///
/// It is fastest if `bytes` go on behind the value, as a batch does behind a record: strings are read
/// as more than they are.
///
/// # Errors
/// [`Error`] if the bytes are no value; `out` is then as it was.
pub fn value(out: &mut Vec<u8>, bytes: &[u8]) -> Result<usize, Error> {
    transcode(out, bytes, |transcoder, place| transcoder.value(place, 0))
}

/// Appends the members of the map that `bytes` begin with, each behind a comma, the first behind
/// `before` instead, without braces, so that the caller can add members of its own. Of any other
/// value nothing is appended. Gives the map's length in `bytes`.
///
/// # Errors
/// [`Error`] if the bytes are no value; `out` is then as it was.
pub fn members(out: &mut Vec<u8>, before: u8, bytes: &[u8]) -> Result<usize, Error> {
    transcode(out, bytes, |transcoder, start| {
        let mut place = start;
        match place.cursor.read()? {
            Value::Map(count) => transcoder.members(place, before, count, 1),
            _ => Ok(start),
        }
    })
}

/// Runs `write` over `bytes`, and gives how many of them it took.
fn transcode<'a>(
    out: &mut Vec<u8>,
    bytes: &'a [u8],
    write: impl FnOnce(&mut Transcoder<'_>, Place<'a>) -> Result<Place<'a>, Error>,
) -> Result<usize, Error> {
    let end = out.len();
    room::make(out, end, 0);
    let place = Place {
        cursor: Cursor::new(bytes),
        end,
    };
    let mut transcoder = Transcoder {
        out,
        is_in_key: false,
    };
    let written = write(&mut transcoder, place);
    out.truncate(written.map_or(end, |place| place.end));
    written.map(|place| place.cursor.position())
}

/// Appends the base64 text of `bytes`, with padding, without quotes.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    let written = BASE64.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

/// The key's JSON, and quotes around it if it is no string by itself.
fn scalar_key(out: &mut Vec<u8>, key: Value<'_>) {
    let start = out.len();
    scalar(out, key);
    match out.get(start) {
        Some(b'"') => {}
        Some(b'{') => {
            let text = out.split_off(start);
            string(out, &text);
        }
        _ => {
            out.insert(start, b'"');
            out.push(b'"');
        }
    }
}

fn scalar(out: &mut Vec<u8>, scalar: Value<'_>) {
    match scalar {
        Value::Str(bytes) => string(out, bytes),
        Value::Bin(bytes) => quoted_base64(out, bytes),
        Value::Ext(kind, data) => extension(out, kind, data),
        value => {
            let mut room = [0; number::SIZE];
            let len = small(&mut room, value);
            out.extend_from_slice(&room[..len]);
        }
    }
}

/// Whether a value is a number, a boolean or nil.
#[inline(always)]
fn is_small(value: Value<'_>) -> bool {
    use Value::{Bool, F32, F64, Int, Nil, UInt};
    matches!(value, Int(_) | UInt(_) | F64(_) | F32(_) | Bool(_) | Nil)
}

/// Writes a number, a boolean or nil, and gives its length.
#[inline(always)]
fn small(room: &mut number::Room, value: Value<'_>) -> usize {
    match value {
        Value::Int(value) => number::integer(room, value),
        Value::UInt(value) => number::long_integer(room, value),
        Value::F64(value) => number::float(room, value),
        Value::F32(value) => number::long_float(room, value),
        Value::Bool(true) => number::text(room, "true"),
        Value::Bool(false) => number::text(room, "false"),
        _ => number::text(room, "null"),
    }
}

fn extension(out: &mut Vec<u8>, kind: i8, data: &[u8]) {
    if let Some(moment) = time::moment(kind, data) {
        out.extend_from_slice(format!("\"{moment}\"").as_bytes());
        return;
    }
    out.extend_from_slice(b"{\"type\":");
    scalar(out, Value::Int(kind.into()));
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
