//! The daemon's own log as events.
//!
//! ```yaml
//! own_log:
//!   type: internal
//!   level: warn        # from this level on: error, warn (the default), info
//!   tag: forebay       # the tags are `forebay.error`, `forebay.warn` and so on
//! ```
//!
//! A record is `{level, target, message}` and the fields of the log line. Only lines that the log's own
//! filter lets through come here.
//!
//! It never feeds on itself: what is logged while these events are taken in becomes no event, nor does what
//! is logged about the routes that their tags lead to and about the outputs of these. With a route of
//! their own, they tell of all others. Lines that wait are bounded, and so are lines a second; those
//! beyond are counted, and one event says how many.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use super::pull::{Input, Pack, Read, ReadError};
use crate::config::plan::{InternalInputPlan, LogLevel};
use crate::event::{Event, Record, Timestamp, Value};
use crate::telemetry::tap::{self, Line, Own, Tap, TapValue};

/// Reads what is logged.
pub struct InternalInput {
    tap: Tap,
    tag: String,
    /// Lines left out that have been told of.
    told_count: u64,
    position: u64,
}

/// Somebody in this process reads the log already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log of this process is read already")]
pub struct ReadAlready;

impl InternalInput {
    /// Opens the log's second end.
    ///
    /// # Errors
    /// [`ReadAlready`].
    pub fn open(plan: InternalInputPlan) -> Result<Self, ReadAlready> {
        let level = match plan.level {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
        };
        let own = Own {
            routes: plan.own_routes,
            outputs: plan.own_outputs,
        };
        let tap = tap::open(level, own).ok_or(ReadAlready)?;
        Ok(Self {
            told_count: tap.left_out_count(),
            tap,
            tag: plan.tag,
            position: 0,
        })
    }

    fn event(&self, line: Line) -> Result<Event, ReadError> {
        let mut record = Record::new();
        record.insert("level", line.level);
        record.insert("target", line.target);
        record.insert("message", line.message);
        for (name, value) in line.fields {
            record.insert(name, value_of(value));
        }
        let tag: Arc<str> = format!("{}.{}", self.tag, line.level).into();
        Ok(Event::new(tag, Timestamp::from_ns(line.unix_ns), record)?)
    }
}

impl Input for InternalInput {
    fn read(&mut self, pack: &mut Pack, timeout: Duration) -> Result<Read, ReadError> {
        let left_out = self.tap.left_out_count() - self.told_count;
        let line = match left_out {
            0 => self.tap.next(timeout),
            _ => Some(Line::left_out(left_out)),
        };
        self.told_count += left_out;
        let Some(line) = line else {
            return Ok(Read::Nothing);
        };
        pack.set_event(self.event(line)?);
        self.position += 1;
        pack.set_position(self.position);
        Ok(Read::Filled)
    }

    fn close(&mut self) {
        self.tap.close();
    }
}

fn value_of(value: TapValue) -> Value {
    match value {
        TapValue::Bool(value) => value.into(),
        TapValue::Int(value) => value.into(),
        TapValue::UInt(value) => value.into(),
        TapValue::Float(value) => value.into(),
        TapValue::Text(value) => value.into(),
    }
}
