//! What can be done: each action with its path, and what the engine does for it.
//!
//! An action goes on when whoever asked for it has gone, and is written down with what came of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::chunks::OfChunk;
use super::status::OfRoute;
use crate::admin::access::Caller;
use crate::admin::act::{Deed, Done};
use crate::admin::api::{Api, At, Given, Operation};
use crate::admin::look::Admin;
use crate::engine::control::{Change, Control, ControlError};
use crate::wire::http::Problem;

/// Longest reason, in characters; at most four bytes each, so that the engine takes all of them.
const REASON_LEN_MAX: usize = 128;

/// What the engine does.
type Act = fn(&dyn Control) -> Result<Change, ControlError>;

/// What it does to something of this name.
type ActOn = fn(&dyn Control, &str) -> Result<Change, ControlError>;

/// What it does to an output of a route.
type ActOnOutput = fn(&dyn Control, &str, &str) -> Result<Change, ControlError>;

/// Path, name, summary, and what is done to the daemon.
const TO_DAEMON: [(&str, &str, &str, Act); 3] = [
    (
        "/api/v1/flush",
        "flush",
        "Seals all that is staged, so that it is delivered now.",
        |control| control.flush(None),
    ),
    (
        "/api/v1/drain",
        "drain",
        "Takes in no more, delivers what there is as far as outputs can be reached, then stops.",
        |control| control.drain(),
    ),
    (
        "/api/v1/stop",
        "stop",
        "Stops as SIGTERM does; what is not delivered stays on disk.",
        |control| control.stop(),
    ),
];

/// The same, done to a route.
const TO_ROUTES: [(&str, &str, &str, ActOn); 3] = [
    (
        "/api/v1/routes/{route}/flush",
        "flush_route",
        "Seals all that is staged of a route, so that it is delivered now.",
        |control, route| control.flush(Some(route)),
    ),
    (
        "/api/v1/routes/{route}/pause",
        "pause_route",
        "Starts no deliveries of a route until it is resumed, also after a restart.",
        |control, route| control.pause_route(route),
    ),
    (
        "/api/v1/routes/{route}/resume",
        "resume_route",
        "Starts the deliveries of a route again.",
        |control, route| control.resume_route(route),
    ),
];

/// The same, done to an output of a route.
const TO_OUTPUTS: [(&str, &str, &str, ActOnOutput); 3] = [
    (
        "/api/v1/routes/{route}/outputs/{output}/pause",
        "pause_output",
        "Starts no deliveries to an output of a route until it is resumed, also after a restart.",
        |control, route, output| control.pause_output(route, output),
    ),
    (
        "/api/v1/routes/{route}/outputs/{output}/resume",
        "resume_output",
        "Starts the deliveries to an output of a route again.",
        |control, route, output| control.resume_output(route, output),
    ),
    (
        "/api/v1/routes/{route}/outputs/{output}/retry",
        "retry_output",
        "Tries now what waits for its retry at an output of a route.",
        |control, route, output| control.retry_output(route, output),
    ),
];

/// The same, done to a chunk.
const TO_CHUNKS: [(&str, &str, &str, ActOn); 4] = [
    (
        "/api/v1/chunks/{id}/seal",
        "seal_chunk",
        "Seals a staged chunk, so that it is delivered now.",
        |control, id| control.seal(id),
    ),
    (
        "/api/v1/chunks/{id}/retry",
        "retry_chunk",
        "Tries a queued chunk now, wherever it waits.",
        |control, id| control.retry(id),
    ),
    (
        "/api/v1/chunks/{id}/hold",
        "hold_chunk",
        "Offers a chunk to nobody until it is released, also after a restart.",
        |control, id| control.hold(id),
    ),
    (
        "/api/v1/chunks/{id}/release",
        "release_chunk",
        "Offers a held chunk again.",
        |control, id| control.release(id),
    ),
];

