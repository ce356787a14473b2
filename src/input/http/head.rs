//! What a request's head says about the events in its body.

use std::borrow::Cow;

use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Uri, request};
use percent_encoding::percent_decode_str;

use super::refusal::Refusal;
use crate::event::Timestamp;
use crate::wire::compression::Codec;

/// Most bytes of a tag.
const TAG_SIZE_MAX: usize = 1_024;

/// Most bytes of a batch's id, as the intake takes it.
const BATCH_ID_SIZE_MAX: usize = 65_535;

/// What a request's head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) tag: String,
    /// The time of events that have none of their own; `None`: that of their arrival.
    pub(super) time: Option<Timestamp>,
    pub(super) format: Format,
    pub(super) codec: Option<Codec>,
    /// The body's size in bytes, if it is said.
    pub(super) size: Option<usize>,
    /// The `Idempotency-Key`; empty if there is none.
    pub(super) batch_id: Vec<u8>,
}

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Ndjson,
    Msgpack,
    Form,
}

impl Head {
    /// Reads a head.
    ///
    /// # Errors
    /// What it says cannot be taken.
    pub(super) fn parse(parts: &request::Parts) -> Result<Self, Refusal> {
        if parts.method != Method::POST {
            return Err(Refusal::Method);
        }
        Ok(Self {
            tag: tag(parts.uri.path())?,
            time: time_of(&parts.uri)?,
            format: format(&parts.headers)?,
            codec: codec(&parts.headers)?,
            size: size(&parts.headers),
            batch_id: batch_id(&parts.headers)?,
        })
    }
}

/// The tag that a path stands for: its parts with dots between them.
fn tag(path: &str) -> Result<String, Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut tag = String::with_capacity(path.len());
    for part in path.split('/') {
        let part = percent_decode_str(part).decode_utf8();
        let part = part.map_err(|_| Refusal::Tag("it is not UTF-8"))?;
        if part.is_empty() {
            return Err(Refusal::Tag("a part of it is empty"));
        }
        if part.chars().any(char::is_control) {
            return Err(Refusal::Tag("it holds a control character"));
        }
        if !tag.is_empty() {
            tag.push('.');
        }
        tag.push_str(&part);
    }
    if tag.len() > TAG_SIZE_MAX {
        return Err(Refusal::Tag("it has more than 1,024 bytes"));
    }
    Ok(tag)
}

/// The parameter `time`. Other parameters are passed over, as Fluentd does.
fn time_of(uri: &Uri) -> Result<Option<Timestamp>, Refusal> {
    let parameters = uri.query().unwrap_or_default().split('&');
    let mut times = parameters.filter_map(|parameter| parameter.strip_prefix("time="));
    let Some(text) = times.next() else {
        return Ok(None);
    };
    seconds(text).map(Some).ok_or(Refusal::Time)
}

/// Reads decimal digits rather than a float, which would round nanoseconds.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 9 {
        return None;
    }
    let ns: i64 = format!("{decimals:0<9}").parse().ok()?;
    let whole = Timestamp::from_s(whole.parse().ok()?)?;
    whole.ns().checked_add(ns).map(Timestamp::from_ns)
}

fn format(headers: &HeaderMap) -> Result<Format, Refusal> {
    let essence = text(headers.get(CONTENT_TYPE)).ok_or(Refusal::ContentType)?;
    let essence = essence.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::Ndjson),
        "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
            Ok(Format::Msgpack)
        }
        "application/x-www-form-urlencoded" => Ok(Format::Form),
        _ => Err(Refusal::ContentType),
    }
}

/// Bodies that are packed several times are not taken.
fn codec(headers: &HeaderMap) -> Result<Option<Codec>, Refusal> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let (first, more) = (encodings.next(), encodings.next());
    let encoding = match (first, more) {
        (None, _) => return Ok(None),
        (first, None) => text(first).ok_or(Refusal::ContentEncoding)?,
        (Some(_), Some(_)) => return Err(Refusal::ContentEncoding),
    };
    match encoding.trim().to_ascii_lowercase().as_str() {
        "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Codec::Gzip)),
        "zstd" => Ok(Some(Codec::Zstd)),
        _ => Err(Refusal::ContentEncoding),
    }
}

