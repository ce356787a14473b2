//! What is too large for one answer in memory: a chunk's events as a whole, and its file.
//!
//! An answer is made part by part, as it is read; each part is a look of its own, so that who reads
//! slowly keeps nobody waiting. If something fails on the way the connection is broken off, so that
//! what has come so far does not pass for all of it.

use std::io;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::chunks::OfChunk;
use crate::admin::api::{Api, Asked, At, Gives, Operation, Schemas, Sketch};
use crate::admin::look::{Admin, failed, unknown};
use crate::admin::query;
use crate::engine::status::{EventCursor, ExportFormat, Inspect, QuarantinePage};
use crate::wire::http::Problem;

const NDJSON: &str = "application/x-ndjson";
const MSGPACK: &str = "application/vnd.msgpack";
const BYTES: &str = "application/octet-stream";

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::read(
            "/api/v1/chunks/{id}/export",
            "export",
            "All events of a chunk, in the order they were stored.",
        ),
        export,
    );
    api.add(
        Operation::read(
            "/api/v1/chunks/{id}/raw",
            "raw",
            "A chunk's file as it is on the disk, for the offline tools.",
        ),
        raw,
    );
    api.add(
        Operation::read(
            "/api/v1/quarantine",
            "quarantine",
            "A page of the damaged bytes and files that were set aside, by name.",
        ),
        quarantine,
    );
}

/// How to export.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExportParameters {
    /// The format; `ndjson` unless it is said.
    format: Option<ExportFormat>,
}

/// Which part of the quarantine.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QuarantineParameters {
    /// Where the page begins: the `next` of the one before.
    cursor: Option<String>,
    /// Entries on the page; 100 unless it is said.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

/// Events, one after the other.
struct Exported(Response);

/// Bytes of a file.
struct File(Response);

async fn export(
    State(admin): State<Admin>,
    At(OfChunk { id }): At<OfChunk>,
    Asked(parameters): Asked<ExportParameters>,
) -> Result<Exported, Problem> {
    let format = parameters.format.unwrap_or_default();
    let (content_type, ending) = match format {
        ExportFormat::Ndjson => (NDJSON, "ndjson"),
        ExportFormat::Msgpack => (MSGPACK, "msgpack"),
    };
    let start = Some(EventCursor::default());
    let source = Source::open(admin, &id, Place::Events(format, start))?;
    let name = format!("{id}.{ending}");
    Ok(Exported(download(
        content_type,
        &name,
        source.body().await?,
    )))
}

async fn raw(State(admin): State<Admin>, At(OfChunk { id }): At<OfChunk>) -> Result<File, Problem> {
    let source = Source::open(admin, &id, Place::File(Some(0)))?;
    let name = format!("{id}.chunk");
    Ok(File(download(BYTES, &name, source.body().await?)))
}

async fn quarantine(
    State(admin): State<Admin>,
    Asked(parameters): Asked<QuarantineParameters>,
) -> Result<Json<QuarantinePage>, Problem> {
    let (after, limit) = (parameters.cursor, query::limit(parameters.limit)?);
    let page = admin.look(move |inspect| inspect.quarantine(after.as_deref(), limit));
    Ok(Json(page.await?.map_err(|unreadable| failed(&unreadable))?))
}

/// What is read part by part.
struct Source {
    admin: Admin,
    id: String,
    place: Place,
    _stream: OwnedSemaphorePermit,
}

/// Where the next part begins; `None`: there is none.
#[derive(Clone, Copy)]
enum Place {
    Events(ExportFormat, Option<EventCursor>),
    File(Option<u64>),
}

impl Source {
    fn open(admin: Admin, id: &str, place: Place) -> Result<Self, Problem> {
        Ok(Self {
            _stream: admin.stream()?,
            admin,
            id: id.to_owned(),
            place,
        })
    }

    /// A body of all that there is. The first part is read before this returns, so that what cannot
    /// be read at all is a problem.
    async fn body(mut self) -> Result<Body, Problem> {
        let first = self.next().await?.unwrap_or_default();
        let rest = stream::try_unfold(self, async |mut source| {
            let part = source.next().await;
            let part = part.map_err(|problem| io::Error::other(problem.detail().to_owned()))?;
            Ok(part.map(|bytes| (Bytes::from(bytes), source)))
        });
        let first = stream::iter([Ok::<_, io::Error>(Bytes::from(first))]);
        Ok(Body::from_stream(first.chain(rest)))
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let (id, place) = (self.id.clone(), self.place);
        let read = self.admin.look(move |inspect| place.read(inspect, &id));
        let Some((bytes, place)) = read.await?? else {
            return Ok(None);
        };
        self.place = place;
        Ok(Some(bytes))
    }
}

impl Place {
    /// The part that begins here, and where the one after it does.
    fn read(self, inspect: &dyn Inspect, id: &str) -> Result<Option<(Vec<u8>, Self)>, Problem> {
        let read = match self {
            Self::Events(_, None) | Self::File(None) => return Ok(None),
            Self::Events(format, Some(from)) => {
                let part = inspect.export(id, from, format);
                part.map(|part| part.map(|part| (part.bytes, Self::Events(format, part.next))))
            }
            Self::File(Some(offset)) => inspect.raw(id, offset).map(|part| {
                part.map(|bytes| {
                    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    let next = (len > 0).then(|| offset.saturating_add(len));
                    (bytes, Self::File(next))
                })
            }),
        };
        let found = read.map_err(|unreadable| failed(&unreadable))?;
        found.map(Some).ok_or_else(|| unknown("chunk"))
    }
}

/// An answer that a browser saves as `name`.
fn download(content_type: &'static str, name: &str, body: Body) -> Response {
    let mut response = ([(CONTENT_TYPE, content_type)], body).into_response();
    let disposition = format!("attachment; filename=\"{name}\"");
    // Names are hexadecimal digits with an ending: there is a chunk of this id.
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        response
            .headers_mut()
            .insert(CONTENT_DISPOSITION, disposition);
    }
    response
}

impl IntoResponse for Exported {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Gives for Exported {
    fn describe(sketch: &mut Sketch, _: &mut Schemas) {
        sketch.gives(200, NDJSON, json!({ "type": "string" }));
        sketch.also_gives(
            200,
            MSGPACK,
            json!({ "type": "string", "format": "binary" }),
        );
    }
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Gives for File {
    fn describe(sketch: &mut Sketch, _: &mut Schemas) {
        sketch.gives(200, BYTES, json!({ "type": "string", "format": "binary" }));
    }
}
