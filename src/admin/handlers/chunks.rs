//! Chunks and their events.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::status::OfRoute;
use crate::admin::api::{Api, Asked, At, Operation};
use crate::admin::look::{Admin, failed, unknown};
use crate::admin::query::{ChunkParameters, EventParameters};
use crate::engine::status::{ChunkPage, ChunkReport, EventPage};
use crate::wire::http::Problem;

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::read(
            "/api/v1/routes/{route}/chunks",
            "chunks",
            "A page of a route's chunks and dead letters.",
        ),
        chunks,
    );
    api.add(
        Operation::read("/api/v1/chunks/{id}", "chunk", "One chunk."),
        chunk,
    );
    api.add(
        Operation::read(
            "/api/v1/chunks/{id}/events",
            "chunk_events",
            "A page of a chunk's events, in the order they were stored.",
        ),
        events,
    );
}

/// Which chunk.
#[derive(Deserialize, JsonSchema)]
pub(super) struct OfChunk {
    /// The chunk's id, 32 hexadecimal digits.
    pub(super) id: String,
}

async fn chunks(
    State(admin): State<Admin>,
    At(OfRoute { route }): At<OfRoute>,
    Asked(parameters): Asked<ChunkParameters>,
) -> Result<Json<ChunkPage>, Problem> {
    let query = parameters.query()?;
    let page = admin.look(move |inspect| inspect.chunks(&route, &query));
    Ok(Json(page.await?.ok_or_else(|| unknown("route"))?))
}

async fn chunk(
    State(admin): State<Admin>,
    At(OfChunk { id }): At<OfChunk>,
) -> Result<Json<ChunkReport>, Problem> {
    let chunk = admin.look(move |inspect| inspect.chunk(&id)).await?;
    Ok(Json(chunk.ok_or_else(|| unknown("chunk"))?))
}

async fn events(
    State(admin): State<Admin>,
    At(OfChunk { id }): At<OfChunk>,
    Asked(parameters): Asked<EventParameters>,
) -> Result<Json<EventPage>, Problem> {
    let query = parameters.query()?;
    let page = admin.look(move |inspect| inspect.events(&id, &query));
    let page = page.await?.map_err(|unreadable| failed(&unreadable))?;
    Ok(Json(page.ok_or_else(|| unknown("chunk"))?))
}
