//! Counts events, and tells how many came at the end of each interval.
//!
//! ```yaml
//! per_level:
//!   type: counter
//!   match: "app.**"
//!   keys: [level]        # counted by the values of these fields; without, by tag
//!   interval: 1m
//!   tag: counter         # of the event that tells: {level: "error", from, to, count: 17}
//!   drop: false          # whether the counted events go no further
//!   keys_max: 10000      # more keys in an interval are counted together: {others: true, ...}
//! ```
//!
//! Counts live in memory: a killed process has forgotten those of the open interval; an orderly stop
//! tells them. An event that a sender repeats counts twice.

use std::time::Duration;

use super::window::Window;
use super::{Context, Failure, Filter, Injector, Verdict};
use crate::clock::Now;
use crate::config::plan::WindowPlan;
use crate::event::{Event, Record};

pub(super) struct Counter {
    window: Window<u64>,
}

impl Counter {
    pub(super) fn new(plan: WindowPlan) -> Self {
        Self {
            window: Window::new(plan),
        }
    }
}

impl Filter for Counter {
    fn apply(&self, event: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        let injector = &mut *context.injector;
        let count = |count: &mut u64| *count += 1;
        self.window
            .gather(event, context.now, injector, tell, count)?;
        match self.window.drops() {
            true => Ok(Verdict::Block),
            false => Ok(Verdict::Keep),
        }
    }

    fn next_tick(&self) -> Option<Duration> {
        self.window.end()
    }

    fn tick(&self, now: Now, injector: &mut Injector) -> Result<(), Failure> {
        self.window.tell(now, false, injector, tell)
    }

    fn close(&self, now: Now, injector: &mut Injector) -> Result<(), Failure> {
        self.window.tell(now, true, injector, tell)
    }
}

fn tell(count: &u64, record: &mut Record) {
    record.insert("count", *count);
}
