//! Who asks, so that a program can tell what it may do before it tries.

use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::access::Caller;
use crate::admin::api::{Api, Operation};
use crate::config::plan::AdminRole;

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::read(
            "/api/v1/caller",
            "caller",
            "Who you are, and what you may do.",
        ),
        caller,
    );
}

/// Who asks.
#[derive(Serialize, JsonSchema)]
struct CallerReport {
    /// The token's name, `certificate` with the first digits of its SHA-256, or `local`.
    who: String,
    /// What they may do.
    role: Role,
}

/// What somebody may do.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Role {
    /// Look.
    Read,
    /// Look and act.
    Admin,
}

async fn caller(caller: Caller) -> Json<CallerReport> {
    let role = match caller.role {
        AdminRole::Read => Role::Read,
        AdminRole::Admin => Role::Admin,
    };
    Json(CallerReport {
        who: caller.who.to_string(),
        role,
    })
}
