//! The signals the daemon listens to, and the same asked for from inside.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Requests that wait at most: more of them would ask for the same.
const REQUESTS_WAITING_MAX: usize = 8;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM or SIGINT: stop in good order.
    Stop,
    /// Deliver what there is, as far as outputs can be reached, then stop.
    Drain,
    /// SIGUSR1: flush all that is staged now.
    Flush,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals since they were listened to.
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    flush: tokio::signal::unix::Signal,
    reload: tokio::signal::unix::Signal,
    asked: mpsc::Receiver<Signal>,
    ask: Ask,
}

/// Asks for what a signal asks for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ask(mpsc::Sender<Signal>);

impl Ask {
    /// False if nobody listens any more.
    pub(super) fn ask(&self, signal: Signal) -> bool {
        // Where so many wait, one more changes nothing.
        !matches!(
            self.0.try_send(signal),
            Err(mpsc::error::TrySendError::Closed(_))
        )
    }
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let (ask, asked) = mpsc::channel(REQUESTS_WAITING_MAX);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            flush: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
            asked,
            ask: Ask(ask),
        })
    }

    /// The way to ask for the same from inside.
    pub(super) fn asking(&self) -> Ask {
        self.ask.clone()
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.flush.recv() => Signal::Flush,
            _ = self.reload.recv() => Signal::Reload,
            // Never closed: a sender is kept here.
            Some(signal) = self.asked.recv() => signal,
        }
    }
}
