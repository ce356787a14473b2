//! Why connections end before their senders end them.

use std::io;

use crate::buffer::Refused;
use crate::msgpack;
use crate::wire::compression::UnpackError;
use crate::wire::forward::Invalid;
use crate::wire::handshake::HandshakeError;

/// Why a connection ended. Nothing that was not acknowledged by then is acknowledged any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// The connection broke.
    #[error("connection broke")]
    Io(#[from] io::Error),
    /// The sender closed in the middle of a message.
    #[error("sender closed inside a message")]
    Truncated,
    /// The sender closed while its batch was held back; it was not taken.
    #[error("sender left while its batch was held back")]
    HungUp,
    /// The sender sent nothing for too long.
    #[error("sender was idle for too long")]
    Idle,
    /// The sender was slow in the middle of a message, and others waited for its memory.
    #[error("sender was too slow while others waited for the memory of its message")]
    Slow,
    /// A batch was held back, and others waited for its memory; it was not taken.
    #[error("batch was held back for too long while others waited for its memory")]
    HeldBack,
    /// The sender reads no acknowledgements.
    #[error("sender did not take its acknowledgements in time")]
    AcksNotTaken,
    /// TLS or handshake took too long.
    #[error("handshake took too long")]
    HandshakeTimedOut,
    /// TLS could not be agreed on.
    #[error("TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The sender did not prove who it is.
    #[error("handshake failed")]
    Handshake(#[from] HandshakeError),
    /// A message is over the limit.
    #[error("message is larger than {size_max} bytes")]
    TooLarge {
        /// The limit.
        size_max: usize,
    },
    /// The bytes are no message.
    #[error("malformed message")]
    Malformed(#[from] msgpack::Error),
    /// A message is no batch.
    #[error("invalid message")]
    Invalid(#[from] Invalid),
    /// A payload cannot be unpacked.
    #[error("payload cannot be unpacked")]
    Unpack(#[from] UnpackError),
    /// A worker thread failed; a defect of ours.
    #[error("worker failed")]
    Worker(#[from] tokio::task::JoinError),
    /// The intake did not take a batch.
    #[error("batch was not taken")]
    Refused(#[from] Refused),
}

impl ConnectionError {
    /// Whether it is nobody's concern: senders come and go.
    pub(super) fn is_ordinary(&self) -> bool {
        matches!(
            self,
            Self::Io(_) | Self::Truncated | Self::HungUp | Self::Idle
        )
    }

    /// Whether a batch was refused with it.
    pub(super) fn refuses_a_batch(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::Slow
                | Self::HeldBack
                | Self::Malformed(_)
                | Self::Invalid(_)
                | Self::Unpack(_)
                | Self::Refused(_)
        )
    }

    /// Whether it is because of what came over the connection.
    pub(super) fn is_senders_fault(&self) -> bool {
        match self {
            Self::HeldBack | Self::AcksNotTaken | Self::Worker(_) => false,
            Self::Refused(refused) => matches!(refused, Refused::Malformed { .. }),
            other => !other.is_ordinary(),
        }
    }
}
