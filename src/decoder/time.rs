//! The time of an event, from a field of its record.

use std::sync::Arc;

use jiff::fmt::strtime::BrokenDownTime;

use super::{DecodeError, Decoded, Decoder};
use crate::chunk_key::Zone;
use crate::event::{Timestamp, Value};

/// Where the time stands and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeKey {
    /// The field.
    pub field: String,
    /// How it is written.
    pub format: TimeFormat,
    /// The zone of times that name none.
    pub zone: Zone,
    /// Whether the field stays in the record.
    pub is_kept: bool,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Seconds since the epoch, with decimals if there are any.
    Unix,
    /// Milliseconds since the epoch.
    UnixMs,
    /// RFC 3339: `2025-11-21T07:53:36.5Z`.
    Rfc3339,
    /// As strftime writes it.
    Strftime(String),
}

/// A format that means no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{format}` is no time format: `unix`, `unix_ms`, `rfc3339`, or directives such as `%Y-%m-%d %H:%M:%S`"
)]
pub struct TimeFormatError {
    /// The format as written.
    pub format: String,
}

impl TimeFormat {
    /// Reads the name of a format, or directives of strftime.
    ///
    /// # Errors
    /// [`TimeFormatError`].
    pub fn parse(format: &str) -> Result<Self, TimeFormatError> {
        match format {
            "unix" => Ok(Self::Unix),
            "unix_ms" => Ok(Self::UnixMs),
            "rfc3339" | "iso8601" => Ok(Self::Rfc3339),
            _ if is_strftime(format) => Ok(Self::Strftime(format.to_owned())),
            _ => Err(TimeFormatError {
                format: format.to_owned(),
            }),
        }
    }

    /// The time that `value` says; `None` if it says none.
    #[must_use]
    pub fn read(&self, value: &Value, zone: &Zone) -> Option<Timestamp> {
        match self {
            Self::Unix => since_epoch(value, 1_000_000_000),
            Self::UnixMs => since_epoch(value, 1_000_000),
            Self::Rfc3339 => {
                let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
                of_jiff(time)
            }
            Self::Strftime(format) => strftime(format, value.as_str()?, zone),
        }
    }
}

fn is_strftime(format: &str) -> bool {
    let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    format.contains('%') && jiff::fmt::strtime::format(format, &sample).is_ok()
}

/// A number of units of `unit_ns` nanoseconds; integers are exact.
fn since_epoch(value: &Value, unit_ns: i64) -> Option<Timestamp> {
    match value {
        Value::Int(units) => units.checked_mul(unit_ns).map(Timestamp::from_ns),
        Value::Str(text) => match text.trim().parse::<i64>() {
            Ok(units) => since_epoch(&Value::Int(units), unit_ns),
            Err(_) => since_epoch(&Value::F64(text.trim().parse().ok()?), unit_ns),
        },
        Value::F32(_) | Value::F64(_) => {
            let ns = value.as_f64()? * unit_ns as f64;
            // The range of i64; what is no number is outside.
            #[expect(clippy::cast_possible_truncation, reason = "compared first")]
            (ns.abs() < 9.2e18).then(|| Timestamp::from_ns(ns.round() as i64))
        }
        _ => None,
    }
}

fn strftime(format: &str, text: &str, zone: &Zone) -> Option<Timestamp> {
    let parsed = BrokenDownTime::parse(format, text.trim()).ok()?;
    if parsed.offset().is_some() || parsed.timestamp().is_some() {
        return of_jiff(parsed.to_timestamp().ok()?);
    }
    let local = parsed.to_datetime().ok()?;
    of_jiff(local.to_zoned(zone.to_jiff().clone()).ok()?.timestamp())
}

fn of_jiff(time: jiff::Timestamp) -> Option<Timestamp> {
    i64::try_from(time.as_nanosecond())
        .ok()
        .map(Timestamp::from_ns)
}

/// Another decoder, and then the time from a field.
#[derive(Debug)]
pub(super) struct Timed {
    decoder: Arc<dyn Decoder>,
    key: TimeKey,
}

impl Timed {
    pub(super) fn new(decoder: Arc<dyn Decoder>, key: TimeKey) -> Self {
        Self { decoder, key }
    }
}

impl Decoder for Timed {
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
        let Decoded { mut record, .. } = self.decoder.decode(bytes)?;
        let key = &self.key;
        let value = record.get(&key.field).ok_or(DecodeError::NoTime)?;
        let time = key.format.read(value, &key.zone);
        let time = time.ok_or(DecodeError::NoTime)?;
        if !key.is_kept {
            record.remove(&key.field);
        }
        Ok(Decoded {
            time: Some(time),
            record,
        })
    }
}
