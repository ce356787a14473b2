//! Whether a template and a route's chunk keys agree.

use jiff::fmt::strtime;

use crate::chunk_key::{KeySpec, TimeKey};

use super::{Piece, Template, TemplateError};

/// Units of time, the finest first: their seconds, and the directive that shows them.
const UNITS: [(u32, &str); 4] = [(1, "%S"), (60, "%M"), (3600, "%H"), (86_400, "%d")];

/// Steps that a template may tell apart beyond [`UNITS`]: a month and a year, at their longest.
const LONG_STEPS_S: [u32; 2] = [31 * 86_400, 366 * 86_400];

/// Midnight of a new year, from which all units are counted.
const NEW_YEAR_S: i64 = 1_767_225_600;

/// Each placeholder has its chunk key.
pub(super) fn placeholders_have_keys(
    template: &Template,
    spec: &KeySpec,
) -> Result<(), TemplateError> {
    for piece in &template.pieces {
        let (has_key, key, placeholder) = match piece {
            Piece::Text(_) | Piece::ChunkId => continue,
            Piece::Time(format) => (spec.time.is_some(), "time", format.clone()),
            Piece::Tag => (spec.tag, "tag", "${tag}".to_owned()),
            Piece::TagPart(index) => (spec.tag, "tag", format!("${{tag[{index}]}}")),
            Piece::Field(path) => {
                let is_there = spec.fields.contains(path);
                (is_there, path.as_str(), format!("${{{path}}}"))
            }
        };
        if !has_key {
            return Err(TemplateError::KeyMissing {
                template: template.text.clone(),
                placeholder,
                key: key.to_owned(),
            });
        }
    }
    Ok(())
}

/// Each chunk key has its placeholder, and the time is as fine as the windows.
pub(super) fn keys_have_placeholders(
    template: &Template,
    spec: &KeySpec,
) -> Result<(), TemplateError> {
    let missing = |key: &str, placeholder: String| TemplateError::PlaceholderMissing {
        template: template.text.clone(),
        key: key.to_owned(),
        placeholder,
    };
    let is_tag = |piece: &Piece| matches!(piece, Piece::Tag | Piece::TagPart(_));
    if spec.tag && !template.pieces.iter().any(is_tag) {
        return Err(missing("tag", "${tag}".to_owned()));
    }
    for field in &spec.fields {
        if !template.pieces.contains(&Piece::Field(field.clone())) {
            return Err(missing(field.as_str(), format!("${{{field}}}")));
        }
    }
    match spec
        .time
        .as_ref()
        .and_then(|time| missing_directive(template, time))
    {
        Some(directive) => Err(missing("time", directive.to_owned())),
        None => Ok(()),
    }
}

/// What a template lacks to tell windows that follow one another apart.
fn missing_directive(template: &Template, time: &TimeKey) -> Option<&'static str> {
    let at_new_year = formatted(template, 0);
    let mut steps_s = UNITS.iter().map(|(step_s, _)| *step_s).chain(LONG_STEPS_S);
    let finest_s = steps_s.find(|step_s| formatted(template, *step_s) != at_new_year);
    if finest_s.is_some_and(|finest_s| finest_s <= time.len_s) {
        return None;
    }
    let fits = |(step_s, _): &&(u32, &str)| *step_s <= time.len_s;
    UNITS
        .iter()
        .rev()
        .find(fits)
        .map(|(_, directive)| *directive)
}

/// The template's times, so many seconds after the new year.
fn formatted(template: &Template, after_s: u32) -> String {
    let time = jiff::Timestamp::from_second(NEW_YEAR_S + i64::from(after_s)).unwrap_or_default();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    let format = |piece: &Piece| match piece {
        Piece::Time(format) => strtime::format(format, &time).unwrap_or_default(),
        _ => String::new(),
    };
    let parts: Vec<_> = template.pieces.iter().map(format).collect();
    parts.join("\0")
}
