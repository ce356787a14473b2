//! The same messages as JSON texts, on connections that begin with `{` or `[`.
//!
//! ```text
//! Message         [tag, time, record, options?]
//! Forward         [tag, [[time, record], ...], options?]
//! ack             {"ack": the value of the option "chunk"}
//! ```
//!
//! JSON has no binary data, so there is no packed form. Times and records become MessagePack here;
//! whether they are valid is the intake's question, as for any other batch.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{CHUNK_SIZE_MAX, Invalid};
use crate::msgpack::{from_json, write};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonMessage {
    /// The events' tag; never empty.
    pub tag: String,
    /// MessagePack entries back to back.
    pub payload: Vec<u8>,
    /// The JSON value to acknowledge the batch by, to be echoed as it is; `None`: no
    /// acknowledgement is wanted. At most [`CHUNK_SIZE_MAX`] bytes.
    pub chunk: Option<String>,
}

#[derive(Deserialize)]
struct JsonOptions<'a> {
    #[serde(borrow)]
    chunk: Option<&'a RawValue>,
}

impl JsonMessage {
    /// Reads the one message that `text` holds.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn read(text: &[u8]) -> Result<Self, Invalid> {
        if text.trim_ascii_start().first() != Some(&b'[') {
            return Err(Invalid::NotAnArray);
        }
        let elements: Vec<&RawValue> = serde_json::from_slice(text).map_err(malformed)?;
        let mut elements = elements.into_iter().map(RawValue::get);
        let tag = read_tag(elements.next().ok_or(Invalid::Tag)?)?;
        let second = elements.next().ok_or(Invalid::TooShort)?;
        let mut payload = Vec::with_capacity(text.len());
        match second.as_bytes().first() {
            Some(b'[') => {
                from_json::elements(&mut payload, second.as_bytes(), |_| {}).map_err(malformed)?;
            }
            Some(b'"') => return Err(packed_in_json()),
            _ => {
                let record = elements.next().ok_or(Invalid::TooShort)?;
                write::array_head(&mut payload, 2);
                from_json::value(&mut payload, second.as_bytes()).map_err(malformed)?;
                from_json::value(&mut payload, record.as_bytes()).map_err(malformed)?;
            }
        }
        let chunk = elements.next().map_or(Ok(None), read_chunk)?;
        Ok(Self {
            tag,
            payload,
            chunk,
        })
    }

    /// What the sender calls the batch: the text of `chunk` if it is a string, else its JSON;
    /// empty if there is none.
    #[must_use]
    pub fn batch_id(&self) -> Cow<'_, str> {
        let chunk = self.chunk.as_deref().unwrap_or_default();
        serde_json::from_str(chunk).map_or(Cow::Borrowed(chunk), Cow::Owned)
    }
}

/// Appends the acknowledgement of the batch whose option `chunk` has the JSON value `chunk`.
pub fn write_ack(out: &mut Vec<u8>, chunk: &str) {
    out.extend_from_slice(b"{\"ack\":");
    out.extend_from_slice(chunk.as_bytes());
    out.extend_from_slice(b"}");
}

fn read_tag(element: &str) -> Result<String, Invalid> {
    let tag: String = serde_json::from_str(element).map_err(|_| Invalid::Tag)?;
    if tag.is_empty() {
        return Err(Invalid::Tag);
    }
    Ok(tag)
}

/// The `chunk` of the options, if these are an object; null counts as none.
fn read_chunk(options: &str) -> Result<Option<String>, Invalid> {
    if !options.starts_with('{') {
        return Ok(None);
    }
    let options: JsonOptions<'_> = serde_json::from_str(options).map_err(malformed)?;
    let chunk = options.chunk.map(RawValue::get);
    match chunk {
        Some(chunk) if chunk.len() > CHUNK_SIZE_MAX => {
            Err(Invalid::ChunkTooLong { size: chunk.len() })
        }
        chunk => Ok(chunk.map(str::to_owned)),
    }
}

fn malformed(error: impl std::fmt::Display) -> Invalid {
    Invalid::MalformedJson {
        reason: error.to_string(),
    }
}

fn packed_in_json() -> Invalid {
    Invalid::MalformedJson {
        reason: "a packed payload cannot come in JSON".to_owned(),
    }
}
