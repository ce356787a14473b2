//! The HTTP client: one for each output, with its own pool of connections. Tools have one like it.

use std::time::Duration;

use super::{OpenError, address, tls};
use crate::config::plan::{ClientTls, HttpOutputPlan};

/// How long a connection that is not used is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections that are kept for each host, at most.
const IDLE_CONNECTIONS_MAX: usize = 16;

/// The client of an output.
///
/// # Errors
/// [`OpenError`] if the TLS files cannot be used.
pub(super) fn build(plan: &HttpOutputPlan) -> Result<reqwest::Client, OpenError> {
    let tls = address::is_tls(&plan.url).then_some(&plan.tls);
    client(tls, plan.connect_timeout, Some(plan.request_timeout))
}

/// A client that follows no redirection, keeps no cookie, asks no proxy and repeats nothing by
/// itself. Without `tls` it trusts nobody; without a `request_timeout` an answer may take for ever.
///
/// # Errors
/// [`OpenError`] if the TLS files cannot be used.
pub(crate) fn client(
    tls: Option<&ClientTls>,
    connect_timeout: Duration,
    request_timeout: Option<Duration>,
) -> Result<reqwest::Client, OpenError> {
    let tls = match tls {
        Some(plan) => tls::client_config(plan)?,
        None => tls::unused()?,
    };
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
    let builder = match request_timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder,
    };
    builder.build().map_err(OpenError::Client)
}
