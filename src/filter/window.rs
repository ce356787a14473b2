//! Intervals at whose end something is told, by key.
//!
//! Intervals follow one another from the first event on: one begins with the first event after the
//! one before has been told, and ends `interval` later, by time if no event comes and else at the
//! latest by the next event. While nothing comes nothing is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Failure, Injector};
use crate::clock::Now;
use crate::config::plan::WindowPlan;
use crate::event::{Event, Record, Timestamp, Value};

/// What is told of all keys beyond the most that are told apart.
const OTHERS: &str = "others";

/// An interval, and what has been gathered in it: a `T` for each key.
#[derive(Debug)]
pub(super) struct Window<T> {
    plan: WindowPlan,
    open: Mutex<Option<Open<T>>>,
}

#[derive(Debug)]
struct Open<T> {
    began: Now,
    /// By the packed values of the key, its fields and what was gathered.
    gathered: BTreeMap<Vec<u8>, (Record, T)>,
}

impl<T: Default> Window<T> {
    pub(super) fn new(plan: WindowPlan) -> Self {
        Self {
            plan,
            open: Mutex::new(None),
        }
    }

    /// Whether events that were gathered go no further.
    pub(super) fn drops(&self) -> bool {
        self.plan.drop
    }

    /// Adds an event to what is gathered for its key; before that the interval is told if it is over.
    pub(super) fn gather(
        &self,
        event: &Event,
        now: Now,
        injector: &mut Injector,
        tell: impl Fn(&T, &mut Record),
        add: impl FnOnce(&mut T),
    ) -> Result<(), Failure> {
        let key = self.key(event);
        let mut open = self.open();
        self.tell_if_over(&mut open, now, injector, &tell)?;
        let window = open.get_or_insert_with(|| Open {
            began: now,
            gathered: BTreeMap::new(),
        });
        add(window.entry(key, self.plan.keys_max));
        Ok(())
    }

    /// When the interval is over.
    pub(super) fn end(&self) -> Option<Duration> {
        let open = self.open();
        open.as_ref().map(|open| open.end(self.plan.interval))
    }

    /// Tells what was gathered if the interval is over, or `at_once`.
    pub(super) fn tell(
        &self,
        now: Now,
        at_once: bool,
        injector: &mut Injector,
        tell: impl Fn(&T, &mut Record),
    ) -> Result<(), Failure> {
        let mut open = self.open();
        match at_once {
            true => self.tell_all(&mut open, now, injector, &tell),
            false => self.tell_if_over(&mut open, now, injector, &tell),
        }
    }

    fn tell_if_over(
        &self,
        open: &mut Option<Open<T>>,
        now: Now,
        injector: &mut Injector,
        tell: &impl Fn(&T, &mut Record),
    ) -> Result<(), Failure> {
        let is_over = |open: &Open<T>| open.end(self.plan.interval) <= now.monotonic;
        match open.as_ref().is_some_and(is_over) {
            true => self.tell_all(open, now, injector, tell),
            false => Ok(()),
        }
    }

    /// What there is no room to tell now stays gathered, and is told by the next call.
    fn tell_all(
        &self,
        open: &mut Option<Open<T>>,
        now: Now,
        injector: &mut Injector,
        tell: &impl Fn(&T, &mut Record),
    ) -> Result<(), Failure> {
        let Some(window) = open else { return Ok(()) };
        let time = Timestamp::from_ns(now.unix_ns);
        let from = Timestamp::from_ns(window.began.unix_ns).to_string();
        while let Some(first) = window.gathered.first_entry() {
            let (key, gathered) = first.get();
            let mut record = key.clone();
            record.insert("from", from.as_str());
            record.insert("to", time.to_string());
            tell(gathered, &mut record);
            let told = Event::new(self.plan.tag.as_str(), time, record)?;
            if injector.inject(told).is_err() {
                return Ok(());
            }
            first.remove();
        }
        *open = None;
        Ok(())
    }

    /// What an event is told apart by.
    fn key(&self, event: &Event) -> Record {
        if self.plan.keys.is_empty() {
            return [("tag", event.tag())].into_iter().collect();
        }
        let field = |path: &crate::event::FieldPath| {
            let value = event.find(path).unwrap_or(Value::Nil);
            (path.as_str().to_owned(), value)
        };
        self.plan.keys.iter().map(field).collect()
    }

    fn open(&self) -> MutexGuard<'_, Option<Open<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Open<T> {
    fn end(&self, interval: Duration) -> Duration {
        self.began.monotonic.saturating_add(interval)
    }

    fn entry(&mut self, key: Record, keys_max: usize) -> &mut T {
        let mut packed = Vec::new();
        key.pack(&mut packed);
        let is_one_of_many =
            self.gathered.len() >= keys_max && !self.gathered.contains_key(&packed);
        let key = match is_one_of_many {
            false => key,
            true => {
                packed.clear();
                [(OTHERS, true)].into_iter().collect()
            }
        };
        let (_, gathered) = self
            .gathered
            .entry(packed)
            .or_insert_with(|| (key, T::default()));
        gathered
    }
}
