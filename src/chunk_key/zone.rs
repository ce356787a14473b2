//! The zone in which days begin at midnight.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// UTC, a fixed offset, a zone of the IANA database, or the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// Why a text names no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// It begins like an offset.
    #[error("zone `{text}`: an offset is written +09:00, +0900 or +09, below 24 hours")]
    Offset {
        /// The text.
        text: String,
    },
    /// The system's zone database does not know it.
    #[error("zone `{text}` is not in this system's zone database")]
    Unknown {
        /// The text.
        text: String,
    },
}

/// An offset, and the seconds since the epoch in which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OffsetSpan {
    pub(super) offset_s: i32,
    pub(super) valid: Range<i64>,
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of this system, as it is now; UTC if the system does not say.
    #[must_use]
    pub fn local() -> Self {
        Self(TimeZone::system())
    }

    /// Reads a zone: `UTC`, `local`, an offset (`+09:00`, `+0900`, `+09`), or a name such as
    /// `Asia/Tokyo`.
    ///
    /// # Errors
    /// [`ZoneError`].
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        let owned = || text.to_owned();
        match text.as_bytes() {
            b"UTC" | b"utc" | b"Z" => Ok(Self::utc()),
            b"local" => Ok(Self::local()),
            [b'+' | b'-', ..] => match fixed_offset(text) {
                Some(offset) => Ok(Self(TimeZone::fixed(offset))),
                None => Err(ZoneError::Offset { text: owned() }),
            },
            _ => match TimeZone::get(text) {
                Ok(zone) => Ok(Self(zone)),
                Err(_) => Err(ZoneError::Unknown { text: owned() }),
            },
        }
    }

    /// The zone as the calendar wants it.
    #[must_use]
    pub fn to_jiff(&self) -> &TimeZone {
        &self.0
    }

    /// The offset at a second since the epoch, and from when to when it stays the same.
    pub(super) fn offset_span(&self, at_s: i64) -> OffsetSpan {
        let at = timestamp(at_s);
        // The transition at this very second counts as past.
        let just_after = timestamp(at_s.saturating_add(1));
        let start = self.0.preceding(just_after).next();
        let end = self.0.following(at).next();
        OffsetSpan {
            offset_s: self.0.to_offset(at).seconds(),
            valid: Range {
                start: start.map_or(i64::MIN, |change| change.timestamp().as_second()),
                end: end.map_or(i64::MAX, |change| change.timestamp().as_second()),
            },
        }
    }
}

/// Far outside any event's time the calendar ends; the nearest moment it knows stands in.
fn timestamp(at_s: i64) -> Timestamp {
    let limit = if at_s < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(at_s).unwrap_or(limit)
}

/// `+HH:MM`, `+HHMM` or `+HH`.
fn fixed_offset(text: &str) -> Option<Offset> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match text.as_bytes().get(1..)? {
        [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => ([*h1, *h2], [*m1, *m2]),
        [h1, h2] => ([*h1, *h2], *b"00"),
        _ => return None,
    };
    let hours = two_digits(hours).filter(|hours| *hours < 24)?;
    let minutes = two_digits(minutes).filter(|minutes| *minutes < 60)?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

fn two_digits(digits: [u8; 2]) -> Option<i32> {
    let [tens, ones] = digits.map(|digit| char::from(digit).to_digit(10));
    i32::try_from(tens? * 10 + ones?).ok()
}

#[cfg(test)]
pub(super) fn posix(rule: &str) -> Zone {
    Zone(TimeZone::posix(rule).expect("a POSIX time zone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_in_three_forms() {
        for (text, offset_s) in [
            ("+09:00", 32_400),
            ("+0900", 32_400),
            ("+09", 32_400),
            ("-03:30", -12_600),
            ("-0000", 0),
            ("+23:59", 86_340),
            ("UTC", 0),
        ] {
            let zone = Zone::parse(text).expect(text);
            let span = zone.offset_span(1_800_000_000);
            assert_eq!(span.offset_s, offset_s, "{text}");
            assert_eq!(span.valid, i64::MIN..i64::MAX);
        }
    }

    #[test]
    fn what_names_no_zone_is_refused() {
        for text in [
            "+9",
            "+24:00",
            "+09:60",
            "+ab:cd",
            "+",
            "-09:0",
            "+09:00:00",
        ] {
            let text = text.to_owned();
            assert_eq!(Zone::parse(&text), Err(ZoneError::Offset { text }));
        }
        for text in ["Moon/Base", "", "09:00"] {
            let text = text.to_owned();
            assert_eq!(Zone::parse(&text), Err(ZoneError::Unknown { text }));
        }
    }

    #[test]
    fn an_offset_holds_between_two_changes() {
        let zone = posix("CET-1CEST,M3.5.0,M10.5.0/3");
        let (spring, autumn) = (1_774_746_000, 1_792_890_000);
        for at_s in [spring, spring + 1, autumn - 1] {
            let span = zone.offset_span(at_s);
            assert_eq!((span.offset_s, span.valid), (7200, spring..autumn));
        }
        let before = zone.offset_span(spring - 1);
        assert_eq!((before.offset_s, before.valid.end), (3600, spring));
        let after = zone.offset_span(autumn);
        assert_eq!((after.offset_s, after.valid.start), (3600, autumn));
    }

    #[test]
    fn the_ends_of_time_have_an_offset() {
        let zone = posix("CET-1CEST,M3.5.0,M10.5.0/3");
        for at_s in [i64::MIN, -9_223_372_036, 9_223_372_036, i64::MAX] {
            assert!(zone.offset_span(at_s).valid.contains(&at_s) || at_s == i64::MAX);
        }
    }
}
