//! Sums numbers up, and tells the sums at the end of each interval.
//!
//! ```yaml
//! latency:
//!   type: rollup
//!   match: "web.access"
//!   fields: [ms, "$.http.bytes"]   # numbers, or texts that are numbers
//!   keys: [host]                   # summed up by the values of these fields; without, by tag
//!   interval: 1m
//!   tag: rollup
//!   drop: false
//!   keys_max: 10000
//! ```
//!
//! What is told is `{host: "a", from, to, count: 3, ms: {count: 3, sum: 12, min: 1, max: 9, avg: 4}}`:
//! `count` counts events, and that of a field those in which it was a number. A field without any is
//! left out. Sums live in memory, as those of [`counter`](super::counter) do.

use std::time::Duration;

use super::window::Window;
use super::{Context, Failure, Filter, Injector, Verdict};
use crate::clock::Now;
use crate::config::plan::RollupPlan;
use crate::event::{Event, FieldPath, Record, Value};

pub(super) struct Rollup {
    window: Window<Sums>,
    fields: Vec<FieldPath>,
}

/// What is gathered for one key.
#[derive(Debug, Default)]
struct Sums {
    event_count: u64,
    /// By field, in their order; shorter if the last ones had no number yet.
    fields: Vec<Option<Sum>>,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Rollup {
    pub(super) fn new(plan: RollupPlan) -> Self {
        Self {
            window: Window::new(plan.window),
            fields: plan.fields,
        }
    }

    fn tell(&self, sums: &Sums, record: &mut Record) {
        record.insert("count", sums.event_count);
        for (field, sum) in self.fields.iter().zip(&sums.fields) {
            if let Some(sum) = sum {
                record.insert(field.as_str(), sum.record());
            }
        }
    }
}

impl Filter for Rollup {
    fn apply(&self, event: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        let number = |field| event.find(field).as_ref().and_then(number);
        let numbers: Vec<_> = self.fields.iter().map(number).collect();
        let injector = &mut *context.injector;
        let tell = |sums: &Sums, record: &mut Record| self.tell(sums, record);
        self.window
            .gather(event, context.now, injector, tell, |sums| {
                sums.add(&numbers)
            })?;
        match self.window.drops() {
            true => Ok(Verdict::Block),
            false => Ok(Verdict::Keep),
        }
    }

    fn next_tick(&self) -> Option<Duration> {
        self.window.end()
    }

    fn tick(&self, now: Now, injector: &mut Injector) -> Result<(), Failure> {
        let tell = |sums: &Sums, record: &mut Record| self.tell(sums, record);
        self.window.tell(now, false, injector, tell)
    }

    fn close(&self, now: Now, injector: &mut Injector) -> Result<(), Failure> {
        let tell = |sums: &Sums, record: &mut Record| self.tell(sums, record);
        self.window.tell(now, true, injector, tell)
    }
}

impl Sums {
    fn add(&mut self, numbers: &[Option<f64>]) {
        self.event_count += 1;
        self.fields.resize(numbers.len(), None);
        for (sum, number) in self.fields.iter_mut().zip(numbers) {
            if let Some(number) = *number {
                let before = sum.unwrap_or(Sum::NONE);
                *sum = Some(before.with(number));
            }
        }
    }
}

impl Sum {
    const NONE: Self = Self {
        count: 0,
        sum: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn with(self, number: f64) -> Self {
        Self {
            count: self.count + 1,
            sum: self.sum + number,
            min: self.min.min(number),
            max: self.max.max(number),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "an average needs no exact count"
    )]
    fn record(self) -> Record {
        let Self {
            count,
            sum,
            min,
            max,
        } = self;
        let mut record: Record = [("count", count)].into_iter().collect();
        for (name, value) in [("sum", sum), ("min", min), ("max", max)] {
            record.insert(name, value);
        }
        record.insert("avg", sum / count as f64);
        record
    }
}

/// A finite number, or a text that is one.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Str(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}
