//! The latest of the audit log.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::api::{Api, Asked, Operation};
use crate::admin::audit::AuditEntry;
use crate::admin::look::Admin;
use crate::admin::query;
use crate::wire::http::Problem;

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::read(
            "/api/v1/audit",
            "audit",
            "The latest actions and refused attempts, the last first; older ones are in `audit.log`.",
        ),
        audit,
    );
}

/// How many entries.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Entries on the page; 100 unless it is said.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

/// The latest of the audit log.
#[derive(Serialize, JsonSchema)]
struct AuditPage {
    /// Entries, the last first.
    entries: Vec<AuditEntry>,
}

async fn audit(
    State(admin): State<Admin>,
    Asked(parameters): Asked<Parameters>,
) -> Result<Json<AuditPage>, Problem> {
    let limit = query::limit(parameters.limit)?;
    let entries = admin.audit.latest(limit);
    Ok(Json(AuditPage { entries }))
}
