//! Time windows.

use std::ops::Range;

use forebay_storage::TimeWindow;

use crate::event::Timestamp;

use super::TimeKey;

/// Finds the window of each event's time, remembering the last one.
///
/// A window begins at `t - ((t + utc_offset(t)) mod len)`, in seconds. The offset is that of the
/// event's time: where the clocks change within a day, events before and after the change fall
/// into windows with different starts, as they do in Fluentd.
#[derive(Clone, Debug)]
pub struct Windows<'k> {
    key: &'k TimeKey,
    last: Option<Known>,
}

/// A window, and the seconds since the epoch for which it is the answer.
#[derive(Clone, Debug)]
struct Known {
    window: TimeWindow,
    valid: Range<i64>,
}

impl<'k> Windows<'k> {
    /// The windows that `key` asks for.
    #[must_use]
    pub fn new(key: &'k TimeKey) -> Self {
        Self { key, last: None }
    }

    /// The window that holds `time`.
    pub fn window(&mut self, time: Timestamp) -> TimeWindow {
        self.known(time.s()).window
    }

    /// The window that holds all of the two times and what lies between, if there is one.
    pub fn common_window(&mut self, min: Timestamp, max: Timestamp) -> Option<TimeWindow> {
        let known = self.known(min.s());
        known.valid.contains(&max.s()).then_some(known.window)
    }

    fn known(&mut self, at_s: i64) -> &Known {
        let is_known = |known: &Known| known.valid.contains(&at_s);
        let known = self.last.take().filter(is_known);
        let known = known.unwrap_or_else(|| self.find(at_s));
        self.last.insert(known)
    }

    fn find(&self, at_s: i64) -> Known {
        let span = self.key.zone.offset_span(at_s);
        let len_s = i64::from(self.key.len_s).max(1);
        let local_s = at_s.saturating_add(i64::from(span.offset_s));
        let start_s = at_s.saturating_sub(local_s.rem_euclid(len_s));
        Known {
            window: TimeWindow {
                start_s,
                len_s: self.key.len_s,
            },
            valid: Range {
                start: start_s.max(span.valid.start),
                end: start_s.saturating_add(len_s).min(span.valid.end),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk_key::Zone;
    use crate::chunk_key::zone::posix;

    fn key(len_s: u32, zone: Zone) -> TimeKey {
        TimeKey { len_s, zone }
    }

    /// The start of the window of a moment, both in RFC 3339.
    fn start(key: &TimeKey, time: &str) -> String {
        let time: jiff::Timestamp = time.parse().unwrap();
        let time = Timestamp::from_ns(i64::try_from(time.as_nanosecond()).unwrap());
        let window = Windows::new(key).window(time);
        Timestamp::from_s(window.start_s).unwrap().to_string()
    }

    #[test]
    fn windows_begin_on_the_zones_clock() {
        let berlin = || posix("CET-1CEST,M3.5.0,M10.5.0/3");
        let fixed = |text| Zone::parse(text).unwrap();
        for (len_s, zone, time, expected) in [
            (
                3600,
                Zone::utc(),
                "2026-11-21T07:59:59.9Z",
                "2026-11-21T07:00:00Z",
            ),
            (
                3600,
                Zone::utc(),
                "2026-11-21T08:00:00Z",
                "2026-11-21T08:00:00Z",
            ),
            (
                86_400,
                Zone::utc(),
                "2026-11-21T07:59:59Z",
                "2026-11-21T00:00:00Z",
            ),
            (
                3600,
                Zone::utc(),
                "1969-12-31T23:59:59.5Z",
                "1969-12-31T23:00:00Z",
            ),
            (
                7,
                Zone::utc(),
                "1970-01-01T00:00:13Z",
                "1970-01-01T00:00:07Z",
            ),
            (
                86_400,
                fixed("+09:00"),
                "2026-11-21T07:59:59Z",
                "2026-11-20T15:00:00Z",
            ),
            (
                86_400,
                fixed("+09:00"),
                "2026-11-21T15:00:00Z",
                "2026-11-21T15:00:00Z",
            ),
            (
                86_400,
                fixed("-0330"),
                "2026-11-21T03:29:59Z",
                "2026-11-20T03:30:00Z",
            ),
            (
                3600,
                fixed("+05:30"),
                "2026-11-21T07:29:59Z",
                "2026-11-21T06:30:00Z",
            ),
            (
                86_400,
                berlin(),
                "2026-11-21T07:59:59Z",
                "2026-11-20T23:00:00Z",
            ),
            (
                86_400,
                berlin(),
                "2026-07-21T07:59:59Z",
                "2026-07-20T22:00:00Z",
            ),
            // The clocks go forward: 23 hours from midnight to midnight.
            (
                86_400,
                berlin(),
                "2026-03-29T00:59:59Z",
                "2026-03-28T23:00:00Z",
            ),
            (
                86_400,
                berlin(),
                "2026-03-29T01:00:00Z",
                "2026-03-28T22:00:00Z",
            ),
            (
                86_400,
                berlin(),
                "2026-03-29T21:59:59Z",
                "2026-03-28T22:00:00Z",
            ),
            (
                86_400,
                berlin(),
                "2026-03-29T22:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            // The clocks go back.
            (
                86_400,
                berlin(),
                "2026-10-25T00:59:59Z",
                "2026-10-24T22:00:00Z",
            ),
            (
                86_400,
                berlin(),
                "2026-10-25T01:00:00Z",
                "2026-10-24T23:00:00Z",
            ),
            (
                86_400,
                berlin(),
                "2026-10-25T22:59:59Z",
                "2026-10-24T23:00:00Z",
            ),
            (
                86_400,
                berlin(),
                "2026-10-25T23:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            (
                3600,
                berlin(),
                "2026-10-25T00:30:00Z",
                "2026-10-25T00:00:00Z",
            ),
            (
                3600,
                berlin(),
                "2026-10-25T01:30:00Z",
                "2026-10-25T01:00:00Z",
            ),
        ] {
            let key = key(len_s, zone);
            assert_eq!(start(&key, time), expected, "{len_s} s at {time}");
        }
    }

    #[test]
    fn what_is_remembered_changes_no_answer() {
        let key = key(86_400, posix("CET-1CEST,M3.5.0,M10.5.0/3"));
        let mut remembering = Windows::new(&key);
        let change_s = 1_774_746_000;
        let mut at_s = change_s - 200_000;
        for step in 0..4000 {
            at_s += if step % 7 == 0 { -3_001 } else { 607 };
            let time = Timestamp::from_s(at_s).unwrap();
            assert_eq!(remembering.window(time), Windows::new(&key).window(time));
        }
    }

    #[test]
    fn times_share_a_window_only_if_all_between_do() {
        let key = key(86_400, posix("CET-1CEST,M3.5.0,M10.5.0/3"));
        let common = |min: i64, max: i64| {
            let [min, max] = [min, max].map(|s| Timestamp::from_s(s).unwrap());
            Windows::new(&key).common_window(min, max).is_some()
        };
        let change_s = 1_774_746_000;
        assert!(common(change_s, change_s + 3600));
        assert!(!common(change_s - 1, change_s));
        assert!(!common(change_s, change_s + 86_400));
    }
}
