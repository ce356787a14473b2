//! Which dead letters are meant.

use std::time::Duration;

use forebay_storage::ChunkId;

use super::DeadLetter;
use crate::route::TagMatcher;

/// Which dead letters are meant: those that fit everything that is set.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only this one.
    pub id: Option<ChunkId>,
    /// Only those of this route.
    pub route: Option<String>,
    /// Only those that this output did not take.
    pub output: Option<String>,
    /// Only those with this text in their reason or in the destination's answer.
    pub reason: Option<String>,
    /// Only events with such a tag; a dead letter may have others.
    pub tag: Option<TagMatcher>,
    /// Only those that have been dead for so long.
    pub older_than: Option<Duration>,
    /// Only those that have not been dead for so long.
    pub newer_than: Option<Duration>,
}

impl Selection {
    /// Whether it may have events of that dead letter: everything fits, but tags are only known
    /// where all its events have the same one.
    #[must_use]
    pub fn has(&self, letter: &DeadLetter, now_ns: i64) -> bool {
        let note = letter.note.as_ref();
        let age = now_ns.saturating_sub(letter.created_ns);
        let age = Duration::from_nanos(u64::try_from(age).unwrap_or(0));
        let output = note.and_then(|note| note.destination.as_deref());
        let says = |text: &String| {
            note.is_some_and(|note| note.reason.contains(text) || note.answer.contains(text))
        };
        let tag = letter.key.tag.as_deref();
        self.id.is_none_or(|id| id == letter.id)
            && self
                .route
                .as_ref()
                .is_none_or(|route| *route == letter.route)
            && self
                .output
                .as_deref()
                .is_none_or(|name| output == Some(name))
            && self.reason.as_ref().is_none_or(says)
            && tag.is_none_or(|tag| self.has_tag(tag))
            && self.older_than.is_none_or(|least| age >= least)
            && self.newer_than.is_none_or(|most| age < most)
    }

    /// Whether it has events of that tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tag.as_ref().is_none_or(|matcher| matcher.matches(tag))
    }
}
