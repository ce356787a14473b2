//! From a template's text to its pieces.

use jiff::fmt::strtime;

use crate::event::FieldPath;

use super::{Piece, TemplateError};

/// The pieces of a template.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < template.len() {
        let rest = &template[at..];
        at += match rest.as_bytes() {
            [b'$', b'{', ..] => placeholder(template, at, &mut pieces)?,
            [b'%', b'%', ..] => {
                push_text(&mut pieces, "%");
                2
            }
            [b'%', ..] => percent(template, at, &mut pieces)?,
            _ => {
                let special = |(index, c): &(usize, char)| *index > 0 && matches!(c, '$' | '%');
                let end = rest.char_indices().find(special);
                let len = end.map_or(rest.len(), |(index, _)| index);
                push_text(&mut pieces, &rest[..len]);
                len
            }
        };
    }
    Ok(pieces)
}

/// Reads `${...}` and gives its length.
fn placeholder(
    template: &str,
    position: usize,
    pieces: &mut Vec<Piece>,
) -> Result<usize, TemplateError> {
    let inside = &template[position + 2..];
    let Some((name, _)) = inside.split_once('}') else {
        return Err(TemplateError::Unclosed {
            template: template.to_owned(),
            position,
        });
    };
    let Some(piece) = named(name) else {
        return Err(TemplateError::Unknown {
            template: template.to_owned(),
            position,
            name: name.to_owned(),
        });
    };
    pieces.push(piece);
    Ok(name.len() + 3)
}

fn named(name: &str) -> Option<Piece> {
    match name {
        "tag" => Some(Piece::Tag),
        "chunk_id" => Some(Piece::ChunkId),
        _ => match name.strip_prefix("tag[") {
            Some(index) => index.strip_suffix(']')?.parse().ok().map(Piece::TagPart),
            None => FieldPath::parse(name).ok().map(Piece::Field),
        },
    }
}

/// Reads a directive of strftime (`%` and a letter, perhaps with one of `-_^#` between), or a
/// lone `%`, and gives its length.
fn percent(
    template: &str,
    position: usize,
    pieces: &mut Vec<Piece>,
) -> Result<usize, TemplateError> {
    let rest = &template[position..];
    let len = match rest.as_bytes() {
        [_, letter, ..] if letter.is_ascii_alphabetic() => 2,
        [_, b'-' | b'_' | b'^' | b'#', letter, ..] if letter.is_ascii_alphabetic() => 3,
        _ => {
            push_text(pieces, "%");
            return Ok(1);
        }
    };
    let directive = rest[..len].to_owned();
    if !means_a_time(&directive) {
        return Err(TemplateError::Directive {
            template: template.to_owned(),
            position,
            directive,
        });
    }
    pieces.push(Piece::Time(directive));
    Ok(len)
}

fn means_a_time(directive: &str) -> bool {
    let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    strtime::format(directive, &sample).is_ok()
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}
