//! Listening in: what happens, and what passes.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::hub::Listener;
use super::inspect::Inspector;
use super::status::EventReport;
use crate::buffer::{Passed, TapError, TapFilter, Tapped};

/// Lets people listen in. Nothing here blocks, and nobody who listens slows anything.
pub trait Watch: Send + Sync + 'static {
    /// Hears what happens from now on: chunks, deliveries, breakers, full routes, actions.
    fn listen(&self) -> Listener;

    /// Sees a sample of the events that pass from now on.
    ///
    /// # Errors
    /// [`TapError`].
    fn tap(&self, filter: TapFilter) -> Result<Tap, TapError>;
}

/// A sample of passing events, as long as it lives.
#[derive(Debug)]
pub struct Tap(Tapped);

/// What a tap shows.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PassedReport {
    /// The input by which it came, if that is tapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The route that has stored it, if no input is tapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Bytes of its record as MessagePack.
    pub bytes: u64,
    /// The event; `None` if it is too large to be shown.
    #[serde(flatten)]
    pub event: Option<EventReport>,
    /// Events that were to be shown before it, and for which the reader was too slow.
    #[serde(skip_serializing_if = "is_zero")]
    pub missed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<Tapped> for Tap {
    fn from(tapped: Tapped) -> Self {
        Self(tapped)
    }
}

impl Tap {
    /// The next event; waits for it.
    pub async fn next(&mut self) -> PassedReport {
        let passed = self.0.next().await;
        PassedReport::new(passed, self.0.missed())
    }
}

impl PassedReport {
    fn new(passed: Passed, missed: u64) -> Self {
        let record = passed.record.as_deref();
        Self {
            event: record.and_then(|record| EventReport::new(&passed.tag, passed.time, record)),
            bytes: u64::try_from(passed.record_len).unwrap_or(u64::MAX),
            input: passed.input,
            route: passed.route,
            missed,
        }
    }
}

impl Watch for Inspector {
    fn listen(&self) -> Listener {
        self.hub.listen()
    }

    fn tap(&self, filter: TapFilter) -> Result<Tap, TapError> {
        Arc::clone(&self.intake_stats.taps)
            .tap(filter)
            .map(Tap::from)
    }
}
