//! Request bodies that are made while they are sent.
//!
//! A thread that may block writes the body in parts; the client takes them one by one. The thread
//! waits while the destination is slow, and ends soon after the request does.

use std::io::{self, Write};

use bytes::Bytes;
use reqwest::Body;
use tokio::sync::{mpsc, oneshot};

/// Bytes in one part of a body, or a little more.
const PART_SIZE: usize = 64 * 1024;

/// Parts that wait for the client, at most.
const PARTS_MAX: usize = 2;

/// A part, or the reason why there will be none, which makes the client break the request off.
type Part = Result<Bytes, io::Error>;

/// The end of a body that is written to.
pub(super) struct BodyWriter {
    parts: mpsc::Sender<Part>,
    part: Vec<u8>,
}

/// Tells how the writing of a body ended.
pub(super) struct Written<E>(oneshot::Receiver<Result<(), E>>);

/// A body that `write` makes on a thread of its own, and what tells how that ended.
///
/// If `write` fails, the body ends in an error, so that the destination cannot take the part of
/// it that was sent for the whole.
pub(super) fn streamed<E, F>(write: F) -> (Body, Written<E>)
where
    E: Send + 'static,
    F: FnOnce(&mut BodyWriter) -> Result<(), E> + Send + 'static,
{
    let (parts, mut receiver) = mpsc::channel(PARTS_MAX);
    let (ended, written) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut writer = BodyWriter {
            parts,
            part: Vec::with_capacity(PART_SIZE),
        };
        let result = write(&mut writer);
        let is_whole = result.is_ok();
        // Told before the body ends, so that whoever has seen its end can ask at once.
        let _nobody_asks = ended.send(result);
        if !is_whole {
            writer.break_off();
        }
    });
    let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (Body::wrap_stream(stream), Written(written))
}

impl<E> Written<E> {
    /// How the writing ended; `None` if it has not.
    pub(super) fn result(&mut self) -> Option<Result<(), E>> {
        self.0.try_recv().ok()
    }
}

impl BodyWriter {
    fn send(&mut self) -> io::Result<()> {
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART_SIZE));
        self.parts
            .blocking_send(Ok(part.into()))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the request has ended"))
    }

    fn break_off(&mut self) {
        let error = io::Error::other("the body could not be made");
        let _request_has_ended = self.parts.blocking_send(Err(error));
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_SIZE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        self.send()
    }
}
