//! The HTTP input without its socket, for the fuzz targets. Only with the feature `fuzzing`.

use axum::Router;

use super::handler;
use crate::config::plan::HttpInputPlan;
use crate::input::InputContext;

/// What answers the input's requests.
pub fn router(context: InputContext, plan: &HttpInputPlan) -> Router {
    handler::router(context, plan)
}
