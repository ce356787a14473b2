//! What follows the question mark.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::status::{ChunkQuery, ChunkState, EventCursor};
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
}

impl ChunkParameters {
    /// # Errors
    /// A value is out of its bounds.
    pub(super) fn query(self) -> Result<ChunkQuery, Problem> {
        Ok(ChunkQuery {
            state: self.state,
            after: self.cursor,
            limit: limit(self.limit)?,
        })
    }
}

impl EventParameters {
    /// Where the page begins, and how many events there may be on it.
    ///
    /// # Errors
    /// As [`ChunkParameters::query`].
    pub(super) fn page(self) -> Result<(EventCursor, usize), Problem> {
        let from = match self.cursor {
            None => EventCursor::default(),
            Some(text) => text.parse().map_err(bad)?,
        };
        Ok((from, limit(self.limit)?))
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

fn bad(detail: impl ToString) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail.to_string())
}
