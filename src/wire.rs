//! What inputs and outputs share of protocols: pure functions and state machines over bytes.
//!
//! Nothing here opens a socket; [`http`] serves one that it is given. The one thing read from disk
//! is what [`tls`] needs: certificates and keys, once, when an input or output is made.

pub mod compression;
pub mod forward;
pub mod handshake;
pub mod http;
pub mod tcp;
pub mod tls;
