//! Sizes and durations as people write them.

use std::time::Duration;

/// Bytes of `text`: a whole number and a unit.
///
/// `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024, and so are the bare letters `k`, `m`, `g`, `t`,
/// as in Fluentd; `kB`, `MB`, `GB`, `TB` are powers of 1000; no unit or `B` is bytes. Case does not
/// matter, and a space may stand before the unit.
///
/// # Errors
/// What is wrong, as a message.
pub(super) fn size_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split_number(text.trim());
    if number.is_empty() || number.contains('.') {
        return Err(format!("`{text}` is not a size"));
    }
    let factor = size_factor(unit).ok_or_else(|| format!("`{unit}` is not a unit of size"))?;
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is too large"))
}

/// The size as text that reads back as the same: in the largest unit that divides it.
pub(super) fn size_text(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = |(power, _): &(u32, &str)| bytes > 0 && bytes.is_multiple_of(1 << power);
    match units.into_iter().find(fits) {
        Some((power, unit)) => format!("{}{unit}", bytes >> power),
        None => bytes.to_string(),
    }
}

/// What a size looks like, for hints.
pub(super) const SIZE_HINT: &str = "a size is written as `8MiB`, `512KiB` or `1000` (bytes)";

fn size_factor(unit: &str) -> Option<u64> {
    let power = |base: u64, exponent| base.checked_pow(exponent);
    match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kib" => power(1024, 1),
        "m" | "mib" => power(1024, 2),
        "g" | "gib" => power(1024, 3),
        "t" | "tib" => power(1024, 4),
        "kb" => power(1000, 1),
        "mb" => power(1000, 2),
        "gb" => power(1000, 3),
        "tb" => power(1000, 4),
        _ => None,
    }
}

/// The duration `text` says: numbers with the units `ms`, `s`, `m`, `h`, `d`, one after the other,
/// or one plain number of seconds. Numbers may have a fraction, down to the nanosecond.
///
/// # Errors
/// What is wrong, as a message.
pub fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut total_ns: u128 = 0;
    let is_plain = split_number(rest).1.is_empty();
    loop {
        let (number, tail) = split_number(rest);
        if number.is_empty() {
            return Err(format!("`{text}` is not a duration"));
        }
        let (unit, tail) = split_unit(tail);
        let unit_ns = unit_ns(if is_plain { "s" } else { unit })
            .ok_or_else(|| format!("`{unit}` is not a unit of time"))?;
        let part_ns =
            times(number, unit_ns).ok_or_else(|| format!("`{text}` is not a duration"))?;
        total_ns = total_ns.saturating_add(part_ns);
        rest = tail.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    let too_large = || format!("`{text}` is longer than {DURATION_DAYS_MAX} days");
    if total_ns > DURATION_DAYS_MAX * DAY_NS {
        return Err(too_large());
    }
    u64::try_from(total_ns)
        .map(Duration::from_nanos)
        .map_err(|_| too_large())
}

/// The duration as text that reads back as the same.
pub(super) fn duration_text(duration: Duration) -> String {
    let (seconds, ns) = (duration.as_secs(), duration.subsec_nanos());
    if ns > 0 {
        let fraction = format!("{ns:09}");
        return format!("{seconds}.{}s", fraction.trim_end_matches('0'));
    }
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let fits = |(len, _): &(u64, &str)| seconds > 0 && seconds.is_multiple_of(*len);
    match units.into_iter().find(fits) {
        Some((len, unit)) => format!("{}{unit}", seconds / len),
        None => format!("{seconds}s"),
    }
}

/// What a duration looks like, for hints.
pub(super) const DURATION_HINT: &str =
    "a duration is written as `1m30s`, `500ms` or `10` (seconds)";

/// A century: far more than anybody waits, and sums of a few of them never overflow.
const DURATION_DAYS_MAX: u128 = 36_500;
const SECOND_NS: u128 = 1_000_000_000;
const DAY_NS: u128 = 86_400 * SECOND_NS;
const _: () = assert!(DURATION_DAYS_MAX * DAY_NS <= u64::MAX as u128);

