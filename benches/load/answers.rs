//! Answers to batches, counted as they arrive.

use super::batch::ACK_SIZE;
use super::http;
use super::work::Protocol;

/// Counts the whole answers in what one connection brings.
pub(crate) enum Answers {
    /// Acknowledgements of the forward protocol, all of one size.
    Acks {
        /// Bytes of the one that is not whole.
        part: usize,
    },
    /// HTTP responses.
    Responses {
        /// Bytes that hold no whole one yet.
        rest: Vec<u8>,
    },
}

impl Answers {
    pub(crate) fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Forward | Protocol::Gzip => Self::Acks { part: 0 },
            Protocol::Http => Self::Responses { rest: Vec::new() },
        }
    }

    /// How many answers became whole with `bytes`.
    ///
    /// # Panics
    /// If a response is none of success.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Acks { part } => {
                let all = *part + bytes.len();
                *part = all % ACK_SIZE;
                all / ACK_SIZE
            }
            Self::Responses { rest } => {
                rest.extend_from_slice(bytes);
                let mut count = 0;
                while let Some(len) = http::response_len(rest) {
                    assert!(
                        rest.starts_with(b"HTTP/1.1 2"),
                        "refused: {}",
                        String::from_utf8_lossy(rest)
                    );
                    rest.drain(..len);
                    count += 1;
                }
                count
            }
        }
    }
}
