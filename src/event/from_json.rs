//! Entries from JSON, for senders that have no MessagePack.

use crate::msgpack::from_json::{JsonError, elements, lines};

use super::{Timestamp, write_entry_head};

/// Appends an entry for each element of the JSON array that `text` holds, or one entry if it
/// holds something else. Gives the number of entries.
///
/// Elements that are no objects become entries whose record is no map: [`check`](super::check)
/// and [`normalize`](super::normalize) deal with them as with any other.
///
/// # Errors
/// If `text` is not JSON; `out` is then as it was.
pub fn entries_from_json(
    out: &mut Vec<u8>,
    time: Timestamp,
    text: &[u8],
) -> Result<u64, JsonError> {
    elements(out, text, |out| write_entry_head(out, time))
}

/// Appends an entry for each line of `text`; empty lines are passed over. Gives the number of
/// entries. What is no object is treated as by [`entries_from_json`].
///
/// # Errors
/// If a line is not JSON; `out` is then as it was.
pub fn entries_from_ndjson(
    out: &mut Vec<u8>,
    time: Timestamp,
    text: &[u8],
) -> Result<u64, JsonError> {
    lines(out, text, |out| write_entry_head(out, time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{check, entries};

    #[test]
    fn arrays_objects_and_lines_become_entries() {
        let time = Timestamp::from_ns(7_000_000_000);
        type Read = fn(&mut Vec<u8>, Timestamp, &[u8]) -> Result<u64, JsonError>;
        for (read, text, count) in [
            (entries_from_json as Read, r#"[{"a":1},{"a":2}]"#, 2),
            (entries_from_json, r#"{"a":1}"#, 1),
            (entries_from_json, "[]", 0),
            (entries_from_ndjson, "{\"a\":1}\n\n{\"a\":2}\n{\"a\":3}", 3),
        ] {
            let mut out = Vec::new();
            assert_eq!(read(&mut out, time, text.as_bytes()).unwrap(), count);
            let checked = check(&out).unwrap();
            assert_eq!(checked.event_count, count);
            assert!(checked.all_plain);
            assert!(entries(&out).all(|entry| entry.unwrap().time == time));
        }
    }

    #[test]
    fn what_is_no_object_becomes_an_entry_that_is_not_plain() {
        let mut out = Vec::new();
        let time = Timestamp::from_ns(7_000_000_000);
        assert_eq!(entries_from_json(&mut out, time, b"[{}, 1]").unwrap(), 2);
        assert!(!check(&out).unwrap().all_plain);
    }
}
