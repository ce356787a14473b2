//! A record as a JSON object, with time and tag.

use super::injected::{Own, TAG, TIME};
use crate::msgpack::{Error, json};

/// Appends `{"time":"…","tag":"…",` and the record's members; a name that the record has itself
/// is left to it. The record is what `bytes` begin with; gives its length.
pub(super) fn object(
    out: &mut Vec<u8>,
    time: &str,
    tag: &str,
    bytes: &[u8],
) -> Result<usize, Error> {
    let own = Own::of(bytes)?;
    let mut before = b'{';
    if !own.time {
        member(out, before, TIME, time);
        before = b',';
    }
    if !own.tag {
        member(out, before, TAG, tag);
        before = b',';
    }
    // A record without members has neither name, so that something stands in the braces.
    let len = json::members(out, before, bytes)?;
    out.push(b'}');
    Ok(len)
}

fn member(out: &mut Vec<u8>, before: u8, name: &str, value: &str) {
    out.push(before);
    json::string(out, name.as_bytes());
    out.push(b':');
    json::string(out, value.as_bytes());
}
