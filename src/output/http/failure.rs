//! What it means when no answer came.

use std::error::Error;
use std::io;

use crate::output::{Failure, FailureScope};
use crate::telemetry;

/// The failure behind an error of the client.
///
/// A connection that could not be made speaks of an unreachable destination, except where making
/// it took too long or where TLS refused the other side: neither is cheap to try again.
pub(super) fn of(error: reqwest::Error) -> Failure {
    let scope = if error.is_connect() && !error.is_timeout() && !is_tls(&error) {
        FailureScope::Unreachable
    } else {
        FailureScope::Destination
    };
    // The address may hold a password.
    Failure::new(scope, telemetry::reason(&error.without_url()))
}

/// Whether TLS is among the causes.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        cause = wrapped(error).or_else(|| error.source());
    }
    false
}

/// What an `io::Error` is wrapped around. Asked for its source, it passes over that.
fn wrapped<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(inner)
}