pub(super) fn add(api: &mut Api) {
    for (path, id, summary, act) in TO_DAEMON {
        api.add(
            Operation::act(path, id, summary),
            move |State(admin): State<Admin>, caller: Caller| {
                admin.act(Deed::new(caller, id, path), act)
            },
        );
    }
    for (path, id, summary, act) in TO_ROUTES {
        api.add(
            Operation::act(path, id, summary),
            move |State(admin): State<Admin>,
                  caller: Caller,
                  At(OfRoute { route }): At<OfRoute>| {
                let target = path.replace("{route}", &route);
                let deed = Deed::new(caller, id, &target);
                admin.act(deed, move |control| act(control, &route))
            },
        );
    }
    for (path, id, summary, act) in TO_OUTPUTS {
        api.add(
            Operation::act(path, id, summary),
            move |State(admin): State<Admin>, caller: Caller, At(of): At<OfOutput>| {
                let target = path.replace("{route}", &of.route);
                let target = target.replace("{output}", &of.output);
                let deed = Deed::new(caller, id, &target);
                admin.act(deed, move |control| act(control, &of.route, &of.output))
            },
        );
    }
    for (path, id, summary, act) in TO_CHUNKS {
        api.add(
            Operation::act(path, id, summary),
            move |State(admin): State<Admin>, caller: Caller, At(of): At<OfChunk>| {
                let deed = Deed::new(caller, id, &path.replace("{id}", &of.id));
                admin.act(deed, move |control| act(control, &of.id))
            },
        );
    }
    add_with_body(api);
}

fn add_with_body(api: &mut Api) {
    api.add(
        Operation::act(
            "/api/v1/chunks/{id}/bury",
            "bury_chunk",
            "Moves what is still owed of a queued chunk to the dead letters.",
        ),
        bury,
    );
    api.add(
        Operation::act(
            "/api/v1/chunks/{id}/drop",
            "drop_chunk",
            "Deletes a chunk, dead or alive, whatever it owes.",
        ),
        drop_chunk,
    );
    api.add(
        Operation::read(
            "/api/v1/log-level",
            "log_level",
            "Which lines of the log are written.",
        ),
        log_level,
    );
    api.add(
        Operation::set(
            "/api/v1/log-level",
            "set_log_level",
            "Changes which lines of the log are written, until the next start.",
        ),
        set_log_level,
    );
}

/// Which output of which route.
#[derive(Deserialize, JsonSchema)]
struct OfOutput {
    /// The route's name.
    route: String,
    /// The output's name.
    output: String,
}

/// Why a chunk is given up.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Burial {
    /// The reason, which is kept with the dead letter.
    #[schemars(length(min = 1, max = REASON_LEN_MAX))]
    reason: String,
}

/// That something is really to be deleted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    /// The id or name of what is to be deleted.
    confirm: String,
}

/// Which lines of the log are written.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogLevel {
    /// Such as `info` or `warn,forebay=debug`.
    filter: String,
}

async fn bury(
    State(admin): State<Admin>,
    caller: Caller,
    At(OfChunk { id }): At<OfChunk>,
    Given(Burial { reason }): Given<Burial>,
) -> Result<Done, Problem> {
    if !(1..=REASON_LEN_MAX).contains(&reason.chars().count()) {
        let detail = format!("a reason has 1 to {REASON_LEN_MAX} characters");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let deed = Deed::new(caller, "bury_chunk", &format!("/api/v1/chunks/{id}/bury"));
    let deed = deed.with(&json!({ "reason": reason }));
    admin
        .act(deed, move |control| control.bury(&id, &reason))
        .await
}

async fn drop_chunk(
    State(admin): State<Admin>,
    caller: Caller,
    At(OfChunk { id }): At<OfChunk>,
    Given(Confirmation { confirm }): Given<Confirmation>,
) -> Result<Done, Problem> {
    let deed = Deed::new(caller, "drop_chunk", &format!("/api/v1/chunks/{id}/drop"));
    let deed = deed.with(&json!({ "confirm": confirm }));
    admin
        .act(deed, move |control| control.drop_chunk(&id, &confirm))
        .await
}

async fn log_level(State(admin): State<Admin>) -> Json<LogLevel> {
    let filter = admin.control.log_filter();
    Json(LogLevel { filter })
}

async fn set_log_level(
    State(admin): State<Admin>,
    caller: Caller,
    Given(LogLevel { filter }): Given<LogLevel>,
) -> Result<Done, Problem> {
    let deed = Deed::new(caller, "set_log_level", "/api/v1/log-level");
    let deed = deed.with(&json!({ "filter": filter }));
    admin
        .act(deed, move |control| control.set_log_filter(&filter))
        .await
}
