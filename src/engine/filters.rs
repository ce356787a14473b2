//! What is known of a filter from outside.

use std::sync::Arc;

use crate::filter::FilterStats;

/// What is known of a filter while it runs.
#[derive(Clone)]
pub(super) struct FilterHandle {
    pub(super) name: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) stats: Arc<FilterStats>,
}
