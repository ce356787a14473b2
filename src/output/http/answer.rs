//! What a server's answer means for the chunk.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::retry_after;
use crate::clock;
use crate::output::{Failure, FailureScope, Outcome};

/// Bytes of an answer's body that are kept as the reason of a failure.
const EXCERPT_SIZE_MAX: usize = 200;

/// Bytes of an answer's body that are read so that its connection can be used again.
const BODY_SIZE_MAX: usize = 16 * 1024;

/// How long an answer's body may take once its status is known.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// What is looked at in an answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// What `Retry-After` asks for.
    pub(super) retry_after: Option<Duration>,
    /// The beginning of the body, printable; empty if there is none.
    pub(super) excerpt: String,
}

impl Answer {
    /// Reads the answer. Its status and headers are there already and decide; a body that does not
    /// come, or not all of it, is only missed in the reason.
    pub(super) async fn read(mut response: Response) -> Self {
        let mut beginning = Vec::new();
        let body = read_body(&mut response, &mut beginning);
        let _cut_short = tokio::time::timeout(BODY_TIMEOUT, body).await;
        Self {
            status: response.status(),
            retry_after: retry_after_of(response.headers()),
            excerpt: printable(&beginning),
        }
    }

    /// Success is a delivery; an answer that may be another one next time, or once somebody has mended
    /// a password or an address, is a retry; one that speaks of the events themselves is final.
    pub(super) fn outcome(&self) -> Outcome {
        if self.status.is_success() {
            return Outcome::Delivered;
        }
        let Some(scope) = retry_scope(self.status) else {
            return Outcome::Reject {
                reason: self.reason(),
            };
        };
        let failure = Failure::new(scope, self.reason());
        Outcome::Retry(match self.retry_after {
            Some(wait) => failure.not_before(wait),
            None => failure,
        })
    }

    /// The status and what the server said about it, in one line.
    fn reason(&self) -> String {
        let status = self.status;
        match self.excerpt.as_str() {
            "" => format!("the server answered {status}"),
            excerpt => format!("the server answered {status}: {excerpt}"),
        }
    }
}

/// Reads the body up to its end or to [`BODY_SIZE_MAX`], and keeps its beginning.
async fn read_body(response: &mut Response, beginning: &mut Vec<u8>) -> reqwest::Result<()> {
    let mut read_size = 0;
    while let Some(part) = response.chunk().await? {
        let room = EXCERPT_SIZE_MAX - beginning.len();
        beginning.extend_from_slice(&part[..part.len().min(room)]);
        read_size += part.len();
        if read_size > BODY_SIZE_MAX {
            break;
        }
    }
    Ok(())
}

fn retry_after_of(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    retry_after::parse(value, clock::unix_ns())
}

/// Whom a status speaks about, if it may be another one next time.
///
/// What a proxy or an overloaded server says to every request speaks about the destination, and so do a
/// password that is not valid (any more) and a redirection, which is not followed: events are kept until that is
/// mended. An address or a right may be missing for some of the chunks only, since addresses can have
/// placeholders; any other 5xx may be this chunk's fault.
fn retry_scope(status: StatusCode) -> Option<FailureScope> {
    match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::MISDIRECTED_REQUEST
        | StatusCode::UPGRADE_REQUIRED
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT
        | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => Some(FailureScope::Destination),
        StatusCode::PAYMENT_REQUIRED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::CONFLICT
        | StatusCode::GONE
        | StatusCode::LOCKED
        | StatusCode::TOO_EARLY => Some(FailureScope::Chunk),
        status if status.is_redirection() => Some(FailureScope::Destination),
        status if status.is_server_error() => Some(FailureScope::Chunk),
        _ => None,
    }
}

/// The first characters of a body as one printable line: what is not UTF-8 becomes U+FFFD, and
/// runs of white space and control characters become one space.
pub(super) fn printable(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16) -> Outcome {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(Duration::from_secs(7)),
            excerpt: "too bad".to_owned(),
        };
        answer.outcome()
    }

    #[test]
    fn success_is_a_delivery() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(outcome(status), Outcome::Delivered);
        }
    }

    #[test]
    fn statuses_that_every_request_gets_speak_about_the_destination() {
        for status in [
            300, 301, 302, 304, 307, 308, 401, 407, 408, 421, 426, 429, 502, 503, 504, 511,
        ] {
            let Outcome::Retry(failure) = outcome(status) else {
                panic!("{status} must be retried");
            };
            assert_eq!(failure.scope, FailureScope::Destination, "{status}");
            assert_eq!(failure.not_before, Some(Duration::from_secs(7)), "{status}");
        }
    }

    #[test]
    fn what_may_be_so_for_this_chunk_only_is_tried_again() {
        for status in [
            402, 403, 404, 405, 409, 410, 423, 425, 500, 501, 505, 507, 599,
        ] {
            let Outcome::Retry(failure) = outcome(status) else {
                panic!("{status} must be retried");
            };
            assert_eq!(failure.scope, FailureScope::Chunk, "{status}");
        }
    }

    #[test]
    fn what_speaks_of_the_events_is_final() {
        for status in [400, 406, 411, 412, 413, 414, 415, 417, 422, 424, 431] {
            let Outcome::Reject { reason } = outcome(status) else {
                panic!("{status} must be rejected");
            };
            assert!(reason.contains(&status.to_string()), "{reason}");
            assert!(reason.ends_with(": too bad"), "{reason}");
        }
    }

    #[test]
    fn excerpts_are_one_printable_line() {
        let cases: [(&[u8], &str); 4] = [
            (b"", ""),
            (b" \r\n ", ""),
            (b"bad\r\n\tfield \x1b[31mx\x00y", "bad field [31mx y"),
            (b"\xff ok", "\u{fffd} ok"),
        ];
        for (body, expected) in cases {
            assert_eq!(printable(body), expected);
        }
    }
}
