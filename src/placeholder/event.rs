//! Placeholders that an event fills.
//!
//! | placeholder | becomes |
//! |---|---|
//! | `${tag}` | the event's tag |
//! | `${tag[1]}`, `${tag[-1]}` | a part of the tag, counted from 0, or from the end; empty if there is none |
//! | `${user}`, `${$.a.b}` | the value of a field; empty if there is none |
//! | `${time}` | the event's time, RFC 3339 in UTC |
//! | `${hostname}` | this machine's name |
//! | `$1` ... `$9` | what a group of the rule's pattern matched, where there is a pattern |
//!
//! A field that is called as one of these is reached by its path, as `${$.hostname}`.

use super::tag_part;
use crate::event::{Event, FieldPath, Value};

/// A text with placeholders that an event fills, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTemplate {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Tag,
    TagPart(i32),
    Time,
    Field(FieldPath),
    Group(usize),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventTemplateError {
    /// A `${` without its `}`.
    #[error("`{template}`: `${{` at position {position} is never closed")]
    Unclosed {
        /// The template.
        template: String,
        /// Where, in bytes from 0.
        position: usize,
    },
    /// Braces around something that names nothing.
    #[error("`{template}`: `${{{name}}}` at position {position} is no placeholder")]
    Unknown {
        /// The template.
        template: String,
        /// Where, in bytes from 0.
        position: usize,
        /// What is in the braces.
        name: String,
    },
    /// A group that the pattern does not have.
    #[error("`{template}`: the pattern has no group ${group}")]
    NoGroup {
        /// The template.
        template: String,
        /// The group's number.
        group: usize,
    },
}

impl EventTemplate {
    /// Compiles a text; `group_count` groups may be named as `$1` and so on.
    ///
    /// # Errors
    /// [`EventTemplateError`].
    pub fn compile(text: &str, group_count: usize) -> Result<Self, EventTemplateError> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(next) = text[at..].find('$') {
            push_text(&mut pieces, &text[at..at + next]);
            at += next;
            at += match text.as_bytes().get(at + 1) {
                Some(b'{') => placeholder(text, at, &mut pieces)?,
                Some(digit @ b'1'..=b'9') if group_count > 0 => {
                    pieces.push(group(text, usize::from(digit - b'0'), group_count)?);
                    2
                }
                _ => {
                    push_text(&mut pieces, "$");
                    1
                }
            };
        }
        push_text(&mut pieces, &text[at..]);
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text for an event; `groups` are what the pattern's groups matched, from `$1` on.
    #[must_use]
    pub fn render(&self, event: &Event, groups: &[&str]) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Tag => text.push_str(event.tag()),
                Piece::TagPart(index) => text.push_str(tag_part(event.tag(), *index)),
                Piece::Time => text.push_str(&event.time().to_string()),
                Piece::Field(path) => {
                    let value = event.find(path).unwrap_or_default();
                    text.push_str(&value.to_text());
                }
                Piece::Group(number) => {
                    text.push_str(groups.get(number - 1).copied().unwrap_or_default());
                }
            }
        }
        text
    }

    /// As [`render`](Self::render), but a template that is one field and nothing else gives the
    /// field's value with its type, and `None` if the event has no such field.
    #[must_use]
    pub fn value(&self, event: &Event) -> Option<Value> {
        match self.pieces.as_slice() {
            [Piece::Field(path)] => event.find(path),
            _ => Some(Value::Str(self.render(event, &[]))),
        }
    }
}

/// This machine's name, as the kernel says it.
#[must_use]
pub fn hostname() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

/// Reads `${...}` and gives its length.
fn placeholder(
    template: &str,
    position: usize,
    pieces: &mut Vec<Piece>,
) -> Result<usize, EventTemplateError> {
    let inside = &template[position + 2..];
    let Some((name, _)) = inside.split_once('}') else {
        return Err(EventTemplateError::Unclosed {
            template: template.to_owned(),
            position,
        });
    };
    let Some(piece) = named(name) else {
        return Err(EventTemplateError::Unknown {
            template: template.to_owned(),
            position,
            name: name.to_owned(),
        });
    };
    match piece {
        Piece::Text(text) => push_text(pieces, &text),
        other => pieces.push(other),
    }
    Ok(name.len() + 3)
}

fn named(name: &str) -> Option<Piece> {
    match name {
        "tag" => Some(Piece::Tag),
        "time" => Some(Piece::Time),
        "hostname" => Some(Piece::Text(hostname())),
        _ => match name.strip_prefix("tag[") {
            Some(index) => index.strip_suffix(']')?.parse().ok().map(Piece::TagPart),
            None => FieldPath::parse(name).ok().map(Piece::Field),
        },
    }
}

fn group(template: &str, group: usize, group_count: usize) -> Result<Piece, EventTemplateError> {
    if group > group_count {
        let template = template.to_owned();
        return Err(EventTemplateError::NoGroup { template, group });
    }
    Ok(Piece::Group(group))
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Record, Timestamp};

    fn event() -> Event {
        let inner: Record = [("b", 7)].into_iter().collect();
        let record: Record = [("user", Value::from("ann")), ("a", Value::from(inner))]
            .into_iter()
            .collect();
        Event::new("app.web.x", Timestamp::from_ns(1_500_000_000), record).unwrap()
    }

    #[test]
    fn every_placeholder_is_filled() {
        for (text, expected) in [
            ("plain $ text", "plain $ text"),
            ("${tag}/${tag[1]}/${tag[-1]}/${tag[9]}", "app.web.x/web/x/"),
            ("${user}-${$.a.b}-${none}", "ann-7-"),
            ("${time}", "1970-01-01T00:00:01.5Z"),
            ("$1$2", "onetwo"),
        ] {
            let template = EventTemplate::compile(text, 2).unwrap();
            assert_eq!(template.render(&event(), &["one", "two"]), expected);
        }
        let host = EventTemplate::compile("${hostname}", 0).unwrap();
        assert_eq!(host.render(&event(), &[]), hostname());
        assert!(!hostname().is_empty());
    }

    #[test]
    fn a_field_alone_keeps_its_type() {
        let value = |text| EventTemplate::compile(text, 0).unwrap().value(&event());
        assert_eq!(value("${$.a.b}"), Some(Value::Int(7)));
        assert_eq!(value("n${$.a.b}"), Some(Value::from("n7")));
        assert_eq!(value("${none}"), None);
        assert_eq!(value("$1"), Some(Value::from("$1")));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |text, groups| {
            let compiled = EventTemplate::compile(text, groups);
            compiled.unwrap_err().to_string()
        };
        assert_eq!(
            error("a${b", 0),
            "`a${b`: `${` at position 1 is never closed"
        );
        assert_eq!(
            error("${a b}", 0),
            "`${a b}`: `${a b}` at position 0 is no placeholder"
        );
        assert_eq!(error("$2", 1), "`$2`: the pattern has no group $2");
    }
}
