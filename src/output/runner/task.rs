//! The one task that a writer is called from.

use std::collections::VecDeque;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{BatchWriter, Prepared, Triggers};
use crate::output::{Delivery, Failure, FailureScope, LifecycleEvent, Outcome};

/// A delivery and the data that was made of its chunk.
pub(super) struct Covered {
    pub(super) delivery: Delivery,
    pub(super) data: Vec<Prepared>,
}

/// What the task is told.
pub(super) enum Message {
    /// Prepared data.
    Add(Covered),
    /// The output's life.
    Told(LifecycleEvent),
    /// The last one: send what there is, then say that this is done.
    Close(oneshot::Sender<()>),
}

/// The writer with its batch.
pub(super) struct Task<W> {
    writer: W,
    triggers: Triggers,
    /// Those that the next commit covers.
    covered: Vec<Delivery>,
    size: usize,
    /// When the batch is sent at the latest; `None` if there is nothing in it.
    due: Option<Instant>,
    /// Whether the last commit failed: nothing is added before it has succeeded.
    is_stuck: bool,
    /// What came meanwhile.
    waiting: VecDeque<Covered>,
}

impl<W: BatchWriter> Task<W> {
    pub(super) fn new(writer: W, triggers: Triggers) -> Self {
        Self {
            writer,
            triggers,
            covered: Vec::new(),
            size: 0,
            due: None,
            is_stuck: false,
            waiting: VecDeque::new(),
        }
    }

    /// Works until it is told to close, or nobody is left to tell it anything.
    pub(super) async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Add(covered)) => self.take(covered),
                    Some(Message::Told(event)) => self.tell(event).await,
                    Some(Message::Close(done)) => {
                        self.end(&mut messages).await;
                        let _ = done.send(());
                        return;
                    }
                    None => return self.commit().await,
                },
                () = until(self.due) => self.commit().await,
            }
            if self.is_full() && !self.is_stuck {
                self.commit().await;
            }
        }
    }

    /// Nothing more comes after `Drain`, so there is nothing to wait for.
    async fn tell(&mut self, event: LifecycleEvent) {
        self.writer.on(event);
        if matches!(event, LifecycleEvent::Drain { .. }) {
            self.commit().await;
        }
    }

    /// Whether the batch is sent before its time: it is large, or nothing more can come.
    fn is_full(&self) -> bool {
        self.size >= self.triggers.size_max || self.covered.len() >= self.triggers.deliveries_max
    }

    fn take(&mut self, covered: Covered) {
        if let Some(known) = self.known(&covered.delivery) {
            // The engine has taken the chunk back and given it again; its data is here still.
            *known = covered.delivery;
        } else if self.is_stuck {
            self.waiting.push_back(covered);
        } else {
            self.add(covered);
        }
    }

    /// The place of an earlier delivery of the same.
    fn known(&mut self, delivery: &Delivery) -> Option<&mut Delivery> {
        let id = delivery.chunk().send_id();
        let waiting = self.waiting.iter_mut().map(|covered| &mut covered.delivery);
        let mut all = self.covered.iter_mut().chain(waiting);
        all.find(|known| known.chunk().send_id() == id)
    }

    fn add(&mut self, covered: Covered) {
        for data in covered.data {
            self.size += data.len();
            self.writer.batch(data);
        }
        self.covered.push(covered.delivery);
        if self.due.is_none() {
            self.due = Some(Instant::now() + self.triggers.interval);
        }
    }

    /// Sends the batch, and resolves what it covers.
    async fn commit(&mut self) {
        if self.covered.is_empty() {
            return;
        }
        let outcome = self.writer.commit().await;
        if matches!(outcome, Outcome::Delivered | Outcome::Reject { .. }) {
            return self.sent(&outcome);
        }
        // A part of a batch is no part of a chunk that anybody could name.
        let partial = "only a part of the batch was taken";
        let failure = match outcome {
            Outcome::Retry(failure) => failure,
            _ => Failure::new(FailureScope::Destination, partial),
        };
        self.stay(&failure);
    }

    /// The batch stays as it is, and is tried again.
    fn stay(&mut self, failure: &Failure) {
        self.is_stuck = true;
        let wait = failure.not_before.unwrap_or(self.triggers.retry_wait);
        self.due = Some(Instant::now() + wait);
        tracing::debug!(
            reason = failure.reason,
            ?wait,
            "a batch stays for another try"
        );
    }

    fn sent(&mut self, outcome: &Outcome) {
        for delivery in self.covered.drain(..) {
            delivery.resolve(outcome.clone());
        }
        self.size = 0;
        self.due = None;
        self.is_stuck = false;
        for covered in std::mem::take(&mut self.waiting) {
            self.add(covered);
        }
    }

    /// A last commit of all that has come; what it does not take is rolled back by its drop.
    async fn end(&mut self, messages: &mut mpsc::UnboundedReceiver<Message>) {
        messages.close();
        while let Some(message) = messages.recv().await {
            match message {
                Message::Add(covered) => self.take(covered),
                Message::Told(event) => self.writer.on(event),
                Message::Close(_) => {}
            }
        }
        self.commit().await;
        if !self.is_stuck {
            self.commit().await;
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
