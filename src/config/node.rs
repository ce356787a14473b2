//! The configuration text as a tree of scalars, lists and tables that know their positions.
//!
//! Scalars stay text: what `5` or `yes` means is decided by the setting it is given to, so that a
//! password `0123` is not a number. Syntax, anchors, merge keys and duplicate keys are the YAML
//! library's business.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Location, Spanned};

use super::error::{At, Position, Problems};

/// One value of the text.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) position: Position,
}

impl Node {
    /// Where the value of `key` stands if it is a scalar, else the key; the parts of the key are
    /// separated by points. `None` if it is not there.
    pub(super) fn position_of(&self, key: &str) -> Option<Position> {
        let (first, rest) = key.split_once('.').unwrap_or((key, ""));
        let Kind::Table(entries) = &self.kind else {
            return None;
        };
        let entry = entries.iter().find(|entry| entry.key.value == first)?;
        if !rest.is_empty() {
            return entry.node.position_of(rest);
        }
        Some(match entry.node.kind {
            Kind::Scalar(_) => entry.node.position,
            Kind::Empty | Kind::List(_) | Kind::Table(_) => entry.key.position,
        })
    }
}

/// By what is written, wherever it stands.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Nothing or `~`; the word `null` is a scalar, as it is the name of an output.
    Empty,
    /// Text, quoted or not.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Table(Vec<Entry>),
}

/// One `key: value` of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: At<String>,
    pub(super) node: Node,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key.value == other.key.value && self.node == other.node
    }
}

/// Reads `text`; on a syntax error says so in `problems` and gives `None`.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) => Some(node(root, text)),
        Err(error) => {
            let position = error.location().map_or(Position::START, position);
            problems.add(position, message(&error));
            None
        }
    }
}

/// The library's message without its position, which we show ourselves, and without its advice,
/// which is for programmers.
fn message(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } = error {
        return format!("the key `{key}` is there twice");
    }
    let message = error.to_string();
    let ends = [message.rfind(" at line "), message.find("; use ")];
    let end = ends.into_iter().flatten().min().unwrap_or(message.len());
    message[..end].to_owned()
}

fn position(location: Location) -> Position {
    Position {
        line: to_usize(location.line()),
        column: to_usize(location.column()),
        len: to_usize(location.span().len()),
    }
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let kind = match raw.value {
        Raw::Empty => match as_written(raw.defined, text) {
            Some(word) if word == "null" => Kind::Scalar(word),
            _ => Kind::Empty,
        },
        Raw::Text(text) => Kind::Scalar(text),
        Raw::Typed(fallback) => Kind::Scalar(as_written(raw.defined, text).unwrap_or(fallback)),
        Raw::List(list) => Kind::List(list.into_iter().map(|item| node(item, text)).collect()),
        Raw::Table(table) => Kind::Table(
            table
                .into_iter()
                .map(|(key, value)| entry(key, value, text))
                .collect(),
        ),
    };
    Node {
        kind,
        position: position(raw.defined),
    }
}

fn entry(key: Spanned<String>, value: Spanned<Raw>, text: &str) -> Entry {
    Entry {
        key: At {
            position: position(key.defined),
            value: key.value,
        },
        node: node(value, text),
    }
}

/// The characters of a plain scalar that the library took for a number or a boolean.
fn as_written(location: Location, text: &str) -> Option<String> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let len = usize::try_from(location.span().byte_len()?).ok()?;
    let written = text.get(start..start.checked_add(len)?)?;
    Some(written.trim().to_owned())
}

/// A value as the library gives it.
enum Raw {
    Empty,
    Text(String),
    /// A plain scalar that looks like a number or a boolean, in the library's spelling.
    Typed(String),
    List(Vec<Spanned<Raw>>),
    Table(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a table")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = access.next_entry()? {
            table.push(entry);
        }
        Ok(Raw::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalars(text: &str) -> Vec<(String, Position)> {
        let mut problems = Problems::new("f", text);
        let root = parse(text, &mut problems).unwrap();
        let Kind::Table(entries) = root.kind else {
            panic!("not a table");
        };
        entries
            .into_iter()
            .map(|entry| match entry.node.kind {
                Kind::Scalar(text) => (text, entry.node.position),
                other => panic!("not a scalar: {other:?}"),
            })
            .collect()
    }

    fn problem(text: &str) -> String {
        let mut problems = Problems::new("f", text);
        assert!(parse(text, &mut problems).is_none());
        problems.to_string()
    }

    #[test]
    fn scalars_stay_as_they_were_written() {
        let text = "a: 0123\nb: 1e5\nc: yes\nd: '5'\ne: .inf\nf: 1_000  # c\ng: \"x\\ty\"\nh: -0x1F\n\
                    i: 99999999999999999999999999999999999999999999\n";
        let written: Vec<_> = scalars(text).into_iter().map(|(text, _)| text).collect();
        assert_eq!(
            written,
            [
                "0123",
                "1e5",
                "yes",
                "5",
                ".inf",
                "1_000",
                "x\ty",
                "-0x1F",
                "99999999999999999999999999999999999999999999"
            ]
        );
    }

    #[test]
    fn positions_count_characters_from_one() {
        let position = |line, column, len| Position { line, column, len };
        let found = scalars("é: ab\nk: &x 7\nm: *x\n");
        assert_eq!(found[0].1, position(1, 4, 2));
        assert_eq!(found[1].1, position(2, 7, 1));
        assert_eq!(found[2], ("7".to_owned(), position(2, 7, 1)));
    }

    #[test]
    fn syntax_errors_have_positions() {
        assert_eq!(
            problem("a: 1\nb: [1\n"),
            "f:2:4: unclosed bracket '['\n 2 | b: [1\n   |    ^"
        );
        assert_eq!(
            problem("a: 1\nb: 2\na: 3\n"),
            "f:3:1: the key `a` is there twice\n 3 | a: 3\n   | ^"
        );
        assert_eq!(
            problem("a:\n\t- b\n"),
            "f:2:2: tabs disallowed within this context (block indentation)\n 2 | \t- b\n   | \t^"
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let alias = format!("*a{}", n - 1);
            let aliases = vec![alias; 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
        }
        assert!(problem(&text).contains("f:"));
    }
}
