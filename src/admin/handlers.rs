//! The paths and what answers them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use tokio::sync::Semaphore;

use super::{host, query};
use crate::engine::status::{
    ChunkPage, ChunkReport, EventPage, Health, Inspect, RouteReport, Status,
};
use crate::metrics::CONTENT_TYPE as METRICS_TYPE;
use crate::wire::http::Problem;

/// Most looks into the engine at a time; each may hold a page in memory and wait for a disk.
const LOOKS_MAX: usize = 4;

/// How long an answer may take, with the wait for its turn.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Admin {
    inspect: Arc<dyn Inspect>,
    turns: Arc<Semaphore>,
}

/// The API of a server that is bound to `bound`.
pub(super) fn router(inspect: Arc<dyn Inspect>, bound: IpAddr) -> Router {
    let admin = Admin {
        inspect,
        turns: Arc::new(Semaphore::new(LOOKS_MAX)),
    };
    Router::new()
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/routes", get(routes))
        .route("/api/v1/routes/{route}/chunks", get(chunks))
        .route("/api/v1/chunks/{id}", get(chunk))
        .route("/api/v1/chunks/{id}/events", get(events))
        .fallback(nothing_here)
        .method_not_allowed_fallback(async || Problem::method_not_allowed("GET, HEAD"))
        .layer(middleware::from_fn_with_state(bound, host::check))
        .layer(middleware::map_response(guarded))
        .with_state(admin)
}

async fn live(State(admin): State<Admin>) -> Response {
    let health = admin.inspect.health();
    healthy(health.live, "not live", health)
}

async fn ready(State(admin): State<Admin>) -> Response {
    let health = admin.inspect.health();
    healthy(health.ready, "not ready", health)
}

fn healthy(is_well: bool, otherwise: &str, health: Health) -> Response {
    if is_well {
        return Json(health).into_response();
    }
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, otherwise);
    problem.because(health.reasons).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Result<Response, Problem> {
    let text = admin.look(|inspect| inspect.metrics_text()).await?;
    Ok(([(CONTENT_TYPE, METRICS_TYPE)], text).into_response())
}

async fn status(State(admin): State<Admin>) -> Result<Json<Status>, Problem> {
    Ok(Json(admin.look(|inspect| inspect.status()).await?))
}

async fn routes(State(admin): State<Admin>) -> Result<Json<Vec<RouteReport>>, Problem> {
    Ok(Json(admin.look(|inspect| inspect.routes()).await?))
}

async fn chunks(
    State(admin): State<Admin>,
    route: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<ChunkPage>, Problem> {
    let (route, query) = (part(route)?, query::chunks(&uri)?);
    let page = admin.look(move |inspect| inspect.chunks(&route, &query));
    Ok(Json(page.await?.ok_or_else(|| unknown("route"))?))
}

async fn chunk(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ChunkReport>, Problem> {
    let id = part(id)?;
    let chunk = admin.look(move |inspect| inspect.chunk(&id)).await?;
    Ok(Json(chunk.ok_or_else(|| unknown("chunk"))?))
}

async fn events(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<EventPage>, Problem> {
    let (id, (from, limit)) = (part(id)?, query::events(&uri)?);
    let page = admin.look(move |inspect| inspect.events(&id, from, limit));
    let page = page.await?.map_err(|unreadable| failed(&unreadable))?;
    Ok(Json(page.ok_or_else(|| unknown("chunk"))?))
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
}

impl Admin {
    /// Asks the engine, in turn with others, on a thread that may block.
    ///
    /// When the time is over the look goes on, and keeps its turn, until the engine has answered:
    /// so a disk that hangs holds no more threads than there are turns.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn Inspect) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (inspect, turns) = (Arc::clone(&self.inspect), Arc::clone(&self.turns));
        let looking = async move {
            // Never closed, so this is always a permit.
            let turn = turns.acquire_owned().await.ok();
            let looked = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                look(&*inspect)
            });
            looked.await
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, looking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => {
                let detail = "no answer in time";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        }
    }
}

/// The variable part of a path.
fn part(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let path = path.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    Ok(path.0)
}

fn unknown(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
}

fn failed(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = %error, "admin request failed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// What is here changes all the time and is no web page.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}
