//! The parts of a request that handlers have as arguments, with what is said of them.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::describe::{Schemas, Sketch, Takes};
use crate::wire::http::Problem;

/// Largest body of a request.
const BODY_SIZE_MAX: usize = 64 * 1024;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The variable parts of the path.
pub(in crate::admin) struct At<T>(pub(in crate::admin) T);

/// What follows the question mark.
pub(in crate::admin) struct Asked<T>(pub(in crate::admin) T);

/// The body, a JSON object; nothing stands for an empty one.
pub(in crate::admin) struct Given<T>(pub(in crate::admin) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0))
            .map_err(|rejection| bad(rejection.body_text()))
    }
}

impl<T: DeserializeOwned + Send, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|query| Self(query.0))
            .map_err(|rejection| bad(rejection.body_text()))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = read_body(request).await?;
        serde_json::from_value(body)
            .map(Self)
            .map_err(|error| bad_body(&error))
    }
}

async fn read_body(request: Request) -> Result<Value, Problem> {
    let reading = axum::body::to_bytes(request.into_body(), BODY_SIZE_MAX);
    let read = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    let read = read.map_err(|_| {
        let detail = "the body did not come in time";
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    })?;
    let body = read.map_err(|_| {
        let detail = format!("a body has at most {BODY_SIZE_MAX} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })?;
    let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
    serde_json::from_slice(text)
        .and_then(as_described)
        .map_err(|error| bad_body(&error))
}

impl<T: JsonSchema> Takes for At<T> {
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
        let object = schemas.incoming.subschema_for::<T>();
        add_parameters(object.to_value(), "path", sketch);
        sketch.fails(400, "The request is not as described here.");
        sketch.fails(404, "There is no such thing.");
    }
}

impl<T: JsonSchema> Takes for Asked<T> {
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
        let object = schemas.incoming.subschema_for::<T>();
        add_parameters(object.to_value(), "query", sketch);
        sketch.fails(400, "The request is not as described here.");
    }
}

impl<T: JsonSchema> Takes for Given<T> {
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
        let schema = schemas.incoming.subschema_for::<T>();
        add_body(schema.to_value(), sketch);
    }
}

/// The body as its description means it, which the derived readers do not: there, `1.0` is an integer, and
/// a list is no object (no body has one).
///
/// # Errors
/// There is a list in it.
fn as_described(body: Value) -> serde_json::Result<Value> {
    Ok(match body {
        Value::Array(_) => return Err(serde::de::Error::custom("no list is expected")),
        Value::Object(members) => {
            let members = members.into_iter();
            let read = members.map(|(name, value)| Ok((name, as_described(value)?)));
            Value::Object(read.collect::<serde_json::Result<_>>()?)
        }
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            let text = whole.map(|float| format!("{float:.0}"));
            match text.and_then(|text| text.parse::<u64>().ok()) {
                Some(whole) if number.is_f64() => whole.into(),
                _ => Value::Number(number),
            }
        }
        other => other,
    })
}

/// Says that the body is as `schema` has it.
fn add_body(schema: Value, sketch: &mut Sketch) {
    let is_required = schema.get("required").is_some();
    sketch.body = Some(json!({
        "required": is_required,
        "content": { "application/json": { "schema": schema } },
    }));
    sketch.fails(400, "The request is not as described here.");
    sketch.fails(408, "The body did not come in time.");
    sketch.fails(413, "The body is too large.");
    sketch.fails(422, "What the body says cannot be.");
}

/// Says of each field of what `object` describes that it is a parameter in `place`.
fn add_parameters(mut object: Value, place: &str, sketch: &mut Sketch) {
    let required = object["required"].take();
    let is_required = |name: &String| {
        let names = required.as_array();
        names.is_some_and(|names| names.iter().any(|known| known == name))
    };
    let Value::Object(fields) = object["properties"].take() else {
        return;
    };
    for (name, mut schema) in fields {
        let description = schema["description"].take();
        let mut schema = without_null(schema);
        if let Value::Object(schema) = &mut schema {
            schema.remove("description");
        }
        sketch.parameters.push(json!({
            "name": name,
            "in": place,
            "required": place == "path" || is_required(&name),
            "description": description,
            "schema": schema,
        }));
    }
}

/// The schema of a value that may be left out, but cannot be `null`, as a parameter has none.
fn without_null(mut schema: Value) -> Value {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = choices.as_slice() {
            return only.clone();
        }
    }
    schema
}

fn bad_body(error: &serde_json::Error) -> Problem {
    bad(format!("the body is not what is asked for: {error}"))
}

fn bad(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_as_its_description_means_it() {
        let read = as_described(json!({ "a": { "b": 5.0, "c": 1.5, "d": -1.0 }, "e": u64::MAX }));
        let expected = json!({ "a": { "b": 5, "c": 1.5, "d": -1.0 }, "e": u64::MAX });
        assert_eq!(read.unwrap(), expected);
        assert!(as_described(json!(["good"])).is_err());
        assert!(as_described(json!({ "which": [null, null] })).is_err());
    }
}
