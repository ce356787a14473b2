//! Placeholders in paths and addresses.
//!
//! | placeholder | becomes |
//! |---|---|
//! | `${tag}` | the chunk's tag |
//! | `${tag[1]}`, `${tag[-1]}` | a part of the tag, counted from 0, or from the end; empty if there is none |
//! | `${user}`, `${$.a.b}` | the value of a field that is a chunk key; empty if it is nil |
//! | `${chunk_id}` | the chunk's id, everywhere |
//! | `%Y`, `%m`, ... | the start of the chunk's time window, in its zone |
//! | `%%` | `%` |
//!
//! Everything in a placeholder comes from the chunk key, so that all events of a chunk go to one
//! place. A template is compiled and checked against the chunk keys when the configuration is
//! read. Rendering cannot fail but for one reason: values come from senders, and none may lead
//! out of the place that the template names ([`Traversal`]).

use std::fmt::Display;

use forebay_storage::{ChunkKey, TimeWindow};
use jiff::fmt::strtime;

use crate::chunk_key::{KeySpec, Zone};
use crate::event::FieldPath;

mod coverage;
pub mod event;
mod parse;
mod serde;
mod traversal;
mod value;

pub(crate) use self::serde::SERDE_NAME;
use traversal::Shape;
pub use traversal::Traversal;

/// A text with placeholders, compiled.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
    /// What the text leads to, whatever the values are.
    shape: Shape,
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Taken as it is.
    Text(String),
    /// One directive of strftime.
    Time(String),
    /// `${tag}`.
    Tag,
    /// `${tag[n]}`.
    TagPart(i32),
    /// `${field}`.
    Field(FieldPath),
    /// `${chunk_id}`.
    ChunkId,
}

/// Which way templates and chunk keys must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Each placeholder needs its chunk key.
    PlaceholdersNeedKeys,
    /// And each chunk key its placeholder, so that two chunk keys are two places.
    BothWays,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
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
    /// A `%` with a letter that means nothing.
    #[error(
        "`{template}`: `{directive}` at position {position} is no part of a time; write `%%` for `%`"
    )]
    Directive {
        /// The template.
        template: String,
        /// Where, in bytes from 0.
        position: usize,
        /// The directive.
        directive: String,
    },
    /// A placeholder whose chunk key is not there.
    #[error("`{template}`: `{placeholder}` needs `{key}` among the chunk keys")]
    KeyMissing {
        /// The template.
        template: String,
        /// The placeholder.
        placeholder: String,
        /// The chunk key.
        key: String,
    },
    /// A chunk key whose placeholder is not there.
    #[error("`{template}`: chunk key `{key}` needs `{placeholder}`, or two chunks share one place")]
    PlaceholderMissing {
        /// The template.
        template: String,
        /// The chunk key.
        key: String,
        /// A placeholder that would do.
        placeholder: String,
    },
}

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    /// [`TemplateError`] if a placeholder or a time directive means nothing.
    pub fn compile(text: &str) -> Result<Self, TemplateError> {
        let pieces = parse::pieces(text)?;
        Ok(Self {
            text: text.to_owned(),
            shape: traversal::shape_of(&pieces),
            pieces,
        })
    }

    /// A template that says the same for every chunk: `text`, whatever stands in it.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let pieces = vec![Piece::Text(text.to_owned())];
        Self {
            text: text.replace('%', "%%"),
            shape: traversal::shape_of(&pieces),
            pieces,
        }
    }

    /// Checks that the template fits a route's chunk keys.
    ///
    /// # Errors
    /// [`TemplateError`] naming what is missing.
    pub fn check(&self, spec: &KeySpec, coverage: Coverage) -> Result<(), TemplateError> {
        coverage::placeholders_have_keys(self, spec)?;
        match coverage {
            Coverage::PlaceholdersNeedKeys => Ok(()),
            Coverage::BothWays => coverage::keys_have_placeholders(self, spec),
        }
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it says the same for every chunk.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        let is_text = |piece: &Piece| matches!(piece, Piece::Text(_));
        self.pieces.iter().all(is_text)
    }

    /// Fills the template for a chunk; `zone` is that of the route's time key. Values stand as
    /// they are: not for paths or addresses.
    #[must_use]
    pub fn render(&self, key: &ChunkKey, chunk_id: impl Display, zone: &Zone) -> String {
        let rendering = Rendering::new(key, chunk_id, zone);
        rendering.text(&self.pieces, |value| value)
    }

    /// Fills the template for a chunk, as the path of a file.
    ///
    /// # Errors
    /// [`Traversal`] if a value would lead elsewhere: a part `..`, a leading `/`, a NUL, or values
    /// that make one of these together with what stands beside them.
    pub fn render_path(
        &self,
        key: &ChunkKey,
        chunk_id: impl Display,
        zone: &Zone,
    ) -> Result<String, Traversal> {
        let rendering = Rendering::new(key, chunk_id, zone);
        rendering.refuse_traversal(self)?;
        let path = rendering.text(&self.pieces, |value| value);
        self.shape.hold(self, &path)?;
        Ok(path)
    }

    /// Fills the template for a chunk, as an address: values are percent-encoded, all but
    /// letters, digits and `- . _ ~`.
    ///
    /// # Errors
    /// As [`render_path`](Self::render_path).
    pub fn render_url(
        &self,
        key: &ChunkKey,
        chunk_id: impl Display,
        zone: &Zone,
    ) -> Result<String, Traversal> {
        let rendering = Rendering::new(key, chunk_id, zone);
        rendering.refuse_traversal(self)?;
        let url = rendering.text(&self.pieces, |value| value::percent_encoded(&value));
        self.shape.hold(self, &url)?;
        Ok(url)
    }
}

