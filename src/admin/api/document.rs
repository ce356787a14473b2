//! The description of everything that can be asked for: OpenAPI 3.1, whose schemas are JSON Schemas.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Operation;
use super::describe::{Schemas, Sketch};
use crate::config::plan::AdminRole;

/// Says what an operation takes and gives.
type Describe = fn(&mut Sketch, &mut Schemas);

/// All that can be asked for. The description is made of it when somebody first wants it: that takes
/// some MiB, and most daemons are never asked.
pub(in crate::admin) struct Outline {
    asks_for_token: bool,
    operations: Vec<(Operation, Describe)>,
    text: OnceLock<Bytes>,
}

impl Outline {
    /// Nothing yet; whether requests need a token.
    pub(super) fn new(asks_for_token: bool) -> Self {
        Self {
            asks_for_token,
            operations: Vec::new(),
            text: OnceLock::new(),
        }
    }

    /// Adds an operation of which `describe` tells the rest.
    pub(super) fn add(&mut self, operation: Operation, describe: Describe) {
        self.operations.push((operation, describe));
    }

    #[cfg(test)]
    pub(in crate::admin) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().map(|(operation, _)| operation)
    }

    /// The description's text.
    pub(in crate::admin) fn text(&self) -> Bytes {
        let made = self.text.get_or_init(|| {
            let mut document = Document::new(self.asks_for_token);
            for (operation, describe) in &self.operations {
                document.add(operation, *describe);
            }
            document.finish().to_string().into()
        });
        made.clone()
    }
}

/// The description that is being made.
struct Document {
    asks_for_token: bool,
    schemas: Schemas,
    paths: Map<String, Value>,
}

impl Document {
    /// Nothing yet; whether requests need a token.
    fn new(asks_for_token: bool) -> Self {
        Self {
            asks_for_token,
            schemas: Schemas::new(),
            paths: Map::new(),
        }
    }

    /// Adds what `describe` says of `operation`.
    fn add(&mut self, operation: &Operation, describe: Describe) {
        let mut sketch = Sketch::default();
        sketch.fails(421, "The `Host` header names somebody else.");
        sketch.fails(403, "The request comes from a page of another site.");
        self.add_gate(operation, &mut sketch);
        describe(&mut sketch, &mut self.schemas);
        let mut described = json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "responses": responses(sketch.answers, &sketch.problems),
            "security": self.security(operation),
        });
        if !sketch.parameters.is_empty() {
            described["parameters"] = sketch.parameters.into();
        }
        if let Some(body) = sketch.body {
            described["requestBody"] = body;
        }
        let path = self.paths.entry(operation.path).or_insert(json!({}));
        path[operation.method.as_str().to_ascii_lowercase()] = described;
    }

    /// What the gate may answer.
    fn add_gate(&self, operation: &Operation, sketch: &mut Sketch) {
        let Some(role) = operation.role else { return };
        sketch.fails(429, "There were too many requests from this address.");
        if !self.asks_for_token {
            return;
        }
        sketch.fails(401, "There is no token, or it is not one of this server.");
        if role == AdminRole::Admin {
            let when = "The token has another role than `admin`, or the request comes from a page of \
                        another site.";
            sketch.problems.insert(403, when);
        }
    }

    fn security(&self, operation: &Operation) -> Value {
        match operation.role {
            Some(AdminRole::Read) if self.asks_for_token => json!([{ "token": ["read"] }]),
            Some(AdminRole::Admin) if self.asks_for_token => json!([{ "token": ["admin"] }]),
            _ => json!([]),
        }
    }

    /// The whole description.
    fn finish(mut self) -> Value {
        self.schemas.outgoing.subschema_for::<Problem>();
        let schemas = self.schemas.outgoing.take_definitions(true);
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Admin API of Forebay",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Looks into a forwarder of events, and acts on it.",
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            },
        })
    }
}

fn responses(answers: BTreeMap<u16, Value>, problems: &BTreeMap<u16, &'static str>) -> Value {
    let mut responses = Map::new();
    for (status, answer) in answers {
        responses.insert(status.to_string(), answer);
    }
    for (status, when) in problems {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let mut problem = json!({
            "description": when,
            "content": { "application/problem+json": { "schema": schema } },
        });
        let header = match status {
            401 => Some("WWW-Authenticate"),
            429 => Some("Retry-After"),
            _ => None,
        };
        if let Some(header) = header {
            problem["headers"] = json!({ header: { "schema": { "type": "string" } } });
        }
        responses.insert(status.to_string(), problem);
    }
    responses.into()
}

/// Problem details (RFC 9457).
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Problem {
    /// The status code in words.
    title: String,
    /// The status code.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong, in one line.
    detail: String,
    /// What is behind it, one line each.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
}
