//! What follows the question mark.

use std::time::Duration;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::status::{
    ChunkOrder, ChunkQuery, ChunkState, EventCursor, EventQuery, FieldQuery,
};
use crate::wire::http::Problem;

/// Entries on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 100;

/// Most entries on a page.
const LIMIT_MAX: usize = 1_000;

/// Which chunks to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChunkParameters {
    /// Only chunks in this state.
    state: Option<ChunkState>,
    /// Only chunks whose key has this text in it; a key reads as `tag path=value path=value`.
    key: Option<String>,
    /// Only chunks that the output of this name has not confirmed.
    output: Option<String>,
    /// Only chunks that were created longer ago: a number with `ms`, `s`, `m`, `h` or `d`.
    #[schemars(regex(pattern = "^[0-9]{1,9}(ms|s|m|h|d)$"))]
    older_than: Option<String>,
    /// Which come first; the oldest unless it is said.
    order: Option<ChunkOrder>,
    /// Where the page begins: the `next` of the one before.
    cursor: Option<String>,
    /// Entries on the page; 100 unless it is said.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

/// Which events to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventParameters {
    /// Where the page begins: the `next` of the one before.
    #[schemars(regex(pattern = "^[0-9]{1,19}-[0-9]{1,19}$"))]
    cursor: Option<String>,
    /// Entries on the page; 100 unless it is said.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// Only events with this value in this field, as `name:value` or `$.a.b:value`; what is no
    /// string is compared by its JSON text. A page may then be short, or empty, though there is a
    /// next one.
    #[schemars(regex(pattern = FieldQuery::PATTERN))]
    field: Option<String>,
}

impl ChunkParameters {
    /// # Errors
    /// A value is out of its bounds.
    pub(super) fn query(self) -> Result<ChunkQuery, Problem> {
        Ok(ChunkQuery {
            state: self.state,
            key: self.key,
            output: self.output,
            older_than: self.older_than.as_deref().map(age).transpose()?,
            order: self.order.unwrap_or_default(),
            after: self.cursor,
            limit: limit(self.limit)?,
        })
    }
}

impl EventParameters {
    /// # Errors
    /// As [`ChunkParameters::query`].
    pub(super) fn query(self) -> Result<EventQuery, Problem> {
        let from = self
            .cursor
            .map_or(Ok(EventCursor::default()), |text| text.parse());
        let field = self.field.map(|text| text.parse()).transpose();
        Ok(EventQuery {
            from: from.map_err(bad)?,
            limit: limit(self.limit)?,
            field: field.map_err(bad)?,
        })
    }
}

/// How many entries there may be on a page.
///
/// # Errors
/// None, or too many.
pub(super) fn limit(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(bad(format!("limit is a number from 1 to {LIMIT_MAX}"))),
    }
}

/// A number of at most nine digits with a unit.
fn age(text: &str) -> Result<Duration, Problem> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    match number.parse::<u64>() {
        Ok(number) if digits <= 9 && unit_ms > 0 => Ok(Duration::from_millis(number * unit_ms)),
        _ => Err(bad("an age is a number with `ms`, `s`, `m`, `h` or `d`")),
    }
}

fn bad(detail: impl ToString) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail.to_string())
}
