//! What a handler takes and gives, read from its types.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::admin::access::Caller;
use crate::wire::http::Problem;

/// A description that is being made of one operation.
#[derive(Default)]
pub(in crate::admin) struct Sketch {
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    /// Status codes with what is answered.
    pub(super) answers: BTreeMap<u16, Value>,
    /// Status codes of problems, with when they come.
    pub(super) problems: BTreeMap<u16, &'static str>,
}

/// Schemas of what comes in and of what goes out.
pub(in crate::admin) struct Schemas {
    /// Written where they are used.
    pub(super) incoming: SchemaGenerator,
    /// Written once, and referred to by name.
    pub(super) outgoing: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let incoming = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.contract = Contract::Deserialize;
        });
        let outgoing = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.contract = Contract::Serialize;
        });
        Self {
            incoming: incoming.into_generator(),
            outgoing: outgoing.into_generator(),
        }
    }
}

/// What a handler has as an argument.
pub(in crate::admin) trait Takes {
    /// Says what of it stands in the request.
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas);
}

/// What a handler gives.
pub(in crate::admin) trait Gives {
    /// Says what it looks like.
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas);
}

/// A handler, seen as what it takes and gives; `T` are those types.
pub(in crate::admin) trait Described<T> {
    /// Describes the operation that it answers.
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas);
}

macro_rules! described {
    ($($argument:ident),*) => {
        impl<F, Answering, Answer, $($argument),*> Described<(Answer, $($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Answering,
            Answering: Future<Output = Answer>,
            Answer: Gives,
            $($argument: Takes,)*
        {
            fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
                $($argument::describe(sketch, schemas);)*
                Answer::describe(sketch, schemas);
            }
        }
    };
}

described!(A);
described!(A, B);
described!(A, B, C);
described!(A, B, C, D);

impl<S> Takes for State<S> {
    fn describe(_: &mut Sketch, _: &mut Schemas) {}
}

impl Takes for Caller {
    fn describe(_: &mut Sketch, _: &mut Schemas) {}
}

impl<T: JsonSchema> Gives for Json<T> {
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
        let schema = schemas.outgoing.subschema_for::<T>();
        sketch.gives(200, "application/json", schema.to_value());
    }
}

/// Whatever asks the engine may find it too busy, or in trouble.
impl<T: Gives> Gives for Result<T, Problem> {
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
        T::describe(sketch, schemas);
        sketch.fails(500, "It failed, which is in the log too.");
        sketch.fails(
            503,
            "There was no answer in time, or too much is asked at a time.",
        );
    }
}

impl Sketch {
    /// Notes what an answer looks like.
    pub(in crate::admin) fn gives(&mut self, status: u16, content_type: &str, schema: Value) {
        let answer = json!({
            "description": "What was asked for.",
            "content": { content_type: { "schema": schema } },
        });
        self.answers.insert(status, answer);
    }

    /// Notes another form that an answer may have.
    pub(in crate::admin) fn also_gives(&mut self, status: u16, content_type: &str, schema: Value) {
        if let Some(answer) = self.answers.get_mut(&status) {
            answer["content"][content_type] = json!({ "schema": schema });
        }
    }

    /// Notes when a problem is answered.
    pub(in crate::admin) fn fails(&mut self, status: u16, when: &'static str) {
        self.problems.entry(status).or_insert(when);
    }
}
