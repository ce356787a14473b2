//! Naming a field of a record, as Fluentd's users do.

use std::fmt;

use super::{Record, Value};
use crate::msgpack::{Cursor, Error, Value as Token};

/// A field of a record: a name (`user`, dots being part of it), or steps into nested values
/// (`$.a.b`, `$.a[0].b`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Key(String),
    Index(u32),
}

/// Why a text names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldPathError {
    /// There is nothing, or a step is empty.
    #[error("field `{path}`: a name is missing at position {position}")]
    NameMissing {
        /// The text.
        path: String,
        /// Where, in bytes from 0.
        position: usize,
    },
    /// A character that names do not hold.
    #[error("field `{path}`: {found:?} at position {position} cannot be part of a name")]
    Character {
        /// The text.
        path: String,
        /// Where, in bytes from 0.
        position: usize,
        /// What is found there.
        found: char,
    },
    /// `$['a']`.
    #[error(
        "field `{path}`: write `$.a.b` instead of quoted names in brackets (position {position})"
    )]
    QuotedName {
        /// The text.
        path: String,
        /// Where, in bytes from 0.
        position: usize,
    },
    /// Brackets around something else than an index.
    #[error("field `{path}`: the brackets at position {position} hold no index")]
    Index {
        /// The text.
        path: String,
        /// Where, in bytes from 0.
        position: usize,
    },
}

impl FieldPath {
    /// Reads a path.
    ///
    /// Without `$.` in front, the whole text is one name of letters, digits and `- _ . @`. With
    /// it, dots and `[index]` separate steps, whose names hold anything but white space, quotes,
    /// braces and brackets.
    ///
    /// # Errors
    /// [`FieldPathError`] with the position.
    pub fn parse(text: &str) -> Result<Self, FieldPathError> {
        let steps = if text.starts_with('$') {
            Parser { text, at: 1 }.steps()?
        } else {
            vec![Step::Key(bare_name(text)?)]
        };
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The bytes of the field's value in `record`, the MessagePack of a map; of several fields of
    /// one name the first. `None` if the record has no such field.
    #[must_use]
    pub fn find<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        let mut value = record;
        for step in &self.steps {
            value = step.find(value).ok()??;
        }
        Some(value)
    }

    /// As [`find`](Self::find), in an unpacked record.
    pub(super) fn find_in<'r>(&self, record: &'r Record) -> Option<&'r Value> {
        let (first, rest) = self.steps.split_first()?;
        let Step::Key(name) = first else { return None };
        rest.iter()
            .try_fold(record.get(name)?, |value, step| step.find_in(value))
    }

    /// Takes the field out of the map that holds it.
    pub(super) fn take_from(&self, record: &mut Record) -> Option<Value> {
        let (Step::Key(name), way) = self.steps.split_last()? else {
            return None;
        };
        let mut map = record;
        for step in way {
            let Step::Key(name) = step else { return None };
            let Value::Map(inner) = map.get_mut(name)? else {
                return None;
            };
            map = inner;
        }
        map.remove(name)
    }
}

impl Step {
    fn find_in<'r>(&self, value: &'r Value) -> Option<&'r Value> {
        match (self, value) {
            (Self::Key(name), Value::Map(record)) => record.get(name),
            (Self::Index(index), Value::Array(values)) => values.get(*index as usize),
            _ => None,
        }
    }

    fn find<'a>(&self, value: &'a [u8]) -> Result<Option<&'a [u8]>, Error> {
        let mut cursor = Cursor::new(value);
        match (self, cursor.read()?) {
            (Self::Key(name), Token::Map(count)) => member(&mut cursor, count, name.as_bytes()),
            (Self::Index(index), Token::Array(count)) if *index < count => {
                cursor.skip_many(u64::from(*index))?;
                cursor.skip().map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn member<'a>(cursor: &mut Cursor<'a>, count: u32, name: &[u8]) -> Result<Option<&'a [u8]>, Error> {
    for _ in 0..count {
        let mut key = *cursor;
        cursor.skip()?;
        if key.read()? == Token::Str(name) {
            return cursor.skip().map(Some);
        }
        cursor.skip()?;
    }
    Ok(None)
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn bare_name(text: &str) -> Result<String, FieldPathError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let path = text.to_owned();
    if text.is_empty() {
        return Err(FieldPathError::NameMissing { path, position: 0 });
    }
    match text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        None => Ok(path),
        Some((position, found)) => Err(FieldPathError::Character {
            path,
            position,
            found,
        }),
    }
}

/// Reads what follows the `$`.
struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn steps(mut self) -> Result<Vec<Step>, FieldPathError> {
        let mut steps = Vec::new();
        loop {
            let position = self.at;
            match self.text[position..].chars().next() {
                None if !steps.is_empty() => return Ok(steps),
                Some('.') => steps.push(self.key()?),
                Some('[') => steps.push(self.index()?),
                None => return Err(self.name_missing()),
                Some(found) => return Err(self.character(position, found)),
            }
        }
    }

    fn key(&mut self) -> Result<Step, FieldPathError> {
        self.at += 1;
        let rest = &self.text[self.at..];
        let name = &rest[..rest.find(['.', '[']).unwrap_or(rest.len())];
        if name.is_empty() {
            return Err(self.name_missing());
        }
        let is_refused = |c: char| c.is_whitespace() || c.is_control() || "'\"{}]".contains(c);
        if let Some((offset, found)) = name.char_indices().find(|(_, c)| is_refused(*c)) {
            return Err(self.character(self.at + offset, found));
        }
        self.at += name.len();
        Ok(Step::Key(name.to_owned()))
    }

    fn index(&mut self) -> Result<Step, FieldPathError> {
        let position = self.at;
        let path = self.text.to_owned();
        let inside = &self.text[position + 1..];
        if inside.starts_with(['\'', '"']) {
            return Err(FieldPathError::QuotedName { path, position });
        }
        let digits = inside.split_once(']').map(|(digits, _)| digits);
        let is_number = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let digits = digits.filter(is_number).unwrap_or_default();
        match digits.parse() {
            Ok(index) => {
                self.at += digits.len() + 2;
                Ok(Step::Index(index))
            }
            Err(_) => Err(FieldPathError::Index { path, position }),
        }
    }

    fn name_missing(&self) -> FieldPathError {
        FieldPathError::NameMissing {
            path: self.text.to_owned(),
            position: self.at,
        }
    }

    fn character(&self, position: usize, found: char) -> FieldPathError {
        FieldPathError::Character {
            path: self.text.to_owned(),
            position,
            found,
        }
    }
}

#[cfg(test)]
mod tests;
