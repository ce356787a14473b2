//! Events that mean nothing, at a rate, for trying things out.
//!
//! ```yaml
//! load:
//!   type: dummy
//!   tag: dummy
//!   rate: 100                     # events a second; 1 by default
//!   record: '{"level": "info"}'   # what each has, as JSON; {"message": "dummy"} by default
//!   counter: number               # a field that counts them from 0; without it there is none
//!   count: 1000                   # how many there are; without it they never end
//! ```
//!
//! What could not be handed on for a while is made up for: the rate is that of the whole.

use std::sync::Arc;
use std::time::Duration;

use super::pull::{Input, Pack, Read, ReadError};
use crate::clock::Clock;
use crate::config::plan::DummyInputPlan;
use crate::event::{Event, Timestamp};

/// Makes events at a rate.
pub struct DummyInput {
    plan: DummyInputPlan,
    tag: Arc<str>,
    clock: Clock,
    /// By the monotonic clock.
    began: Duration,
    made_count: u64,
}

impl DummyInput {
    /// Makes events from now on.
    #[must_use]
    pub fn new(plan: DummyInputPlan, clock: Clock) -> Self {
        Self {
            tag: plan.tag.as_str().into(),
            plan,
            clock,
            began: clock.now().monotonic,
            made_count: 0,
        }
    }

    /// When the next event is due.
    fn due(&self) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            reason = "some nanoseconds matter to nobody"
        )]
        let seconds = self.made_count as f64 / self.plan.rate;
        self.began + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 2)
    }

    fn event(&self) -> Result<Event, ReadError> {
        let mut record = self.plan.record.clone();
        if let Some(counter) = &self.plan.counter {
            record.insert(counter.as_str(), self.made_count);
        }
        let time = Timestamp::from_ns(self.clock.now().unix_ns);
        Ok(Event::new(Arc::clone(&self.tag), time, record)?)
    }
}

impl Input for DummyInput {
    fn read(&mut self, pack: &mut Pack, timeout: Duration) -> Result<Read, ReadError> {
        if self
            .plan
            .count
            .is_some_and(|count| self.made_count >= count)
        {
            return Ok(Read::End);
        }
        let wait = self.due().saturating_sub(self.clock.now().monotonic);
        if wait > timeout {
            std::thread::park_timeout(timeout);
            return Ok(Read::Nothing);
        }
        if !wait.is_zero() {
            std::thread::park_timeout(wait);
        }
        pack.set_event(self.event()?);
        self.made_count += 1;
        pack.set_position(self.made_count);
        Ok(Read::Filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Record;

    #[test]
    fn so_many_events_come_and_each_has_its_number() {
        let plan = DummyInputPlan {
            tag: "d".to_owned(),
            rate: 1e6,
            record: [("a", 1)].into_iter().collect::<Record>(),
            counter: Some("n".to_owned()),
            count: Some(3),
        };
        let mut input = DummyInput::new(plan, Clock::start());
        let mut records = Vec::new();
        loop {
            let mut pack = Pack::default();
            match input.read(&mut pack, Duration::from_secs(1)).unwrap() {
                Read::Filled => records.push(pack.event().unwrap().record().clone()),
                Read::Nothing => {}
                Read::End => break,
            }
        }
        let expected = [0, 1, 2].map(|n| [("a", 1), ("n", n)].into_iter().collect::<Record>());
        assert_eq!(records, expected);
    }

    #[test]
    fn h06_a_slow_rate_does_not_keep_a_read_beyond_its_time_out() {
        let plan = DummyInputPlan {
            tag: "d".to_owned(),
            rate: 1e-6,
            record: Record::new(),
            counter: None,
            count: None,
        };
        let mut input = DummyInput::new(plan, Clock::start());
        let mut read = || {
            input
                .read(&mut Pack::default(), Duration::from_millis(1))
                .unwrap()
        };
        assert_eq!((read(), read()), (Read::Filled, Read::Nothing));
    }
}
