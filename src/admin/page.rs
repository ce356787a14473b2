//! The page for people at `/`: plain ES modules, a style sheet and a document, in the program as they
//! stand in `page/`. Nothing builds them and nothing is fetched from elsewhere, so it works where there
//! is no other network than the one to here.
//!
//! It is given to everybody who may connect: there is no event and no secret in it. What it shows it
//! asks the API for, with the token that was typed in; without one the API refuses.
//!
//! What a browser may do with it is bounded by its policy: no script, style, image or request but to
//! here, no frame around it, and no text that becomes markup. So an event with a script in it is shown.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use twox_hash::XxHash3_128;

/// What the browser may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// A file of the page.
#[derive(Clone, Copy, Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        [$(File {
            path: concat!("/page/", $name),
            content_type: "text/javascript; charset=utf-8",
            text: include_str!(concat!("page/", $name)),
        }),*]
    };
}

const DOCUMENT: File = File {
    path: "/",
    content_type: "text/html; charset=utf-8",
    text: include_str!("page/index.html"),
};

const STYLE: File = File {
    path: "/page/page.css",
    content_type: "text/css; charset=utf-8",
    text: include_str!("page/page.css"),
};

const MODULES: [File; 20] = modules![
    "actions.js",
    "api.js",
    "audit.js",
    "chart.js",
    "chunk.js",
    "chunks.js",
    "dead.js",
    "dialog.js",
    "dom.js",
    "events.js",
    "flow.js",
    "format.js",
    "health.js",
    "history.js",
    "live.js",
    "main.js",
    "orphans.js",
    "overview.js",
    "quarantine.js",
    "waiting.js",
];

/// The paths of the page.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    files().fold(Router::new(), |router, file| {
        router.route(
            file.path,
            get(move |headers| async move { file.answer(&headers) }),
        )
    })
}

fn files() -> impl Iterator<Item = File> {
    [DOCUMENT, STYLE].into_iter().chain(MODULES)
}

impl File {
    /// The file, or that the one the browser has is the same. It asks each time, so that a new program's page is never
    /// made of old parts.
    fn answer(self, asked: &HeaderMap) -> Response {
        let tag = format!("\"{:032x}\"", XxHash3_128::oneshot(self.text.as_bytes()));
        let has_it = asked
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|tags| tags.to_str().is_ok_and(|tags| tags.contains(&tag)));
        let headers = [
            (ETAG, tag.as_str()),
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
        ];
        if has_it {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, [(CONTENT_TYPE, self.content_type)], self.text).into_response()
    }
}

#[cfg(test)]
mod tests;
