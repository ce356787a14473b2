//! Labeled tab-separated values (ltsv.org): `label:value` pairs with tabs between them.
//!
//! The format knows no escapes, so what would break a line is replaced, and cannot be told apart
//! afterwards: in labels, colons and control characters become `_`; in values, tab, LF and CR
//! become `\t`, `\n` and `\r`, two characters each. A backslash stays what it is.

use super::injected::{Own, TAG, TIME, each_pair};
use super::text;
use crate::msgpack::Error;

/// Appends the pairs of one event, without the line's end.
pub(super) fn pairs(out: &mut Vec<u8>, time: &str, tag: &str, record: &[u8]) -> Result<(), Error> {
    let own = Own::of(record)?;
    let start = out.len();
    if !own.time {
        label(out, start, TIME.as_bytes());
        out.extend_from_slice(time.as_bytes());
    }
    if !own.tag {
        label(out, start, TAG.as_bytes());
        value(out, tag.as_bytes());
    }
    let mut plain = Vec::new();
    each_pair(record, |key, field| {
        plain.clear();
        text::value(&mut plain, key)?;
        label(out, start, &plain);
        plain.clear();
        text::value(&mut plain, field)?;
        value(out, &plain);
        Ok(())
    })
}

/// Appends a label and its colon, and a tab before it unless the line began at `start`.
fn label(out: &mut Vec<u8>, start: usize, label: &[u8]) {
    if out.len() > start {
        out.push(b'\t');
    }
    out.extend(label.iter().map(|&byte| match byte {
        b':' | 0x00..=0x1f | 0x7f => b'_',
        _ => byte,
    }));
    out.push(b':');
}

fn value(out: &mut Vec<u8>, value: &[u8]) {
    for &byte in value {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => out.push(byte),
        }
    }
}
