//! Keeping values inside the place that the template names.

use super::{Piece, Template};

/// A value of a placeholder would lead out of the place that the template names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value for `{template}` leads out of the place that it names")]
pub struct Traversal {
    /// The template.
    pub template: String,
}

impl Traversal {
    pub(super) fn of(template: &Template) -> Self {
        Self {
            template: template.text.clone(),
        }
    }
}

/// Where a path leads, as far as that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    is_absolute: bool,
    /// How many of its parts are `..`.
    parent_count: usize,
}

impl Shape {
    /// Fails if a template of this shape has become a text of another.
    pub(super) fn hold(&self, template: &Template, rendered: &str) -> Result<(), Traversal> {
        if *self == shape(rendered) {
            Ok(())
        } else {
            Err(Traversal::of(template))
        }
    }
}

/// The shape of a template whose values are harmless.
pub(super) fn shape_of(pieces: &[Piece]) -> Shape {
    let harmless = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        _ => "x".to_owned(),
    };
    shape(&pieces.iter().map(harmless).collect::<String>())
}

/// Whether a value by itself can lead elsewhere.
pub(super) fn leads_elsewhere(value: &str) -> bool {
    value.contains('\0') || shape(value) != shape("x")
}

fn shape(path: &str) -> Shape {
    Shape {
        is_absolute: path.starts_with('/'),
        parent_count: path.split('/').filter(|part| *part == "..").count(),
    }
}
