//! The output to standard output: for looking, and for whatever reads a pipe.
//!
//! Chunks are written one after another, never mixed. Standard output is nothing that can be
//! synced or cut back: written counts as delivered, and an attempt that fails in the middle leaves
//! what it has written.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::encode::{ChunkEncoder, EncodeError, Format};
use super::{
    BoxFuture, Buffered, Chunk, Direct, Events, Failure, FailureScope, Lifecycle, Outcome,
};
use crate::config::plan::{Compression, StdoutOutputPlan};
use crate::event::FieldPathError;

/// Why the output cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Standard output is closed.
    #[error("standard output cannot be used")]
    Closed(#[source] io::Error),
    /// A CSV field is not a field's path.
    #[error(transparent)]
    Field(#[from] FieldPathError),
}

/// Writes each chunk to standard output.
pub struct StdoutOutput {
    /// Past the standard library's buffer, which would keep the rest of a failed attempt.
    to: Arc<Mutex<File>>,
    encoder: ChunkEncoder,
}

impl StdoutOutput {
    /// An output to the process's standard output.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(plan: &StdoutOutputPlan) -> Result<Self, OpenError> {
        let stdout = io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map_err(OpenError::Closed)?;
        Self::over(File::from(stdout), plan)
    }

    fn over(to: File, plan: &StdoutOutputPlan) -> Result<Self, OpenError> {
        Ok(Self {
            to: Arc::new(Mutex::new(to)),
            encoder: ChunkEncoder {
                format: Format::of_file(&plan.format)?,
                compression: Compression::None,
            },
        })
    }

    /// Prints what `encode` writes.
    async fn print(
        &self,
        encode: impl FnOnce(&ChunkEncoder, &File) -> Result<(), EncodeError> + Send + 'static,
    ) -> Outcome {
        // Waiting for the turn takes no thread; the lock goes along, so that an attempt that was
        // given up ends before the next begins.
        let to = Arc::clone(&self.to).lock_owned().await;
        let encoder = self.encoder.clone();
        let printed = tokio::task::spawn_blocking(move || {
            // Another output of this kind has a lock of its own.
            let _alone = io::stdout().lock();
            encode(&encoder, &to)
        });
        match printed.await {
            Ok(Ok(())) => Outcome::Delivered,
            Ok(Err(error)) => error.outcome(failed),
            Err(panic) => failed(&io::Error::other(panic)),
        }
    }
}

impl Lifecycle for StdoutOutput {}

impl Buffered for StdoutOutput {
    fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
        let chunk = chunk.clone();
        Box::pin(self.print(move |encoder, to| encoder.encode(&chunk, to).map(drop)))
    }
}

impl Direct for StdoutOutput {
    fn process<'a>(&'a self, events: &'a Events) -> BoxFuture<'a, Outcome> {
        let events = events.clone();
        Box::pin(self.print(move |encoder, to| encoder.encode_events(&events, to).map(drop)))
    }
}

fn failed(error: &io::Error) -> Outcome {
    let reason = format!("cannot write to standard output: {error}");
    Outcome::Retry(Failure::new(FailureScope::Destination, reason))
}

#[cfg(test)]
mod tests;
