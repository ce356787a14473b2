//! Tag patterns.

use crate::config::decode::OneOrMany;
use crate::config::error::{At, Problems};
use crate::route::TagMatcher;

/// The matcher of a route's `match`; `None` once `problems` says why.
pub(super) fn matcher(
    patterns: At<OneOrMany<String>>,
    problems: &mut Problems,
) -> Option<TagMatcher> {
    let mut is_right = true;
    for At { value, position } in &patterns.value {
        if let Err(error) = TagMatcher::parse(value) {
            problems.add(*position, error.to_string());
            is_right = false;
        }
    }
    if !is_right {
        return None;
    }
    // What is right one by one can only be too long, or nothing, together.
    TagMatcher::parse_all(patterns.value.iter().map(|at| at.value.as_str()))
        .map_err(|error| problems.add(patterns.position, error.to_string()))
        .ok()
}

/// Whether `matcher` takes every tag, and says so.
pub(super) fn takes_everything(matcher: &TagMatcher) -> bool {
    matcher
        .as_str()
        .split_whitespace()
        .any(|pattern| pattern == "**")
}
