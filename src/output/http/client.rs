//! The HTTP client: one for each output, with its own pool of connections.

use std::time::Duration;

use super::{OpenError, address, tls};
use crate::config::plan::HttpOutputPlan;

/// How long a connection that is not used is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections that are kept for each host, at most.
const IDLE_CONNECTIONS_MAX: usize = 16;

/// A client that follows no redirection, keeps no cookie, asks no proxy and repeats nothing by
/// itself.
///
/// # Errors
/// [`OpenError`] if the TLS files cannot be used.
pub(super) fn build(plan: &HttpOutputPlan) -> Result<reqwest::Client, OpenError> {
    let tls = if address::is_tls(&plan.url) {
        tls::client_config(&plan.tls)?
    } else {
        tls::unused()?
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(plan.connect_timeout)
        .timeout(plan.request_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build()
        .map_err(OpenError::Client)
}