fn unit_ns(unit: &str) -> Option<u128> {
    Some(match unit {
        "ms" => SECOND_NS / 1000,
        "s" => SECOND_NS,
        "m" => 60 * SECOND_NS,
        "h" => 3600 * SECOND_NS,
        "d" => DAY_NS,
        _ => return None,
    })
}

/// `number` (digits with at most one point) times `unit`, rounded down.
fn times(number: &str, unit: u128) -> Option<u128> {
    const FRACTION_DIGITS_MAX: u32 = 9;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = u32::try_from(fraction.len()).ok()?;
    if whole.is_empty() || digits == 0 || digits > FRACTION_DIGITS_MAX {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = fraction.parse().ok()?;
    let fraction_ns = u128::from(fraction).checked_mul(unit)? / 10_u128.pow(digits);
    u128::from(whole)
        .checked_mul(unit)?
        .checked_add(fraction_ns)
}

/// The leading digits and points, and the rest without the space before it.
fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (number, rest.trim_start())
}

/// The leading letters, and the rest.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| c.is_ascii_digit() || c.is_whitespace())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_all_spellings() {
        for (text, bytes) in [
            ("0", 0),
            ("1000", 1000),
            ("7B", 7),
            ("8MiB", 8 << 20),
            ("8mib", 8 << 20),
            ("8 MiB", 8 << 20),
            ("8m", 8 << 20),
            ("8M", 8 << 20),
            ("64k", 64 << 10),
            ("10g", 10 << 30),
            ("1t", 1 << 40),
            ("1TiB", 1 << 40),
            ("8MB", 8_000_000),
            ("8kB", 8000),
            ("20GB", 20_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_named() {
        for (text, message) in [
            ("", "`` is not a size"),
            ("big", "`big` is not a size"),
            ("-1", "`-1` is not a size"),
            ("1.5GiB", "`1.5GiB` is not a size"),
            ("8MiBs", "`MiBs` is not a unit of size"),
            ("8x", "`x` is not a unit of size"),
            (
                "18446744073709551616",
                "`18446744073709551616` is too large",
            ),
            ("99999999TiB", "`99999999TiB` is too large"),
        ] {
            assert_eq!(size_bytes(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn durations_are_read_in_all_spellings() {
        for (text, ms) in [
            ("0", 0),
            ("10", 10_000),
            ("0.5", 500),
            ("500ms", 500),
            ("1s", 1000),
            ("1.25s", 1250),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("1h", 3_600_000),
            ("72h", 72 * 3_600_000),
            ("1d12h", 36 * 3_600_000),
            ("36500d", 36_500 * 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        for bytes in [0, 1, 1000, 1024, 8 << 20, 3 << 30, 5 << 40, u64::MAX] {
            assert_eq!(size_bytes(&size_text(bytes)), Ok(bytes));
        }
        for ms in [0, 1, 500, 1000, 90_000, 7_200_000, 3 * 86_400_000] {
            let length = Duration::from_millis(ms);
            assert_eq!(duration(&duration_text(length)), Ok(length));
        }
        assert_eq!(
            (size_text(8 << 20), duration_text(Duration::from_secs(600))),
            ("8MiB".to_owned(), "10m".to_owned())
        );
    }

    #[test]
    fn what_is_not_a_duration_is_named() {
        for (text, message) in [
            ("", "`` is not a duration"),
            ("soon", "`soon` is not a duration"),
            ("-1s", "`-1s` is not a duration"),
            ("1.s", "`1.s` is not a duration"),
            (".5s", "`.5s` is not a duration"),
            ("1.2.3s", "`1.2.3s` is not a duration"),
            ("1h30", "`` is not a unit of time"),
            ("5 minutes", "`minutes` is not a unit of time"),
            ("1M", "`M` is not a unit of time"),
            ("36501d", "`36501d` is longer than 36500 days"),
            (
                "99999999999999999999s",
                "`99999999999999999999s` is not a duration",
            ),
        ] {
            assert_eq!(duration(text), Err(message.to_owned()), "{text}");
        }
    }
}
