//! Dead letters and orphans: what nobody delivers, until somebody says what is to become of it.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chunks::OfChunk;
use super::status::OfRoute;
use crate::admin::access::Caller;
use crate::admin::act::{Deed, Done};
use crate::admin::api::{Api, At, Given, Operation};
use crate::admin::look::Admin;
use crate::engine::control::{DeadSelection, ReplayReport, ReplayTo};
use crate::engine::orphans::OrphanReport;
use crate::engine::verify::VerifyReport;
use crate::wire::http::Problem;

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::act(
            "/api/v1/chunks/{id}/replay",
            "replay_chunk",
            "Delivers a dead letter after all.",
        ),
        replay_chunk,
    );
    api.add(
        Operation::act(
            "/api/v1/routes/{route}/dead/replay",
            "replay_dead",
            "Begins to deliver dead letters of a route after all; `replays` tells how it gets on.",
        ),
        replay_dead,
    );
    api.add(
        Operation::act(
            "/api/v1/routes/{route}/dead/drop",
            "drop_dead",
            "Deletes dead letters of a route.",
        ),
        drop_dead,
    );
    api.add(
        Operation::read(
            "/api/v1/replays",
            "replays",
            "The replays since the start, the newest first.",
        ),
        replays,
    );
    api.add(
        Operation::act(
            "/api/v1/replays/{id}/cancel",
            "cancel_replay",
            "Ends a replay after the dead letter that it is at.",
        ),
        cancel_replay,
    );
    add_orphans(api);
}

fn add_orphans(api: &mut Api) {
    api.add(
        Operation::read(
            "/api/v1/orphans",
            "orphans",
            "What is on disk of routes and outputs that the configuration does not name.",
        ),
        orphans,
    );
    api.add(
        Operation::act(
            "/api/v1/orphans/{name}/adopt",
            "adopt_orphan",
            "Makes an orphan's chunks and dead letters those of a route.",
        ),
        adopt_orphan,
    );
    api.add(
        Operation::act(
            "/api/v1/orphans/{name}/drop",
            "drop_orphan",
            "Deletes an orphan.",
        ),
        drop_orphan,
    );
    api.add(
        Operation::act(
            "/api/v1/verify",
            "verify",
            "Reads every chunk and compares all checksums; changes nothing.",
        ),
        verify,
    );
}

/// Which replay.
#[derive(Deserialize, JsonSchema)]
struct OfReplay {
    /// The replay's number.
    #[schemars(range(max = u32::MAX))]
    id: u32,
}

/// Which orphan.
#[derive(Deserialize, JsonSchema)]
struct OfOrphan {
    /// The orphan's name.
    name: String,
}

/// Where dead letters go again; what is not said is as it was.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Replay {
    /// The route that delivers it; its own, if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// The output that it is owed to; the one that did not take it, if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// Which dead letters go where again.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ReplayDead {
    /// Which of them; all, if nothing is said.
    which: DeadSelection,
    /// The route that delivers them; their own, if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// The output that they are owed to; the one that did not take them, if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// Which dead letters are really to be deleted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DropDead {
    /// Which of them; all, if nothing is said.
    #[serde(default)]
    which: DeadSelection,
    /// The route's name.
    confirm: String,
}

/// Who adopts an orphan.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Adoption {
    /// The route that has it from now on.
    route: String,
    /// The output that its chunks are owed to; all of the route's, if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// That an orphan is really to be deleted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DropOrphan {
    /// The orphan's name.
    confirm: String,
}

/// What is to be verified.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Verification {
    /// Only this route; all, if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
}

async fn replay_chunk(
    State(admin): State<Admin>,
    caller: Caller,
    At(OfChunk { id }): At<OfChunk>,
    Given(replay): Given<Replay>,
) -> Result<Done, Problem> {
    let deed = Deed::new(
        caller,
        "replay_chunk",
        &format!("/api/v1/chunks/{id}/replay"),
    );
    let deed = deed.with(&shown(&replay));
    let to = to(replay.to, replay.output);
    admin
        .act(deed, move |control| control.replay(&id, &to))
        .await
}

