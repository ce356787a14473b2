//! A moment as the API writes it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::event::Timestamp;

/// A moment in Unix nanoseconds, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.9}", Timestamp::from_ns(self.0).to_jiff())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_nanoseconds() {
        assert_eq!(Moment(0).to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            Moment(1_795_248_000_000_000_001).to_string(),
            "2026-11-21T08:00:00.000000001Z"
        );
    }

    #[test]
    fn every_number_of_nanoseconds_is_a_moment() {
        assert_eq!(
            Moment(i64::MIN).to_string(),
            "1677-09-21T00:12:43.145224192Z"
        );
        assert_eq!(
            Moment(i64::MAX).to_string(),
            "2262-04-11T23:47:16.854775807Z"
        );
    }
}