/// A length that is no number never comes this far.
fn size(headers: &HeaderMap) -> Option<usize> {
    text(headers.get(CONTENT_LENGTH))?.parse().ok()
}

fn batch_id(headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
    let key = headers.get("idempotency-key");
    let key = key.map_or(Cow::default(), |key| Cow::Borrowed(key.as_bytes()));
    if key.len() > BATCH_ID_SIZE_MAX {
        let size_max = BATCH_ID_SIZE_MAX;
        return Err(Refusal::IdempotencyKey { size_max });
    }
    Ok(key.into_owned())
}

fn text(header: Option<&axum::http::HeaderValue>) -> Option<&str> {
    header?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Result<Head, Refusal> {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Head::parse(&request.body(()).unwrap().into_parts().0)
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn the_parts_of_the_path_are_the_tag() {
        for (path, expected) in [
            ("/app", "app"),
            ("/app.web", "app.web"),
            ("/app/web", "app.web"),
            ("/app/web/", "app.web"),
            ("/app/w%20b%2Fc", "app.w b/c"),
            ("/%C3%A4", "ä"),
        ] {
            assert_eq!(head(path, &[JSON]).unwrap().tag, expected);
        }
        let long = format!("/{}", "a".repeat(TAG_SIZE_MAX + 1));
        for path in ["/", "//", "/a//b", "/%ff", "/a%00b", "/a%0a", &long] {
            assert!(
                matches!(head(path, &[JSON]), Err(Refusal::Tag(_))),
                "{path}"
            );
        }
    }

    #[test]
    fn a_time_is_read_to_the_nanosecond() {
        for (text, ns) in [
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000.5", 1_700_000_000_500_000_000),
            ("1700000000.123456789", 1_700_000_000_123_456_789),
            ("0.000000001", 1),
        ] {
            let uri = format!("/app?x=1&time={text}");
            let expected = Some(Timestamp::from_ns(ns));
            assert_eq!(head(&uri, &[JSON]).unwrap().time, expected);
        }
        let far = "99999999999999999999";
        for text in ["", "now", "1.", ".5", "-1", "1e9", "1.0000000001", far] {
            let uri = format!("/app?time={text}");
            assert!(matches!(head(&uri, &[JSON]), Err(Refusal::Time)), "{text}");
        }
    }

    #[test]
    fn content_types_are_told_apart() {
        for (text, expected) in [
            ("application/json; charset=utf-8", Format::Json),
            ("Application/JSON", Format::Json),
            ("application/x-ndjson", Format::Ndjson),
            ("application/jsonl", Format::Ndjson),
            ("application/msgpack", Format::Msgpack),
            ("application/x-www-form-urlencoded", Format::Form),
        ] {
            assert_eq!(
                head("/app", &[("content-type", text)]).unwrap().format,
                expected
            );
        }
        for headers in [&[][..], &[("content-type", "text/csv")]] {
            assert!(matches!(head("/app", headers), Err(Refusal::ContentType)));
        }
    }

    #[test]
    fn content_encodings_are_told_apart() {
        let encoded = |name| head("/app", &[JSON, ("content-encoding", name)]);
        assert_eq!(encoded("gzip").unwrap().codec, Some(Codec::Gzip));
        assert_eq!(encoded("ZSTD").unwrap().codec, Some(Codec::Zstd));
        assert_eq!(encoded("identity").unwrap().codec, None);
        for name in ["br", "gzip, gzip", ""] {
            assert!(
                matches!(encoded(name), Err(Refusal::ContentEncoding)),
                "{name}"
            );
        }
        let gzip = ("content-encoding", "gzip");
        let twice = head("/app", &[JSON, gzip, gzip]);
        assert!(matches!(twice, Err(Refusal::ContentEncoding)));
    }

    #[test]
    fn the_idempotency_key_is_the_batch_id() {
        let key = ("idempotency-key", "\"8e03978e\"");
        assert_eq!(
            head("/app", &[JSON, key]).unwrap().batch_id,
            b"\"8e03978e\""
        );
        assert_eq!(head("/app", &[JSON]).unwrap().batch_id, b"");
    }
}
