//! What is written beside a record's own fields: its time and its tag.

use crate::event::Timestamp;
use crate::msgpack::{Cursor, Error, Value};

/// The name under which the time is written.
pub(super) const TIME: &str = "time";

/// The name under which the tag is written.
pub(super) const TAG: &str = "tag";

/// Which of our names a record has itself, at its top level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Own {
    /// It has a field `time`.
    pub(super) time: bool,
    /// It has a field `tag`.
    pub(super) tag: bool,
}

impl Own {
    /// Looks through the names of the map that `record` begins with.
    pub(super) fn of(record: &[u8]) -> Result<Self, Error> {
        let mut own = Self::default();
        let mut cursor = Cursor::new(record);
        let Value::Map(count) = cursor.read()? else {
            return Ok(own);
        };
        for _ in 0..count {
            own.note(cursor);
            cursor.skip_many(2)?;
        }
        Ok(own)
    }

    /// Notes the name that comes next if it is one of ours. All but none are told by their first bytes.
    #[inline]
    fn note(&mut self, mut next: Cursor<'_>) {
        match next.rest() {
            [0xa4, b't', b'i', b'm', b'e', ..] => self.time = true,
            [0xa3, b't', b'a', b'g', ..] => self.tag = true,
            // A longer head than it needs.
            [0xd9..=0xdb, ..] => {
                let name = next.read().ok().and_then(Value::as_text);
                self.time |= name == Some(TIME);
                self.tag |= name == Some(TAG);
            }
            _ => {}
        }
    }
}

/// Calls `visit` with the bytes of each key and value of the map that `record` is.
pub(super) fn each_pair<'a>(
    record: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut cursor = Cursor::new(record);
    let Value::Map(count) = cursor.read()? else {
        return Ok(());
    };
    for _ in 0..count {
        let key = cursor.skip()?;
        visit(key, cursor.skip()?)?;
    }
    Ok(())
}

/// Writes times as RFC 3339 in UTC with nine digits after the second.
///
/// Events of one second follow one another, so all but the digits is kept.
#[derive(Debug, Default)]
pub(super) struct TimeText {
    /// The second that `text` is about.
    second: Option<i64>,
    text: String,
    /// Bytes of `text` before the digits.
    stem_len: usize,
}

impl TimeText {
    /// The text of `time`.
    pub(super) fn of(&mut self, time: Timestamp) -> &str {
        if self.second != Some(time.s()) {
            self.second = Some(time.s());
            self.text = whole_second(time);
            self.text.push('.');
            self.stem_len = self.text.len();
        }
        self.text.truncate(self.stem_len);
        let digits = 1_000_000_000 + u64::from(time.subsecond_ns());
        self.text.push_str(&itoa::Buffer::new().format(digits)[1..]);
        self.text.push('Z');
        &self.text
    }
}

/// The time without its fraction and without the zone's letter.
fn whole_second(time: Timestamp) -> String {
    let mut text = time.to_string();
    text.truncate("1970-01-01T00:00:00".len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_head() {
        let heads = |name: &str| {
            let size = u8::try_from(name.len()).unwrap();
            [
                vec![0xa0 | size],
                vec![0xd9, size],
                vec![0xda, 0, size],
                vec![0xdb, 0, 0, 0, size],
            ]
        };
        for (name, time, tag) in [
            ("time", true, false),
            ("tag", false, true),
            ("tame", false, false),
            ("times", false, false),
            ("ta", false, false),
        ] {
            for head in heads(name) {
                let record = [
                    b"\x82\xa1a\x81\xa4time\x01",
                    &head[..],
                    name.as_bytes(),
                    b"\x01",
                ];
                assert_eq!(
                    Own::of(&record.concat()),
                    Ok(Own { time, tag }),
                    "{head:x?}"
                );
            }
        }
        assert!(Own::of(b"\x82\xa3tag\x01").is_err());
    }

    #[test]
    fn times_have_nine_digits_whether_they_were_kept_or_not() {
        let mut text = TimeText::default();
        for (ns, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (999_999_999, "1970-01-01T00:00:00.999999999Z"),
            (1_763_711_616_120_000_000, "2025-11-21T07:53:36.120000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        ] {
            assert_eq!(text.of(Timestamp::from_ns(ns)), expected);
        }
    }
}
