//! Decodes a field and puts what is in it into the record.
//!
//! ```yaml
//! access_log:
//!   type: parser
//!   match: "nginx.access"
//!   key: message                 # or `key_name`
//!   decoder: regex               # json, logfmt, msgpack, text; or `format`
//!   pattern: '^(?P<client>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d+)'
//!   time_key: time               # the event gets this time; without it, it keeps its own
//!   time_format: "%d/%b/%Y:%H:%M:%S %z"   # or unix, unix_ms, rfc3339 (the default)
//!   time_zone: UTC               # of times that name none; the system's by default
//!   keep_time_key: false
//!   reserve_data: true           # the other fields stay; what was decoded wins
//!   remove_key: false            # the field that was decoded goes
//!   on_error: keep               # or tag, dead_letter
//! ```
//!
//! It fails on an event that has no such field, whose field is no text, or cannot be decoded.

use std::sync::Arc;

use super::{Context, Failure, Filter, Verdict};
use crate::config::plan::ParserPlan;
use crate::decoder::{Decoded, Decoder};
use crate::event::{Event, FieldPath, Value};

pub(super) struct Parser {
    key: FieldPath,
    decoder: Arc<dyn Decoder>,
    reserve_data: bool,
    remove_key: bool,
}

impl Parser {
    pub(super) fn new(plan: ParserPlan) -> Self {
        Self {
            key: plan.key,
            decoder: plan.decoder.open(plan.time_key),
            reserve_data: plan.reserve_data,
            remove_key: plan.remove_key,
        }
    }
}

impl Filter for Parser {
    fn apply(&self, event: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
        let value = event.find(&self.key);
        let bytes = match &value {
            Some(Value::Str(text)) => text.as_bytes(),
            Some(Value::RawStr(bytes) | Value::Bin(bytes)) => bytes,
            Some(_) => return Err(Failure::new("the field is no text")),
            None => return Err(Failure::new("there is no such field")),
        };
        let decoded = self.decoder.decode(bytes);
        let Decoded { time, record } = decoded.map_err(|error| Failure::new(error.to_string()))?;
        if let Some(time) = time {
            event.set_time(time);
        }
        let ours = event.record_mut();
        if self.remove_key {
            ours.take(&self.key);
        }
        if !self.reserve_data {
            *ours = record;
            return Ok(Verdict::Keep);
        }
        for (name, value) in record {
            ours.put(name, value);
        }
        Ok(Verdict::Keep)
    }
}
