//! The forward protocol's messages, as senders and receivers see them.
//!
//! ```text
//! Message         [tag, time, record, options?]
//! Forward         [tag, [[time, record], ...], options?]
//! PackedForward   [tag, bin or str of entries back to back, options?]
//! compressed      the same, the bin or str packed; options say how
//! ack             {"ack": the value of the option "chunk"}
//! ```
//!
//! A receiver finds the end of a message with a [`Scanner`] and reads it in place as a
//! [`Message`]; the entries are not looked at. A sender writes [`write_head`], the payload from
//! wherever it is, and [`write_options`].
//!
//! Strings are bytes: Fluentd sends payloads as strings that are not UTF-8. Only tags must be.

pub mod json;

mod message;
mod scanner;
mod send;

pub use message::{CHUNK_SIZE_MAX, Entries, Invalid, Message, Options};
pub use scanner::{Layout, Scanner};
pub use send::{InvalidAck, SendOptions, read_ack, write_ack, write_head, write_options};

#[cfg(test)]
mod tests;
