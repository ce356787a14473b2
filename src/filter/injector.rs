//! Taking the events that filters make.

use std::collections::VecDeque;

use crate::event::Event;

/// How many injections may lie between an event and one that came from outside.
pub const GENERATION_MAX: u32 = 8;

/// How many events may be injected on account of one batch or one tick.
pub const INJECTED_MAX: usize = 10_000;

/// Takes new events. They go through all filters from the first, except the one that made them.
///
/// It never waits: what it takes lies in its memory until the call has returned.
#[derive(Debug, Default)]
pub struct Injector {
    queue: VecDeque<Injected>,
    taken_count: usize,
    origin: usize,
    generation: u32,
    refused_count: u64,
}

/// An event that a filter has made.
#[derive(Debug)]
pub(super) struct Injected {
    pub(super) event: Event,
    /// The filter's place.
    pub(super) origin: usize,
    /// How many injections lie between it and an event from outside.
    pub(super) generation: u32,
}

/// Why an event was not injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// It comes of an event that comes of an event, and so on.
    #[error("injected events led to injected events {GENERATION_MAX} times over")]
    TooDeep,
    /// Too many were injected already.
    #[error("more than {INJECTED_MAX} events were injected at a time")]
    TooMany,
}

impl Injector {
    /// Injects an event.
    ///
    /// # Errors
    /// [`InjectError`], which is counted also if nobody looks at it.
    pub fn inject(&mut self, event: Event) -> Result<(), InjectError> {
        let refused = if self.generation >= GENERATION_MAX {
            Some(InjectError::TooDeep)
        } else if self.taken_count >= INJECTED_MAX {
            Some(InjectError::TooMany)
        } else {
            None
        };
        if let Some(refused) = refused {
            self.refused_count += 1;
            return Err(refused);
        }
        self.taken_count += 1;
        self.queue.push_back(Injected {
            event,
            origin: self.origin,
            generation: self.generation + 1,
        });
        Ok(())
    }

    /// From now on the filter at the place `origin` injects, on account of an event that is
    /// `generation` injections away from one that came from outside.
    pub(super) fn serve(&mut self, origin: usize, generation: u32) {
        self.origin = origin;
        self.generation = generation;
    }

    /// How many events wait; see [`take_back`](Self::take_back).
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Forgets all but the first `len` that wait.
    pub(super) fn take_back(&mut self, len: usize) {
        self.taken_count -= self.queue.len().saturating_sub(len);
        self.queue.truncate(len);
    }

    pub(super) fn next(&mut self) -> Option<Injected> {
        self.queue.pop_front()
    }

    /// How many were refused since somebody asked last.
    pub(super) fn take_refused_count(&mut self) -> u64 {
        std::mem::take(&mut self.refused_count)
    }
}
