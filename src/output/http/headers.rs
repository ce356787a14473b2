//! The headers that every request of an output carries.

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{IDEMPOTENCY_KEY, OpenError};
use crate::config::plan::{Compression, HttpFormat, HttpOutputPlan};

/// What the output sends as its name, unless the configuration has another.
const USER_AGENT: &str = concat!("forebay/", env!("CARGO_PKG_VERSION"));

/// Headers that the output sets itself, or that would contradict what it sends.
const RESERVED: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    IDEMPOTENCY_KEY,
];

/// What describes the body, and what the configuration adds; of the two `Content-Type`s and
/// `User-Agent`s the configuration's is sent.
///
/// # Errors
/// [`OpenError::Header`].
pub(super) fn of(plan: &HttpOutputPlan) -> Result<HeaderMap, OpenError> {
    let mut headers = configured(&plan.headers)?;
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(content_type(plan.format));
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    if let Some(encoding) = content_encoding(plan.compress) {
        headers.insert(header::CONTENT_ENCODING, encoding);
    }
    Ok(headers)
}

fn content_type(format: HttpFormat) -> HeaderValue {
    HeaderValue::from_static(match format {
        HttpFormat::Ndjson => "application/x-ndjson",
        HttpFormat::JsonArray => "application/json",
        HttpFormat::Msgpack => "application/msgpack",
    })
}

fn content_encoding(compression: Compression) -> Option<HeaderValue> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(HeaderValue::from_static("gzip")),
        Compression::Zstd => Some(HeaderValue::from_static("zstd")),
    }
}

fn configured(named: &[(String, SecretString)]) -> Result<HeaderMap, OpenError> {
    let mut headers = HeaderMap::with_capacity(named.len() + 3);
    for (name, value) in named {
        let (name, value) = parsed(name, value)?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn parsed(name: &str, value: &SecretString) -> Result<(HeaderName, HeaderValue), OpenError> {
    let refused = |problem| OpenError::Header {
        name: name.to_owned(),
        problem,
    };
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| refused("this is no header name"))?;
    if RESERVED.contains(&parsed) {
        return Err(refused("the output sets it itself"));
    }
    let mut value: HeaderValue = value
        .expose_secret()
        .parse()
        .map_err(|_| refused("its value holds characters that no header may hold"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, value: &str) -> [(String, SecretString); 1] {
        [(name.to_owned(), value.into())]
    }

    #[test]
    fn values_of_headers_are_not_shown() {
        let headers = configured(&named("Authorization", "Bearer abc")).unwrap();
        assert_eq!(headers["authorization"], "Bearer abc");
        assert!(!format!("{headers:?}").contains("abc"));
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused_by_name() {
        for (name, value) in [
            ("Content-Length", "1"),
            ("idempotency-key", "x"),
            ("a b", "x"),
            ("", "x"),
            ("x", "line\nbreak"),
        ] {
            let error = configured(&named(name, value)).unwrap_err();
            let quoted = format!("{name:?}");
            assert!(error.to_string().contains(&quoted), "{error}");
        }
    }
}
