//! The writing half of a connection: acknowledgements, in order, each after its receipt.

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::timeout;

use super::error::ConnectionError;
use crate::buffer::Pending;
use crate::input::InputStats;

/// Batches of one connection that may wait for their receipts; beyond that it is not read.
pub const UNACKNOWLEDGED_MAX: usize = 256;

/// Acknowledgements are written at the latest when so many bytes of them are ready.
const WRITE_SIZE: usize = 64 * 1024;

/// How long a sender may take to take its acknowledgements.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a connection may take to close in order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Batches that the intake has taken together, often just one.
pub(super) struct Taken {
    /// Their receipt.
    pub(super) pending: Pending,
    /// How many they are.
    pub(super) batch_count: usize,
    /// The bytes of the acknowledgements that the sender wants.
    pub(super) acks: Vec<u8>,
    /// Bytes of their payloads, unpacked.
    pub(super) payload_size: u64,
}

/// Writes acknowledgements and closes the connection.
pub(super) struct AckWriter<'a, W> {
    writer: W,
    /// Never longer than there are places.
    taken: UnboundedReceiver<Taken>,
    places: &'a Semaphore,
    stats: &'a InputStats,
    /// Acknowledgements that may go out.
    ready: Vec<u8>,
}

impl<'a, W: AsyncWrite + Unpin> AckWriter<'a, W> {
    /// A writer for the batches that come through `taken`. The other end of the queue has taken one
    /// of `places` for each, which is free again when the batch is acknowledged.
    pub(super) fn new(
        writer: W,
        taken: UnboundedReceiver<Taken>,
        places: &'a Semaphore,
        stats: &'a InputStats,
    ) -> Self {
        Self {
            writer,
            taken,
            places,
            stats,
            ready: Vec::new(),
        }
    }

    /// Acknowledges batches until no more can come, then closes the connection in order.
    ///
    /// # Errors
    /// `Refused` if a batch could not be made durable: what came before it is acknowledged, it and
    /// what follows is not. `Io` or `AcksNotTaken` if the sender is gone.
    pub(super) async fn run(mut self) -> Result<(), ConnectionError> {
        let acknowledged = self.acknowledge_all().await;
        let flushed = self.flush().await;
        let _ = timeout(CLOSE_TIMEOUT, self.writer.shutdown()).await;
        acknowledged.and(flushed)
    }

    async fn acknowledge_all(&mut self) -> Result<(), ConnectionError> {
        while let Some(taken) = self.next().await? {
            let event_count = taken.pending.event_count;
            let mut durable = pin!(taken.pending.durable());
            // Whatever is ready goes out before a wait, and in as few writes as possible.
            match futures_util::poll!(durable.as_mut()) {
                Poll::Ready(stored) => stored?,
                Poll::Pending => {
                    self.flush().await?;
                    durable.await?;
                }
            }
            self.places.add_permits(taken.batch_count);
            self.stats.events.fetch_add(event_count, Relaxed);
            self.stats.bytes.fetch_add(taken.payload_size, Relaxed);
            self.ready.extend_from_slice(&taken.acks);
            if self.ready.len() >= WRITE_SIZE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// The next batch in order; `None` when the reading half has ended.
    async fn next(&mut self) -> Result<Option<Taken>, ConnectionError> {
        match self.taken.try_recv() {
            Ok(taken) => Ok(Some(taken)),
            Err(TryRecvError::Disconnected) => Ok(None),
            Err(TryRecvError::Empty) => {
                self.flush().await?;
                Ok(self.taken.recv().await)
            }
        }
    }

    async fn flush(&mut self) -> Result<(), ConnectionError> {
        if self.ready.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_TIMEOUT, async {
            self.writer.write_all(&self.ready).await?;
            self.writer.flush().await
        });
        written.await.map_err(|_| ConnectionError::AcksNotTaken)??;
        self.ready.clear();
        Ok(())
    }
}
