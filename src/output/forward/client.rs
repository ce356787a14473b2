//! A client that sends one message at a time and waits until it is acknowledged.
//!
//! For tools that have no chunks and no scheduler. The connection is kept from message to message,
//! and made anew after a failure; whether to send the message again is for the caller, who gives
//! it the same name then.

use std::error::Error;
use std::io::IoSlice;
use std::time::Duration;

use tokio::time::timeout;

use super::connect::{Connector, Link};
use super::receive::{Answer, Messages};
use super::write::write_all;
use crate::clock::Clock;
use crate::config::plan::{ForwardOutputPlan, ForwardServer};
use crate::telemetry;
use crate::wire::forward::read_ack;
use crate::wire::tls::TlsError;

/// A client of one server.
pub struct Client {
    connector: Connector,
    send_timeout: Duration,
    ack_timeout: Duration,
    /// The connection, if the last message on it was acknowledged.
    link: Option<Link>,
}

/// Why a message is not acknowledged. The server may have it all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotAcknowledged {
    /// What happened, in one line.
    pub reason: String,
    /// Whether another attempt is of no use until somebody changes a setting.
    pub is_final: bool,
}

impl Client {
    /// A client of `server` with the time limits, shared key and TLS of `plan`. Reads the
    /// certificates; connects when there is something to send.
    ///
    /// # Errors
    /// [`TlsError`]: certificates, key or server name cannot be used.
    pub fn new(
        server: &ForwardServer,
        plan: &ForwardOutputPlan,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            connector: Connector::new(server, plan, clock)?,
            send_timeout: plan.send_timeout,
            ack_timeout: plan.ack_timeout,
            link: None,
        })
    }

    /// Sends `message`, whose option `chunk` is `chunk`, and waits for its acknowledgement.
    ///
    /// # Errors
    /// [`NotAcknowledged`], within the plan's time limits.
    pub async fn send(&mut self, message: &[u8], chunk: &str) -> Result<(), NotAcknowledged> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => self.connector.connect().await.map_err(|error| {
                let is_final = error.is_final();
                NotAcknowledged::of(&error, is_final)
            })?,
        };
        let slices = vec![IoSlice::new(message)];
        write_all(&mut link.writer, slices, self.send_timeout)
            .await
            .map_err(|error| NotAcknowledged::of(&error, false))?;
        let answered = timeout(self.ack_timeout, acknowledged(&mut link.messages, chunk)).await;
        answered.unwrap_or_else(|_| {
            Err(NotAcknowledged {
                reason: format!("no acknowledgement within {:?}", self.ack_timeout),
                is_final: false,
            })
        })?;
        self.link = Some(link);
        Ok(())
    }
}

/// Passes over what does not acknowledge `chunk`: it may be about an earlier attempt.
async fn acknowledged<R: tokio::io::AsyncRead + Unpin>(
    messages: &mut Messages<R>,
    chunk: &str,
) -> Result<(), NotAcknowledged> {
    loop {
        let message = messages
            .next()
            .await
            .map_err(|error| NotAcknowledged::of(&error, false))?;
        if read_ack(message) == Ok(chunk.as_bytes()) {
            return Ok(());
        }
        if Answer::parse(message) == Answer::Helo {
            return Err(NotAcknowledged {
                reason: "the server asks for a shared key".to_owned(),
                is_final: true,
            });
        }
    }
}

impl NotAcknowledged {
    fn of(error: &dyn Error, is_final: bool) -> Self {
        Self {
            reason: telemetry::reason(error),
            is_final,
        }
    }
}
