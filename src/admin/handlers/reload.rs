//! Reading the configuration again.

use std::error::Error as _;

use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt as _;

use crate::admin::access::Caller;
use crate::admin::act::{Deed, Done};
use crate::admin::api::{Api, Operation};
use crate::admin::look::Admin;
use crate::config;
use crate::engine::reload::{Changes, Error};
use crate::wire::http::Problem;

const PATH: &str = "/api/v1/reload";

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::act(
            PATH,
            "reload",
            "Reads the configuration again and changes what runs to what it says; if anything is wrong \
             with it, nothing is changed.",
        ),
        reload,
    );
}

async fn reload(State(admin): State<Admin>, caller: Caller) -> Result<Done<Changes>, Problem> {
    let reloading = (admin.reload)();
    let deed = Deed::new(caller, "reload", PATH);
    let acting = async move { reloading.await.map_err(|error| problem(&error)) };
    admin.perform(deed, acting.boxed()).await
}

/// What is wrong with the file is what somebody has asked for to be wrong; it is told by its place and
/// without the line, which may hold a secret.
fn problem(error: &Error) -> Problem {
    let status = match error {
        Error::NoSource | Error::Config(_) | Error::Restart { .. } | Error::Open(_) => {
            StatusCode::CONFLICT
        }
        Error::TimedOut | Error::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    let reasons = match error {
        Error::Config(config::Error::Invalid(problems)) => problems
            .iter()
            .map(|problem| {
                let (at, hint) = (problem.position, problem.hint.as_deref());
                let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
                let (line, column) = (at.line, at.column);
                format!("line {line}, column {column}: {}{hint}", problem.message)
            })
            .collect(),
        _ => causes(error),
    };
    Problem::new(status, error.to_string()).because(reasons)
}

fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}
