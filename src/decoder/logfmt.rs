//! Pairs of names and values: `level=info msg="it works" ready`.
//!
//! As Heroku's and Go's loggers write it. White space separates pairs. A name is anything without
//! white space, `=` or `"`; a value is a word without white space or `"`, or a text in quotes with
//! the escapes of JSON. A name without `=` is true, one with nothing behind it an empty text. Of a
//! name that comes twice the last counts.

use super::{DecodeError, Decoded, Decoder, of_record};
use crate::event::{Record, Value};

#[derive(Debug)]
pub(super) struct Logfmt;

impl Decoder for Logfmt {
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
        let mut record = Record::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (name, value, after) = pair(rest)?;
            record.insert(name, value);
            rest = after.trim_start();
        }
        match record.is_empty() {
            true => Err(DecodeError::NotLogfmt),
            false => Ok(of_record(record)),
        }
    }
}

/// The pair that `text` begins with, and what follows it.
fn pair(text: &str) -> Result<(&str, Value, &str), DecodeError> {
    let ends_name = |c: char| c.is_whitespace() || c == '=' || c == '"';
    let (name, rest) = split_at(text, ends_name);
    if name.is_empty() || rest.starts_with('"') {
        return Err(DecodeError::NotLogfmt);
    }
    let Some(rest) = rest.strip_prefix('=') else {
        return Ok((name, Value::Bool(true), rest));
    };
    if rest.starts_with('"') {
        let (value, rest) = quoted(rest)?;
        return Ok((name, Value::Str(value), rest));
    }
    let (value, rest) = split_at(rest, |c| c.is_whitespace() || c == '"');
    if rest.starts_with('"') {
        return Err(DecodeError::NotLogfmt);
    }
    Ok((name, Value::from(value), rest))
}

/// The text in quotes that `text` begins with.
fn quoted(text: &str) -> Result<(String, &str), DecodeError> {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    let (end, _) = end.ok_or(DecodeError::NotLogfmt)?;
    let (inside, rest) = text.split_at(end + 1);
    if rest.starts_with(|c: char| !c.is_whitespace()) {
        return Err(DecodeError::NotLogfmt);
    }
    let unescaped = match inside.contains('\\') {
        false => inside[1..end].to_owned(),
        true => serde_json::from_str(inside).map_err(|_| DecodeError::NotLogfmt)?,
    };
    Ok((unescaped, rest))
}

fn split_at(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}
