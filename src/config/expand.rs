//! `${NAME}` and `${file:/path}` in values, so that secrets stay out of the configuration file.
//!
//! The rule: `${` followed by a name of capital letters, digits and underscores, or by `file:`, is
//! replaced before anything else is read. Every other `${...}` is left alone: it is a placeholder
//! such as `${tag}`. `$${` gives a literal `${`, for a placeholder in capital letters. Keys are
//! never expanded, nor is what was put in.

use std::io;

use super::error::Problems;
use super::node::{Kind, Node};

/// Where values come from; tests bring their own.
pub trait Lookup {
    /// The environment variable `name`, if it is set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of the file at `path`.
    ///
    /// # Errors
    /// As the system says; not UTF-8 is an error too.
    fn file(&self, path: &str) -> io::Result<String>;
}

/// The process's environment and the real file system.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Lookup for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}

/// Expands every value of the tree; what cannot be expanded is said in `problems`.
pub(super) fn expand_all(node: &mut Node, lookup: &dyn Lookup, problems: &mut Problems) {
    match &mut node.kind {
        Kind::Empty => {}
        Kind::Scalar(text) => match expand(text, lookup) {
            Ok(expanded) => *text = expanded,
            Err(message) => problems.add(node.position, message),
        },
        Kind::List(list) => {
            for item in list {
                expand_all(item, lookup, problems);
            }
        }
        Kind::Table(entries) => {
            for entry in entries {
                expand_all(&mut entry.node, lookup, problems);
            }
        }
    }
}

/// `text` with its variables and files put in.
///
/// # Errors
/// What cannot be expanded, as a message that never holds a secret.
fn expand(text: &str, lookup: &dyn Lookup) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from_dollar) = rest.split_at(at);
        expanded.push_str(before);
        rest = if let Some(after) = from_dollar.strip_prefix("$${") {
            expanded.push_str("${");
            after
        } else if let Some((reference, after)) = reference(from_dollar)? {
            expanded.push_str(&reference.resolve(lookup)?);
            after
        } else {
            expanded.push('$');
            &from_dollar[1..]
        };
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// What stands between `${` and `}` when it is ours.
enum Reference<'a> {
    Variable {
        name: &'a str,
        default: Option<&'a str>,
    },
    File {
        path: &'a str,
    },
}

/// The reference at the beginning of `text`, and what follows it; `None` if there is none of ours.
fn reference(text: &str) -> Result<Option<(Reference<'_>, &str)>, String> {
    let Some(inner) = text.strip_prefix("${") else {
        return Ok(None);
    };
    let is_file = inner.starts_with("file:");
    if !is_file && name_len(inner) == 0 {
        return Ok(None);
    }
    let Some((inner, after)) = inner.split_once('}') else {
        return Err(format!("`{text}` has no closing brace"));
    };
    if let Some(path) = inner.strip_prefix("file:") {
        return Ok(Some((Reference::File { path }, after)));
    }
    let (name, tail) = inner.split_at(name_len(inner));
    let default = tail.strip_prefix(":-");
    if !tail.is_empty() && default.is_none() {
        return Ok(None);
    }
    Ok(Some((Reference::Variable { name, default }, after)))
}

/// The length of the variable name at the beginning of `text`; 0 if there is none.
fn name_len(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len())
}

impl Reference<'_> {
    fn resolve(&self, lookup: &dyn Lookup) -> Result<String, String> {
        match *self {
            Self::Variable { name, default } => lookup
                .variable(name)
                .filter(|value| !value.is_empty() || default.is_none())
                .or_else(|| default.map(str::to_owned))
                .ok_or_else(|| format!("the environment variable `{name}` is not set")),
            Self::File { path } => lookup
                .file(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| format!("cannot read the file `{path}`: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;

    impl Lookup for Fake {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "HOST" => Some("h1".to_owned()),
                "EMPTY" => Some(String::new()),
                "NESTED" => Some("${HOST}".to_owned()),
                _ => None,
            }
        }

        fn file(&self, path: &str) -> io::Result<String> {
            match path {
                "/run/key" => Ok("s3cret\n".to_owned()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    #[test]
    fn variables_and_files_are_put_in() {
        for (text, expanded) in [
            ("plain", "plain"),
            ("${HOST}", "h1"),
            ("a-${HOST}:${HOST}-b", "a-h1:h1-b"),
            ("${PORT:-24224}", "24224"),
            ("${PORT:-}", ""),
            ("${EMPTY}", ""),
            ("${EMPTY:-x}", "x"),
            ("${file:/run/key}", "s3cret"),
            ("${NESTED}", "${HOST}"),
        ] {
            assert_eq!(expand(text, &Fake), Ok(expanded.to_owned()), "{text}");
        }
    }

    #[test]
    fn placeholders_and_dollars_are_left_alone() {
        for text in [
            "${tag}",
            "${tag[0]}/${$.a.b}/${chunk_id}",
            "${Host}",
            "${HOSTs}",
            "${HOST-x}",
            "${1A}",
            "${}",
            "${",
            "$",
            "a$b$HOST",
        ] {
            assert_eq!(expand(text, &Fake), Ok(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn two_dollars_keep_a_placeholder_in_capital_letters() {
        assert_eq!(
            expand("$${HOST}/${HOST}", &Fake),
            Ok("${HOST}/h1".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_put_in_is_named() {
        for (text, message) in [
            ("${NOPE}", "the environment variable `NOPE` is not set"),
            (
                "${file:/none}",
                "cannot read the file `/none`: entity not found",
            ),
            ("${HOST", "`${HOST` has no closing brace"),
            ("x${file:/run/key", "`${file:/run/key` has no closing brace"),
        ] {
            assert_eq!(expand(text, &Fake), Err(message.to_owned()), "{text}");
        }
    }
}
