//! The `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date.

use std::time::{Duration, UNIX_EPOCH};

/// The longest wait that is believed: a server that asks for more is tried again after this.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How long the header's value asks to wait from `now_ns` on (nanoseconds since the Unix epoch), at
/// most [`RETRY_AFTER_MAX`]; `None` if it is neither a number of seconds nor a date.
///
/// A date that has passed asks for no wait at all.
pub(super) fn parse(value: &str, now_ns: i64) -> Option<Duration> {
    let value = value.trim();
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit()) {
        seconds(value)?
    } else {
        until(value, now_ns)?
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// A number that is too large to be one counts as the longest wait.
fn seconds(digits: &str) -> Option<Duration> {
    match digits {
        "" => None,
        digits => Some(digits.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs)),
    }
}

fn until(date: &str, now_ns: i64) -> Option<Duration> {
    let date = httpdate::parse_http_date(date).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Duration::from_nanos(u64::try_from(now_ns).unwrap_or(0));
    Some(since_epoch.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06 08:49:00 UTC.
    const NOW_NS: i64 = 784_111_740_000_000_000;

    #[test]
    fn seconds_and_all_three_forms_of_dates_are_understood() {
        let cases = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", Some(0)),
        ];
        for (value, expected_s) in cases {
            let expected = expected_s.map(Duration::from_secs);
            assert_eq!(parse(value, NOW_NS), expected, "{value:?}");
        }
    }

    #[test]
    fn long_waits_are_cut_to_the_longest() {
        for value in [
            "3601",
            "99999999999999999999999999",
            "Sat, 06 Nov 2094 08:49:37 GMT",
        ] {
            assert_eq!(parse(value, NOW_NS), Some(RETRY_AFTER_MAX), "{value:?}");
        }
    }

    #[test]
    fn nonsense_asks_for_nothing() {
        for value in ["", " ", "-1", "1.5", "soon", "Sun, 99 Nov 1994"] {
            assert_eq!(parse(value, NOW_NS), None, "{value:?}");
        }
    }
}
