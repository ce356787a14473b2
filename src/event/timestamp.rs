//! Event time.

use std::fmt;

use crate::msgpack::{EVENT_TIME_EXT, Value, write};

/// Nanoseconds in a second.
const SECOND_NS: i64 = 1_000_000_000;

/// A moment, in nanoseconds since the Unix epoch: the years 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// The moment so many nanoseconds after the epoch.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// The moment so many seconds after the epoch; `None` outside the years above.
    #[must_use]
    pub fn from_s(seconds: i64) -> Option<Self> {
        seconds.checked_mul(SECOND_NS).map(Self)
    }

    /// The moment that an `EventTime` says. Nanoseconds beyond a second count on.
    #[must_use]
    pub fn from_event_time(seconds: u32, nanoseconds: u32) -> Self {
        Self(i64::from(seconds) * SECOND_NS + i64::from(nanoseconds))
    }

    /// The time of an entry, from its MessagePack value; `None` if the value is no time.
    pub(super) fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Int(seconds) => Self::from_s(seconds),
            Value::Ext(EVENT_TIME_EXT, data) => {
                let (seconds, nanoseconds) = data.split_first_chunk()?;
                let nanoseconds = nanoseconds.try_into().ok()?;
                Some(Self::from_event_time(
                    u32::from_be_bytes(*seconds),
                    u32::from_be_bytes(nanoseconds),
                ))
            }
            _ => None,
        }
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn s(self) -> i64 {
        self.0.div_euclid(SECOND_NS)
    }

    /// Nanoseconds after [`s`](Self::s), below a billion.
    #[must_use]
    pub fn subsecond_ns(self) -> u32 {
        u32::try_from(self.0.rem_euclid(SECOND_NS)).unwrap_or(0)
    }

    /// Appends the moment as an `EventTime`, or where that cannot hold it (before 1970 or after
    /// 2106) as whole seconds.
    pub fn write(self, out: &mut Vec<u8>) {
        match u32::try_from(self.s()) {
            Ok(seconds) => write::event_time(out, seconds, self.subsecond_ns()),
            Err(_) => write::int(out, self.s()),
        }
    }

    /// The same moment for calendars and zones.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC, with as many digits of the second as are needed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jiff().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_range_can_be_written() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_763_711_616_123_456_789, "2025-11-21T07:53:36.123456789Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        ] {
            assert_eq!(Timestamp::from_ns(ns).to_string(), text);
        }
    }

    #[test]
    fn an_event_time_holds_what_it_can() {
        let written = |ns| {
            let mut out = Vec::new();
            Timestamp::from_ns(ns).write(&mut out);
            out
        };
        assert_eq!(written(1_000_000_002), [0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(written(-1), [0xff]);
        let in_2200 = 7_258_118_400;
        assert_eq!(written(in_2200 * SECOND_NS)[0], 0xcf);
    }

    #[test]
    fn seconds_out_of_range_are_no_time() {
        assert_eq!(
            Timestamp::from_s(9_223_372_036),
            Some(Timestamp(9_223_372_036 * SECOND_NS))
        );
        assert_eq!(Timestamp::from_s(9_223_372_037), None);
        assert_eq!(Timestamp::from_s(-9_223_372_037), None);
    }
}
