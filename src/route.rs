//! Tag patterns and the choice of a route.
//!
//! Patterns are Fluentd's:
//!
//! | pattern | matches |
//! |---|---|
//! | `*` | any characters within one part of a tag: `a.*` matches `a.b`, not `a` or `a.b.c`; `web*` matches `web1` |
//! | `**` as a whole part | no part, or any number of them: `a.**` matches `a`, `a.b`, `a.b.c`; `**.a` matches `a`, `b.a` |
//! | `**` beside other characters | any characters, dots too: `a**` matches `ab.c` |
//! | `{x,y}` | either; `x` and `y` are patterns |
//! | `\` | takes the next character as it is |
//!
//! Several patterns separated by white space match what any of them matches. Regular expressions
//! in slashes are not patterns here.
//!
//! A pattern becomes a small automaton whose states are tried side by side, so that the time to
//! match is bounded by tag times pattern, whatever a pattern looks like.

mod automaton;
mod memo;
mod parse;
mod router;

use automaton::Automaton;
pub use memo::TagMemo;
pub use router::TagRouter;

/// Most bytes of a list of patterns.
pub const PATTERN_SIZE_MAX: usize = 4096;

/// One or several patterns, compiled.
#[derive(Clone, Debug)]
pub struct TagMatcher {
    text: String,
    patterns: Vec<Automaton>,
}

impl PartialEq for TagMatcher {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern `{pattern}`: {fault} at position {position}")]
pub struct PatternError {
    /// The pattern, one of the list.
    pub pattern: String,
    /// Where in it, in bytes from 0.
    pub position: usize,
    /// What is wrong there.
    pub fault: PatternFault,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// There is no pattern at all.
    #[error("a pattern is missing")]
    Missing,
    /// A `{` without its `}`.
    #[error("`{{` is never closed")]
    Unclosed,
    /// A `}` without its `{`.
    #[error("`}}` closes nothing")]
    Unopened,
    /// A `\` with nothing behind it.
    #[error("`\\` needs a character behind it")]
    Escape,
    /// A `/` at the start.
    #[error("regular expressions are not supported")]
    RegularExpression,
    /// More than 16 levels of `{`.
    #[error("alternatives nest too deep")]
    TooDeep,
    /// More than [`PATTERN_SIZE_MAX`] bytes.
    #[error("the patterns are longer than {PATTERN_SIZE_MAX} bytes")]
    TooLong,
}

impl TagMatcher {
    /// Compiles patterns separated by white space.
    ///
    /// # Errors
    /// [`PatternError`] with the pattern and the position.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parse_all([text])
    }

    /// Compiles a list, each item of which may hold several patterns separated by white space.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_all<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, PatternError> {
        let text = texts.into_iter().collect::<Vec<_>>().join(" ");
        if text.len() > PATTERN_SIZE_MAX {
            return Err(PatternError::new(
                &text,
                PATTERN_SIZE_MAX,
                PatternFault::TooLong,
            ));
        }
        let compiled = text.split_whitespace().map(parse::compile);
        let patterns = compiled.collect::<Result<Vec<_>, _>>()?;
        if patterns.is_empty() {
            return Err(PatternError::new(&text, 0, PatternFault::Missing));
        }
        Ok(Self { text, patterns })
    }

    /// The patterns as they were written, with a space between those of a list.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether one of the patterns matches.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(tag))
    }
}

impl PatternError {
    fn new(pattern: &str, position: usize, fault: PatternFault) -> Self {
        Self {
            pattern: pattern.to_owned(),
            position,
            fault,
        }
    }
}

#[cfg(test)]
mod tests;
