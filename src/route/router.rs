//! The choice of a route, remembered by tag.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::TagMatcher;

/// How many tags are remembered. When there are more, all are forgotten and found again.
const TAGS_MAX: usize = 4096;

/// Longer tags are matched anew each time, so that what is remembered stays below 1 MiB.
const TAG_SIZE_MAX: usize = 256;

/// Routes in their order: the first whose patterns match takes the tag.
#[derive(Debug)]
pub struct TagRouter<T> {
    routes: Vec<(TagMatcher, T)>,
    /// By tag the place of its route.
    known: RwLock<HashMap<Box<str>, Option<usize>>>,
}

impl<T> TagRouter<T> {
    /// A router over `routes`, in the order in which they are tried.
    pub fn new(routes: impl IntoIterator<Item = (TagMatcher, T)>) -> Self {
        Self {
            routes: routes.into_iter().collect(),
            known: RwLock::default(),
        }
    }

    /// The route that takes `tag`, if one does.
    pub fn route(&self, tag: &str) -> Option<&T> {
        let index = match self.recall(tag) {
            Some(known) => known,
            None => self.find(tag),
        };
        index.map(|index| &self.routes[index].1)
    }

    /// All routes, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.routes.iter().map(|(_, route)| route)
    }

    fn recall(&self, tag: &str) -> Option<Option<usize>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tag).copied()
    }

    fn find(&self, tag: &str) -> Option<usize> {
        let takes_it = |(matcher, _): &(TagMatcher, T)| matcher.matches(tag);
        let index = self.routes.iter().position(takes_it);
        if tag.len() <= TAG_SIZE_MAX {
            self.remember(tag, index);
        }
        index
    }

    fn remember(&self, tag: &str, index: Option<usize>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TAGS_MAX {
            known.clear();
        }
        known.insert(tag.into(), index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> TagRouter<u8> {
        let patterns = ["app.web", "app.**", "sys.* kern"];
        let matchers = patterns.map(|text| TagMatcher::parse(text).unwrap());
        TagRouter::new(matchers.into_iter().zip(0..))
    }

    #[test]
    fn the_first_route_that_matches_takes_the_tag() {
        let router = router();
        // Twice: found, then remembered.
        for _ in 0..2 {
            for (tag, route) in [
                ("app.web", Some(0)),
                ("app.web.x", Some(1)),
                ("app", Some(1)),
                ("sys.a", Some(2)),
                ("kern", Some(2)),
                ("sys", None),
            ] {
                assert_eq!(router.route(tag).copied(), route, "{tag}");
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let router = router();
        for number in 0..2 * TAGS_MAX {
            assert_eq!(router.route(&format!("app.{number}")), Some(&1));
            assert!(router.known.read().unwrap().len() <= TAGS_MAX);
        }
        let long = "app.".repeat(100);
        assert_eq!(router.route(&long), Some(&1));
        assert!(router.recall(&long).is_none());
    }
}
