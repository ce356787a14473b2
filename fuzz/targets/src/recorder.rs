//! What stands in for the intake: takes every batch and writes it down.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use forebay::buffer::{Accept, Incoming, Intake, Pending, Refused};
use forebay::clock::Clock;
use forebay::input::InputContext;
use tokio_util::sync::CancellationToken;

/// A batch as it was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) tag: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) batch_id: Vec<u8>,
}

/// An intake whose batches are durable at once.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<Batch>>);

impl Recorder {
    /// A context for an input that hands its batches to `self`.
    pub(crate) fn context(self: &Arc<Self>) -> InputContext {
        InputContext {
            name: "fuzzed".into(),
            intake: Intake::new(self.clone()),
            stats: Arc::default(),
            stop: CancellationToken::new(),
            clock: Clock::start(),
        }
    }

    /// What came since the last call.
    pub(crate) fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Accept for Recorder {
    fn accept<'a>(
        &'a self,
        batch: Incoming<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>> {
        let batch = Batch {
            tag: batch.tag.to_owned(),
            payload: batch.payload.to_vec(),
            batch_id: batch.batch_id.to_vec(),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch);
        Box::pin(async { Ok(Pending::new(1, 0, Box::pin(async { Ok(()) }))) })
    }
}
