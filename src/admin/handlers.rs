//! The paths and what answers them.

use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::{Router, middleware};

use super::api::Api;
use super::cross_site;
use super::gate::Gate;
use super::host::{self, Names};
use super::look::Admin;
use crate::wire::http::Problem;

mod actions;
mod audit;
mod caller;
mod chunks;
mod dead;
mod export;
mod health;
mod live;
mod reload;
mod status;

/// The whole API.
pub(super) fn router(admin: Admin, gate: Arc<Gate>, names: Names) -> Router {
    let (router, outline) = api(gate).finish();
    let _once = admin.outline.set(outline);
    router
        .merge(super::page::router())
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            let detail = "this method is not answered here";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .layer(middleware::from_fn(cross_site::check))
        .layer(middleware::from_fn_with_state(names, host::check))
        .layer(middleware::map_response(guarded))
        .with_state(admin)
}

/// Everything that can be asked for.
pub(super) fn api(gate: Arc<Gate>) -> Api {
    let mut api = Api::new(gate);
    health::add(&mut api);
    status::add(&mut api);
    chunks::add(&mut api);
    export::add(&mut api);
    audit::add(&mut api);
    caller::add(&mut api);
    actions::add(&mut api);
    reload::add(&mut api);
    dead::add(&mut api);
    live::add(&mut api);
    api
}

/// What is here changes all the time, is no web page, and is not for pages of others.
async fn guarded(mut response: Response) -> Response {
    let corp = HeaderName::from_static("cross-origin-resource-policy");
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (corp, "same-origin"),
    ] {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
