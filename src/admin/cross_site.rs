//! Requests that a page of another site makes a browser send.
//!
//! A browser lets such a page send requests, though it does not let it read the answers. Browsers
//! say where a request comes from, in `Sec-Fetch-Site` or, older ones, in `Origin`; programs say
//! neither and are let through. Following a link to here is no harm; everything else is refused.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::wire::http::Problem;

/// Refuses what a page of another site asks for.
pub(super) async fn check(request: Request, next: Next) -> Response {
    if is_ours(request.method(), request.headers()) {
        return next.run(request).await;
    }
    let detail = "the request comes from a page of another site";
    Problem::new(StatusCode::FORBIDDEN, detail).into_response()
}

fn is_ours(method: &Method, headers: &HeaderMap) -> bool {
    let only_looks = matches!(*method, Method::GET | Method::HEAD);
    if let Some(site) = headers.get("sec-fetch-site") {
        let mode = headers.get("sec-fetch-mode").map(|mode| mode.as_bytes());
        let is_link = only_looks && mode == Some(b"navigate");
        if !is_link && !matches!(site.as_bytes(), b"same-origin" | b"none") {
            return false;
        }
    }
    only_looks
        || headers.get_all(ORIGIN).iter().all(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            let (_, from) = origin.split_once("://").unwrap_or_default();
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            host.is_some_and(|host| host.eq_ignore_ascii_case(from))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: Method, lines: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "127.0.0.1:2020".parse().unwrap());
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        is_ours(&method, &headers)
    }

    #[test]
    fn programs_and_our_own_page_are_let_through() {
        for lines in [
            &[][..],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://127.0.0.1:2020"),
            ],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://127.0.0.1:2020")],
        ] {
            assert!(allowed(Method::POST, lines), "{lines:?}");
            assert!(allowed(Method::GET, lines), "{lines:?}");
        }
    }

    #[test]
    fn pages_of_other_sites_and_ports_are_not() {
        for lines in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "http://attacker.example")],
            &[("origin", "http://127.0.0.1:8080")],
            &[("origin", "http://127.0.0.1")],
            &[("origin", "null")],
            &[("origin", "")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://attacker.example"),
            ],
            &[
                ("origin", "http://127.0.0.1:2020"),
                ("origin", "http://attacker.example"),
            ],
        ] {
            assert!(!allowed(Method::POST, lines), "{lines:?}");
            assert!(!allowed(Method::PUT, lines), "{lines:?}");
        }
    }

    #[test]
    fn a_link_is_followed_but_nothing_is_embedded() {
        let navigate = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        let embed = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
        ];
        assert!(allowed(Method::GET, &navigate));
        assert!(!allowed(Method::POST, &navigate), "a form");
        assert!(!allowed(Method::GET, &embed));
    }
}
