//! What follows the question mark.

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use serde::Deserialize;

use crate::engine::status::{ChunkQuery, ChunkState, EventCursor};
use crate::wire::http::Problem;

/// Entries on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 100;

/// Most entries on a page.
const LIMIT_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChunkParameters {
    state: Option<ChunkState>,
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventParameters {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Which chunks to list.
///
/// # Errors
/// A parameter is unknown, or its value is none.
pub(super) fn chunks(uri: &Uri) -> Result<ChunkQuery, Problem> {
    let parameters: ChunkParameters = parsed(uri)?;
    Ok(ChunkQuery {
        state: parameters.state,
        after: parameters.cursor,
        limit: limit(parameters.limit)?,
    })
}

/// Where a page of events begins, and how many there may be on it.
///
/// # Errors
/// As [`chunks`].
pub(super) fn events(uri: &Uri) -> Result<(EventCursor, usize), Problem> {
    let parameters: EventParameters = parsed(uri)?;
    let from = match parameters.cursor {
        None => EventCursor::default(),
        Some(text) => text.parse().map_err(bad)?,
    };
    Ok((from, limit(parameters.limit)?))
}

fn parsed<T: serde::de::DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let query = Query::try_from_uri(uri).map_err(|rejection| bad(rejection.body_text()))?;
    Ok(query.0)
}

fn limit(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(bad(format!("limit is a number from 1 to {LIMIT_MAX}"))),
    }
}

fn bad(detail: impl ToString) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail.to_string())
}