/// What placeholders become for one chunk.
struct Rendering<'k> {
    key: &'k ChunkKey,
    chunk_id: String,
    zone: &'k Zone,
}

impl<'k> Rendering<'k> {
    fn new(key: &'k ChunkKey, chunk_id: impl Display, zone: &'k Zone) -> Self {
        Self {
            key,
            chunk_id: chunk_id.to_string(),
            zone,
        }
    }

    /// All pieces in one; values that come from senders go through `encode`.
    fn text(&self, pieces: &[Piece], encode: impl Fn(String) -> String) -> String {
        let piece = |piece: &Piece| match self.value(piece) {
            Some(value) => encode(value),
            None => self.fixed(piece),
        };
        pieces.iter().map(piece).collect()
    }

    /// A value that comes from senders.
    fn value(&self, piece: &Piece) -> Option<String> {
        match piece {
            Piece::Tag => Some(self.tag().to_owned()),
            Piece::TagPart(index) => Some(tag_part(self.tag(), *index).to_owned()),
            Piece::Field(path) => Some(self.field(path)),
            Piece::Text(_) | Piece::Time(_) | Piece::ChunkId => None,
        }
    }

    /// What comes from us.
    fn fixed(&self, piece: &Piece) -> String {
        match (piece, self.key.window) {
            (Piece::Text(text), _) => text.clone(),
            (Piece::Time(format), Some(window)) => time(format, window, self.zone),
            (Piece::ChunkId, _) => self.chunk_id.clone(),
            _ => String::new(),
        }
    }

    fn tag(&self) -> &'k str {
        self.key.tag.as_deref().unwrap_or_default()
    }

    fn field(&self, path: &FieldPath) -> String {
        let mut fields = self.key.fields.iter();
        let field = fields.find(|field| field.path == path.as_str());
        field.map_or_else(String::new, |field| value::text(&field.value))
    }

    fn refuse_traversal(&self, template: &Template) -> Result<(), Traversal> {
        let mut values = template.pieces.iter().filter_map(|piece| self.value(piece));
        if values.any(|value| traversal::leads_elsewhere(&value)) {
            return Err(Traversal::of(template));
        }
        Ok(())
    }
}

fn tag_part(tag: &str, index: i32) -> &str {
    let distance = index.unsigned_abs() as usize;
    let part = if index < 0 {
        tag.rsplit('.').nth(distance - 1)
    } else {
        tag.split('.').nth(distance)
    };
    part.unwrap_or_default()
}

fn time(format: &str, window: TimeWindow, zone: &Zone) -> String {
    let Ok(start) = jiff::Timestamp::from_second(window.start_s) else {
        return String::new();
    };
    let start = start.to_zoned(zone.to_jiff().clone());
    strtime::format(format, &start).unwrap_or_default()
}

#[cfg(test)]
mod tests;
