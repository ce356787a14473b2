//! Whether the daemon does its work, and its metrics.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::admin::api::{Api, Gives, Operation, Schemas, Sketch};
use crate::admin::look::Admin;
use crate::engine::status::Health;
use crate::metrics::CONTENT_TYPE as METRICS_TYPE;
use crate::wire::http::Problem;

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::open("/healthz", "live", "Whether the process is in order."),
        live,
    );
    api.add(
        Operation::open(
            "/readyz",
            "ready",
            "Whether events are taken in and stored; if not, why.",
        ),
        ready,
    );
    api.add(
        Operation::read(
            "/metrics",
            "metrics",
            "All metrics, as Prometheus reads them.",
        ),
        metrics,
    );
}

/// Health, or why there is none.
struct Healthy(Result<Json<Health>, Problem>);

async fn live(State(admin): State<Admin>) -> Healthy {
    let health = admin.inspect.health();
    healthy(health.live, "not live", health)
}

async fn ready(State(admin): State<Admin>) -> Healthy {
    let health = admin.inspect.health();
    healthy(health.ready, "not ready", health)
}

fn healthy(is_well: bool, otherwise: &str, health: Health) -> Healthy {
    if is_well {
        return Healthy(Ok(Json(health)));
    }
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, otherwise);
    Healthy(Err(problem.because(health.reasons)))
}

impl IntoResponse for Healthy {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl Gives for Healthy {
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
        Json::<Health>::describe(sketch, schemas);
        sketch.fails(503, "It is not, for the reasons given.");
    }
}

/// Text that Prometheus reads.
struct MetricsText(String);

async fn metrics(State(admin): State<Admin>) -> Result<MetricsText, Problem> {
    let text = admin.look(|inspect| inspect.metrics_text()).await?;
    Ok(MetricsText(text))
}

impl IntoResponse for MetricsText {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, METRICS_TYPE)], self.0).into_response()
    }
}

impl Gives for MetricsText {
    fn describe(sketch: &mut Sketch, _: &mut Schemas) {
        sketch.gives(200, "text/plain", serde_json::json!({ "type": "string" }));
    }
}