async fn replay_dead(
    State(admin): State<Admin>,
    caller: Caller,
    At(OfRoute { route }): At<OfRoute>,
    Given(replay): Given<ReplayDead>,
) -> Result<Done<ReplayReport>, Problem> {
    let deed = Deed::new(
        caller,
        "replay_dead",
        &format!("/api/v1/routes/{route}/dead/replay"),
    );
    let deed = deed.with(&shown(&replay));
    let (which, to) = (replay.which, to(replay.to, replay.output));
    admin
        .act(deed, move |control| {
            control.replay_route(&route, &which, &to)
        })
        .await
}

async fn drop_dead(
    State(admin): State<Admin>,
    caller: Caller,
    At(OfRoute { route }): At<OfRoute>,
    Given(dropped): Given<DropDead>,
) -> Result<Done, Problem> {
    let deed = Deed::new(
        caller,
        "drop_dead",
        &format!("/api/v1/routes/{route}/dead/drop"),
    );
    let deed = deed.with(&shown(&dropped));
    let DropDead { which, confirm } = dropped;
    admin
        .act(deed, move |control| {
            control.drop_dead(&route, &which, &confirm)
        })
        .await
}

async fn replays(State(admin): State<Admin>) -> Result<Json<Vec<ReplayReport>>, Problem> {
    Ok(Json(admin.ask(|control| control.replays()).await?))
}

async fn cancel_replay(
    State(admin): State<Admin>,
    caller: Caller,
    At(OfReplay { id }): At<OfReplay>,
) -> Result<Done, Problem> {
    let deed = Deed::new(
        caller,
        "cancel_replay",
        &format!("/api/v1/replays/{id}/cancel"),
    );
    admin
        .act(deed, move |control| control.cancel_replay(id.into()))
        .await
}

async fn orphans(State(admin): State<Admin>) -> Result<Json<Vec<OrphanReport>>, Problem> {
    Ok(Json(admin.ask(|control| control.orphans()).await?))
}

async fn adopt_orphan(
    State(admin): State<Admin>,
    caller: Caller,
    At(OfOrphan { name }): At<OfOrphan>,
    Given(adoption): Given<Adoption>,
) -> Result<Done, Problem> {
    let deed = Deed::new(
        caller,
        "adopt_orphan",
        &format!("/api/v1/orphans/{name}/adopt"),
    );
    let deed = deed.with(&shown(&adoption));
    let to = to(Some(adoption.route), adoption.output);
    admin
        .act(deed, move |control| control.adopt_orphan(&name, &to))
        .await
}

async fn drop_orphan(
    State(admin): State<Admin>,
    caller: Caller,
    At(OfOrphan { name }): At<OfOrphan>,
    Given(dropped): Given<DropOrphan>,
) -> Result<Done, Problem> {
    let deed = Deed::new(
        caller,
        "drop_orphan",
        &format!("/api/v1/orphans/{name}/drop"),
    );
    let deed = deed.with(&shown(&dropped));
    let confirm = dropped.confirm;
    admin
        .act(deed, move |control| control.drop_orphan(&name, &confirm))
        .await
}

async fn verify(
    State(admin): State<Admin>,
    caller: Caller,
    Given(verification): Given<Verification>,
) -> Result<Done<VerifyReport>, Problem> {
    let deed = Deed::new(caller, "verify", "/api/v1/verify").with(&shown(&verification));
    let route = verification.route;
    admin
        .act(deed, move |control| control.verify(route.as_deref()))
        .await
}

fn to(route: Option<String>, output: Option<String>) -> ReplayTo {
    ReplayTo { route, output }
}

/// What a body says, for the audit log.
fn shown(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap_or(Value::Null)
}
