//! A writer that sends one thing at a time.

use std::collections::VecDeque;

use super::{BatchWriter, Prepared};
use crate::output::{BoxFuture, LifecycleEvent, Outcome};

/// Sends prepared data, one after another, from one task.
pub trait Writer: Send + 'static {
    /// Sends it. If this says anything but [`Outcome::Delivered`] or [`Outcome::Reject`], it is
    /// called again with the same data.
    fn write<'a>(&'a mut self, data: &'a Prepared) -> BoxFuture<'a, Outcome>;

    /// Told of its life, between two other calls.
    fn on(&mut self, event: LifecycleEvent) {
        let _ = event;
    }
}

/// A batch writer whose commit writes one after another.
pub fn one_by_one<W: Writer>(writer: W) -> OneByOne<W> {
    OneByOne {
        writer,
        batch: VecDeque::new(),
    }
}

/// See [`one_by_one`]. After a failure it goes on where it was.
pub struct OneByOne<W> {
    writer: W,
    batch: VecDeque<Prepared>,
}

impl<W: Writer> BatchWriter for OneByOne<W> {
    fn batch(&mut self, data: Prepared) {
        self.batch.push_back(data);
    }

    fn commit(&mut self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            while let Some(first) = self.batch.front() {
                match self.writer.write(first).await {
                    Outcome::Delivered => drop(self.batch.pop_front()),
                    reject @ Outcome::Reject { .. } => {
                        self.batch.clear();
                        return reject;
                    }
                    other => return other,
                }
            }
            Outcome::Delivered
        })
    }

    fn on(&mut self, event: LifecycleEvent) {
        self.writer.on(event);
    }
}
