//! Which lines of the log are written: a level for all, or one for each of some modules, such as
//! `warn,forebay=debug`.
//!
//! Read by `tracing-subscriber`, of whose filters these are the simple kind: our logs have no spans to
//! choose by, and values of fields are searched for where the log is read.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};

/// What is wrong with a filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A part of it is neither a level nor `module=level`.
    #[error(transparent)]
    Part(#[from] ParseError),
    /// A part of it would choose by spans or by values of fields.
    #[error("`{0}` is not the name of a module")]
    Module(String),
}

/// The filter that `text` says; only errors if it says nothing.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Targets, FilterError> {
    let parts = || {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    for part in parts() {
        let module = part.split_once('=').map_or(part, |(module, _)| module);
        if module.contains(|sign| !is_in_names(sign)) {
            return Err(FilterError::Module(module.to_owned()));
        }
    }
    let parts: Vec<&str> = parts().collect();
    if parts.is_empty() {
        return Ok(Targets::new().with_default(LevelFilter::ERROR));
    }
    Ok(parts.join(",").parse()?)
}

/// Whether names of modules have it: those of Rust, and of crates as they are published.
fn is_in_names(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, ':' | '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn shown(text: &str) -> Option<String> {
        parse(text).ok().map(|targets| targets.to_string())
    }

    #[test]
    fn the_longest_name_that_fits_decides() {
        let targets = parse("warn, forebay=debug,forebay::wire=off").unwrap();
        assert!(targets.would_enable("forebay::engine", &Level::DEBUG));
        assert!(!targets.would_enable("forebay::wire::tls", &Level::ERROR));
        assert!(targets.would_enable("rustls", &Level::WARN));
        assert!(!targets.would_enable("rustls", &Level::INFO));
    }

    #[test]
    fn a_filter_is_shown_in_one_form_whatever_its_text() {
        let expected = Some("forebay=debug,warn".to_owned());
        assert_eq!(shown(" WARN ,,forebay=5x"), None);
        assert_eq!(shown(" WARN ,,forebay=DEBUG"), expected);
        assert_eq!(shown("forebay=debug,warn"), expected);
        assert_eq!(shown("forebay"), Some("forebay=trace".to_owned()));
    }

    #[test]
    fn nothing_stands_for_errors() {
        assert_eq!(shown(""), Some("error".to_owned()));
        assert_eq!(shown(" ,"), Some("error".to_owned()));
    }

    #[test]
    fn what_would_choose_by_spans_or_values_is_refused() {
        for text in [
            "[conn]=debug",
            "forebay[{route}]=info",
            "forebay[{route=a}]=info",
            "forebay debug",
            "a=b=info",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
        let error = parse("info,[conn]=debug").unwrap_err();
        assert_eq!(error.to_string(), "`[conn]` is not the name of a module");
    }
}
