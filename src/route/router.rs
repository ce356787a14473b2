//! The choice of a route, remembered by tag.

use super::TagMatcher;
use super::memo::TagMemo;

/// Routes in their order: the first whose patterns match takes the tag.
#[derive(Debug)]
pub struct TagRouter<T> {
    routes: Vec<(TagMatcher, T)>,
    /// By tag the place of its route.
    known: TagMemo<Option<usize>>,
}

impl<T> TagRouter<T> {
    /// A router over `routes`, in the order in which they are tried.
    pub fn new(routes: impl IntoIterator<Item = (TagMatcher, T)>) -> Self {
        Self {
            routes: routes.into_iter().collect(),
            known: TagMemo::default(),
        }
    }

    /// The route that takes `tag`, if one does.
    pub fn route(&self, tag: &str) -> Option<&T> {
        self.index(tag).map(|index| &self.routes[index].1)
    }

    /// The place, among all routes, of the one that takes `tag`.
    pub fn index(&self, tag: &str) -> Option<usize> {
        let takes_it = |(matcher, _): &(TagMatcher, T)| matcher.matches(tag);
        let find = || self.routes.iter().position(takes_it);
        self.known.get(tag, find)
    }

    /// The route at a place.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.routes.get(index).map(|(_, route)| route)
    }

    /// All routes, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.routes.iter().map(|(_, route)| route)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memo::TAGS_MAX;
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
            assert!(router.known.len() <= TAGS_MAX);
        }
        let long = "app.".repeat(100);
        assert_eq!(router.route(&long), Some(&1));
        assert!(router.known.recall(&long).is_none());
    }
}
