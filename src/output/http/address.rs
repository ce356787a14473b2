//! Where requests go.

use forebay_storage::ChunkKey;
use reqwest::Url;

use super::OpenError;
use crate::chunk_key::Zone;
use crate::clock::random_u64;
use crate::output::Chunk;
use crate::placeholder::Template;

/// Checks what can be known of an address before there is a chunk.
///
/// # Errors
/// [`OpenError::Address`] if it does not begin with `http://` or `https://`, or if it has no
/// placeholders and is no URL.
pub(super) fn check(template: &Template) -> Result<(), OpenError> {
    let text = template.as_str();
    let begins = |scheme| has_prefix(text, scheme);
    if !begins("http://") && !begins("https://") {
        return Err(refused("it must begin with http:// or https://"));
    }
    if template.is_constant() {
        Url::parse(text).map_err(refused)?;
    }
    Ok(())
}

/// Whether an address that [`check`] has passed needs TLS.
pub(super) fn is_tls(template: &Template) -> bool {
    has_prefix(template.as_str(), "https://")
}

/// The address for a chunk.
///
/// # Errors
/// Why there is none, in one line.
pub(super) fn of(template: &Template, chunk: &Chunk) -> Result<Url, String> {
    let text = template
        .render_url(chunk.key(), chunk.id(), chunk.zone())
        .map_err(|error| error.to_string())?;
    parse(&text)
}

/// The address for a batch of `tag` that is in no chunk.
///
/// # Errors
/// As [`of`].
pub(super) fn of_tag(template: &Template, tag: &str) -> Result<Url, String> {
    let key = ChunkKey {
        tag: Some(tag.to_owned()),
        ..ChunkKey::default()
    };
    let id = format!("{:016x}{:016x}", random_u64(), random_u64());
    let text = template
        .render_url(&key, id, &Zone::utc())
        .map_err(|error| error.to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("the address is no URL: {error}"))
}

/// Schemes are written in any case.
fn has_prefix(text: &str, prefix: &str) -> bool {
    let start = text.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn refused(problem: impl ToString) -> OpenError {
    OpenError::Address {
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), OpenError> {
        check(&Template::compile(text).unwrap())
    }

    #[test]
    fn addresses_are_checked_as_far_as_they_are_known() {
        for good in [
            "http://localhost:9/in?x=1",
            "HTTPS://logs.example.com",
            "https://${tag}.example.com/%Y/${tag[0]}",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost:9",
            "ftp://x/",
            "${tag}://x",
            "http://",
            "http://[::1",
        ] {
            assert!(checked(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_https_needs_tls() {
        for (text, expected) in [
            ("http://x", false),
            ("https://x", true),
            ("HTTPS://x", true),
        ] {
            assert_eq!(is_tls(&Template::compile(text).unwrap()), expected);
        }
    }
}
