//! How actions are done: in turn, to their end, and written down.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::access::Caller;
use super::api::{Gives, Schemas, Sketch};
use super::audit::AuditEntry;
use super::look::{Admin, failed};
use crate::engine::control::{Change, Control, ControlError, ReplayReport};
use crate::engine::reload::Changes;
use crate::engine::verify::VerifyReport;
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

/// What came of an action.
pub(super) struct Done<T = Change>(pub(super) T);

/// What can come of an action.
pub(super) trait Outcome: Serialize + JsonSchema + Send + 'static {
    /// It in a few words, for the audit log.
    fn told(&self) -> String;
}

impl Outcome for Change {
    fn told(&self) -> String {
        self.detail.clone()
    }
}

impl Outcome for ReplayReport {
    fn told(&self) -> String {
        format!(
            "replay {} of {} dead letters has begun",
            self.id, self.total
        )
    }
}

impl Outcome for VerifyReport {
    fn told(&self) -> String {
        format!("{} faults in {} chunks", self.faults, self.chunks)
    }
}

impl Outcome for Changes {
    fn told(&self) -> String {
        self.to_string()
    }
}

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

    fn entry<T: Outcome>(self, time: String, outcome: &Result<Done<T>, Problem>) -> AuditEntry {
        let (status, result) = match outcome {
            Ok(Done(done)) => (200, done.told()),
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
    /// Has the engine do it, in turn with other actions, on a thread that may block.
    pub(super) async fn act<T: Outcome>(
        self,
        deed: Deed,
        act: impl FnOnce(&dyn Control) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<Done<T>, Problem> {
        let (control, turns) = (Arc::clone(&self.control), Arc::clone(&self.action_turns));
        let acting = in_turn(control, turns, Box::new(act));
        self.perform(deed, acting.boxed()).await
    }

    /// Does it, and writes it down. It goes on when the time for an answer is over, or nobody waits for
    /// one any more.
    pub(super) async fn perform<T: Outcome>(
        self,
        deed: Deed,
        acting: BoxFuture<'static, Result<T, Problem>>,
    ) -> Result<Done<T>, Problem> {
        let time = self.audit.now();
        let performing = tokio::spawn(async move {
            let outcome = acting.await.map(Done);
            self.audit.done(deed.entry(time, &outcome)).await;
            outcome
        });
        match tokio::time::timeout(ANSWER_TIMEOUT, performing).await {
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

/// What is done to the engine; of one type for all actions with the same outcome, as all that is around
/// it is compiled for each.
type Act<T> = Box<dyn FnOnce(&dyn Control) -> Result<T, ControlError> + Send>;

async fn in_turn<T: Outcome>(
    control: Arc<dyn Control>,
    turns: Arc<Semaphore>,
    act: Act<T>,
) -> Result<T, Problem> {
    // Never closed, so this is always a permit.
    let turn = turns.acquire_owned().await.ok();
    let acted = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        act(&*control)
    });
    let acted = acted.await.map_err(|panicked| failed(&panicked))?;
    acted.map_err(|refused| problem(&refused))
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

impl<T: Outcome> IntoResponse for Done<T> {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

impl<T: Outcome> Gives for Done<T> {
    fn describe(sketch: &mut Sketch, schemas: &mut Schemas) {
        Json::<T>::describe(sketch, schemas);
        sketch.fails(404, "There is no such thing.");
        sketch.fails(409, "The state that it is in forbids it.");
    }
}
