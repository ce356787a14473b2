//! A record as a JSON object, with time and tag.

use super::injected::{Own, TAG, TIME};
use crate::msgpack::{Error, json};

/// Appends `{"time":"…","tag":"…",` and the record's members; a name that the record has itself
/// is left to it.
pub(super) fn object(out: &mut Vec<u8>, time: &str, tag: &str, record: &[u8]) -> Result<(), Error> {
    let own = Own::of(record)?;
    out.push(b'{');
    if !own.time {
        member(out, TIME, time);
    }
    if !own.tag {
        member(out, TAG, tag);
    }
    if json::members(out, record)? == 0 {
        // An empty record has no names, so both of ours stand there, with a comma behind them.
        out.pop();
    }
    out.push(b'}');
    Ok(())
}

fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    json::string(out, name.as_bytes());
    out.push(b':');
    json::string(out, value.as_bytes());
    out.push(b',');
}
