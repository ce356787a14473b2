//! The daemon as a whole, its inputs and its routes.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::admin::api::{Api, At, Gives, Operation, Outline, Schemas, Sketch};
use crate::admin::look::{Admin, unknown};
use crate::engine::status::{InputReport, RouteReport, Status};
use crate::wire::http::Problem;

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::read("/api/v1/status", "status", "Everything but the chunks."),
        status,
    );
    api.add(
        Operation::read("/api/v1/inputs", "inputs", "The inputs, by name."),
        inputs,
    );
    api.add(
        Operation::read(
            "/api/v1/routes",
            "routes",
            "The routes with their buffers and outputs, in the order of the configuration.",
        ),
        routes,
    );
    api.add(
        Operation::read("/api/v1/routes/{route}", "route", "One route."),
        route,
    );
    api.add(
        Operation::read(
            "/api/v1/openapi.json",
            "openapi",
            "This description of the API.",
        ),
        description,
    );
}

/// Which route.
#[derive(Deserialize, JsonSchema)]
pub(super) struct OfRoute {
    /// The route's name.
    pub(super) route: String,
}

async fn status(State(admin): State<Admin>) -> Result<Json<Status>, Problem> {
    Ok(Json(admin.look(|inspect| inspect.status()).await?))
}

async fn inputs(State(admin): State<Admin>) -> Result<Json<Vec<InputReport>>, Problem> {
    Ok(Json(admin.look(|inspect| inspect.status().inputs).await?))
}

async fn routes(State(admin): State<Admin>) -> Result<Json<Vec<RouteReport>>, Problem> {
    Ok(Json(admin.look(|inspect| inspect.routes()).await?))
}

async fn route(
    State(admin): State<Admin>,
    At(OfRoute { route }): At<OfRoute>,
) -> Result<Json<RouteReport>, Problem> {
    let mut routes = admin.look(|inspect| inspect.routes()).await?.into_iter();
    let found = routes.find(|report| report.name == route);
    Ok(Json(found.ok_or_else(|| unknown("route"))?))
}

/// The description's text.
struct Description(Bytes);

async fn description(State(admin): State<Admin>) -> Description {
    Description(admin.outline.get().map(Outline::text).unwrap_or_default())
}

impl IntoResponse for Description {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

impl Gives for Description {
    fn describe(sketch: &mut Sketch, _: &mut Schemas) {
        sketch.gives(
            200,
            "application/json",
            serde_json::json!({ "type": "object" }),
        );
    }
}
