//! How actions are done: in turn, to their end, and written down.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::access::Caller;
use super::api::{Gives, Schemas, Sketch};
use super::audit::AuditEntry;
use super::look::{Admin, failed};
use crate::engine::control::{Change, Control, ControlError};
use crate::wire::http::Problem;

/// How long an answer may take; the action goes on.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What somebody wants done.
pub(super) struct Deed {
    caller: Caller,
    action: &'static str,
    target: String,
    parameters: Option<String>,
}

/// What an action has changed.
pub(super) struct Done(Change);

impl Deed {
    /// `action` is an operation's name, `target` its path.
    pub(super) fn new(caller: Caller, action: &'static str, target: &str) -> Self {
        Self {
            caller,
            action,
            target: target.to_owned(),
            parameters: None,
        }
    }

    /// The same, with what the body says.
    pub(super) fn with(mut self, parameters: &Value) -> Self {
        self.parameters = Some(parameters.to_string());
        self
    }

    fn entry(self, time: String, outcome: &Result<Done, Problem>) -> AuditEntry {
        let (status, result) = match outcome {
            Ok(Done(change)) => (200, change.detail.clone()),
            Err(problem) => (problem.status().as_u16(), problem.detail().to_owned()),
        };
        AuditEntry {
            time,
            who: Some(self.caller.who.to_string()),
            peer: self.caller.address.to_string(),
            action: self.action.to_owned(),
            target: self.target,
            parameters: self.parameters,
            status,
            result,
            left_out: 0,
        }
    }
}

impl Admin {
    /// Has the engine do it, in turn with other actions, on a thread that may block, and writes it
    /// down. It goes on when the time for an answer is over, or nobody waits for one any more.
    pub(super) async fn act(
        self,
        deed: Deed,
        act: impl FnOnce(&dyn Control) -> Result<Change, ControlError> + Send + 'static,
    ) -> Result<Done, Problem> {
        let time = self.audit.now();
        let acting = tokio::spawn(async move {
            // Never closed, so this is always a permit.
            let turn = Arc::clone(&self.action_turns).acquire_owned().await.ok();
            let control = Arc::clone(&self.control);
            let acted = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                act(&*control)
            });
            let outcome = match acted.await {
                Ok(acted) => acted.map(Done).map_err(|refused| problem(&refused)),
                Err(panicked) => Err(failed(&panicked)),
            };
            self.audit.done(deed.entry(time, &outcome)).await;
            outcome
        });
        match tokio::time::timeout(ANSWER_TIMEOUT, acting).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => Err(failed(&panicked)),
            Err(_) => {
                let detail =
                    "not done yet; it goes on, and the audit log will tell what came of it";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        }
    }
}

fn problem(refused: &ControlError) -> Problem {
    let status = match refused {
        ControlError::UnknownRoute(_)
        | ControlError::UnknownOutput { .. }
        | ControlError::UnknownChunk(_)
        | ControlError::UnknownOrphan(_) => StatusCode::NOT_FOUND,
        ControlError::WrongState { .. }
        | ControlError::NotBuffered(_)
        | ControlError::TooManyHeld(_) => StatusCode::CONFLICT,
        ControlError::NotConfirmed(_)
        | ControlError::BadReason
        | ControlError::BadFilter(_)
        | ControlError::BadPattern(_)
        | ControlError::NoRouteNamed => StatusCode::UNPROCESSABLE_ENTITY,
        ControlError::Busy(_) | ControlError::NotDone(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, refused.to_string())
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

impl Gives for Done {
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
        Json::<Change>::describe(sketch, schemas);
        sketch.fails(409, "The state that it is in forbids it.");
    }
}
