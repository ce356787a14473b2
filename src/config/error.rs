//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file can be read, but is not a valid configuration.
    #[error("the configuration is not valid\n\n{0}")]
    Invalid(Problems),
}

/// A place in the configuration text. Lines and columns count from 1, columns and `len` in
/// characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column of the first character.
    pub column: usize,
    /// How many characters the caret underlines; at least one is drawn.
    pub len: usize,
}

impl Position {
    /// The beginning of the text, for what is missing as a whole.
    pub(super) const START: Self = Self {
        line: 1,
        column: 1,
        len: 1,
    };
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) position: Position,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub position: Position,
    /// What.
    pub message: String,
    /// What to do about it, if that can be said.
    pub hint: Option<String>,
    /// The line it is on, as written.
    line: String,
}

/// Everything that is wrong with one configuration text, in the order of the text.
///
/// Displayed as one block each: `file:line:column: what`, the line, and a caret with the hint.
#[derive(Clone, Debug)]
pub struct Problems {
    name: String,
    text: String,
    list: Vec<Problem>,
}

impl Problems {
    /// No problems yet with `text`, which came from `name`.
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            list: Vec::new(),
        }
    }

    /// Notes that `message` is wrong at `position`.
    pub(super) fn add(&mut self, position: Position, message: impl Into<String>) {
        self.add_with_hint(position, message, None);
    }

    /// As [`Self::add`], with what to do about it.
    pub(super) fn add_with_hint(
        &mut self,
        position: Position,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let line = self.text.lines().nth(position.line.saturating_sub(1));
        let problem = Problem {
            position,
            message: message.into(),
            hint,
            line: line.unwrap_or_default().to_owned(),
        };
        let index = self.list.partition_point(|p| p.position <= position);
        self.list.insert(index, problem);
    }

    /// The problems, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// The problems as an error.
    ///
    /// # Errors
    /// Always.
    pub(super) fn into_error<T>(self) -> Result<T, Error> {
        Err(Error::Invalid(self))
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{}:{problem}", self.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column, len } = self.position;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{line}:{column}: {}", self.message)?;
        writeln!(f, "{}", format!(" {number} | {}", self.line).trim_end())?;
        write!(f, " {margin} | {}", indent(&self.line, column))?;
        write!(f, "{}", "^".repeat(underline_len(&self.line, column, len)))?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

/// White space as wide as what stands before `column`, tabs kept.
fn indent(line: &str, column: usize) -> String {
    line.chars()
        .take(column.saturating_sub(1))
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect()
}

/// `len`, cut at the end of the line (values may span lines), at least 1.
fn underline_len(line: &str, column: usize, len: usize) -> usize {
    let rest = line
        .chars()
        .count()
        .saturating_sub(column.saturating_sub(1));
    len.min(rest).max(1)
}

/// `did you mean ...?` with the name nearest to `wrong`, if one is near enough.
pub(super) fn did_you_mean<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    names
        .into_iter()
        .filter(|name| is_near(wrong, name))
        .max_by(|a, b| similarity(wrong, a).total_cmp(&similarity(wrong, b)))
        .map(|name| format!("did you mean `{name}`?"))
}

/// A common beginning counts most, and up to a third of the letters may be wrong.
fn is_near(wrong: &str, name: &str) -> bool {
    const SIMILARITY_MIN: f64 = 0.8;
    let edits_max = (name.chars().count() / 3).max(1);
    similarity(wrong, name) >= SIMILARITY_MIN
        || strsim::damerau_levenshtein(wrong, name) <= edits_max
}

fn similarity(wrong: &str, name: &str) -> f64 {
    strsim::jaro_winkler(wrong, name)
}

/// `a`, `b`, `c`: names as they stand in messages.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, position: Position, hint: Option<&str>) -> String {
        let mut problems = Problems::new("f.yaml", text);
        problems.add_with_hint(position, "wrong", hint.map(str::to_owned));
        problems.to_string()
    }

    fn at(line: usize, column: usize, len: usize) -> Position {
        Position { line, column, len }
    }

    #[test]
    fn a_problem_shows_place_line_caret_and_hint() {
        assert_eq!(
            shown("a: 1\n  bb: 2\n", at(2, 3, 2), Some("try c")),
            "f.yaml:2:3: wrong\n 2 |   bb: 2\n   |   ^^ try c"
        );
    }

    #[test]
    fn the_caret_keeps_tabs_and_ends_with_the_line() {
        assert_eq!(
            shown("\tkey: é", at(1, 7, 99), None),
            "f.yaml:1:7: wrong\n 1 | \tkey: é\n   | \t     ^"
        );
    }

    #[test]
    fn a_position_outside_of_the_text_is_shown_all_the_same() {
        assert_eq!(
            shown("", at(7, 3, 0), None),
            "f.yaml:7:3: wrong\n 7 |\n   | ^"
        );
    }

    #[test]
    fn problems_come_in_the_order_of_the_text() {
        let mut problems = Problems::new("f", "a\nb");
        problems.add(at(2, 1, 1), "second");
        problems.add(at(1, 1, 1), "first");
        let order: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(order, ["first", "second"]);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["flush_interval", "flush_mode"];
        assert_eq!(
            did_you_mean("flush_intervall", names).as_deref(),
            Some("did you mean `flush_interval`?")
        );
        assert_eq!(
            did_you_mean("oen", ["two", "one"]).as_deref(),
            Some("did you mean `one`?")
        );
        assert_eq!(did_you_mean("zzz", names), None);
        assert_eq!(did_you_mean("kafka", ["file", "null"]), None);
    }
}
