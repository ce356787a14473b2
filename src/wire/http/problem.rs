//! Problem details (RFC 9457).

use std::time::Duration;

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// An answer that says what is wrong, as `application/problem+json`:
/// `{"title":"Payload Too Large","status":413,"detail":"..."}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    reasons: Vec<String>,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    authenticate: Option<&'static str>,
}

impl Problem {
    /// A problem with its explanation, in one line.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            reasons: Vec::new(),
            retry_after: None,
            allow: None,
            authenticate: None,
        }
    }

    /// The same problem, with what is behind it, one line each, as the member `reasons`.
    #[must_use]
    pub fn because(mut self, reasons: Vec<String>) -> Self {
        self.reasons = reasons;
        self
    }

    /// The same problem, with the wish to try again after `wait`, rounded up to seconds and never
    /// 0, as the header `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same problem, with how to say who one is, as the header `WWW-Authenticate`.
    #[must_use]
    pub fn authenticate_by(mut self, challenge: &'static str) -> Self {
        self.authenticate = Some(challenge);
        self
    }

    /// Its status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says, in one line.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A problem with the method: only those in `allow` are answered.
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("only {allow} is answered here");
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = serde_json::json!({
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.reasons.is_empty() {
            body["reasons"] = self.reasons.into();
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, problem_json);
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(challenge) = self.authenticate {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    let up = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(up).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_to_whole_seconds_and_never_none() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }
}
