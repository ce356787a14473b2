//! Tag patterns and the choice of a route.

/// Being built.
#[derive(Clone, Debug)]
pub struct TagMatcher;
