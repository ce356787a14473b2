//! Values as plain text, for formats that have nothing but text.

use crate::msgpack::{Cursor, Error, Value, json};

/// Appends the text of the value that `value` holds: strings as they are (what is not UTF-8 in
/// them becomes U+FFFD), nil as nothing, anything else as its JSON, without the quotes that JSON
/// puts around base64 and times.
pub(super) fn value(out: &mut Vec<u8>, value: &[u8]) -> Result<(), Error> {
    match Cursor::new(value).read()? {
        Value::Nil => {}
        Value::Str(bytes) => string(out, bytes),
        Value::Bin(bytes) => json::base64(out, bytes),
        _ => other(out, value)?,
    }
    Ok(())
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn other(out: &mut Vec<u8>, value: &[u8]) -> Result<(), Error> {
    let start = out.len();
    json::value(out, value)?;
    if out.get(start) == Some(&b'"') {
        // A time: nothing in it is escaped.
        out.pop();
        out.remove(start);
    }
    Ok(())
}
