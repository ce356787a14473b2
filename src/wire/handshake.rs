//! The forward protocol's handshake: HELO, PING, PONG, on both sides.
//!
//! ```text
//! server  ["HELO", {"nonce": 16 bytes, "auth": 16 bytes, "keepalive": true}]
//! client  ["PING", client_host, salt, digest(salt, client_host, nonce, shared_key),
//!          user, digest(auth, user, password)]             the last two "" if auth is empty
//! server  ["PONG", true, "", server_host, digest(salt, server_host, nonce, shared_key)]
//!      or ["PONG", false, reason, "", ""]
//! ```
//!
//! A digest is the SHA-512 of its parts, in lower-case hexadecimal. Each side proves that it knows
//! the shared key without showing it; digests are compared in constant time. A side that meets its
//! own host name refuses: it would be talking to itself.
//!
//! The caller frames the messages, limits their size to [`MESSAGE_SIZE_MAX`], and brings the
//! random bytes.

mod client;
mod server;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use crate::msgpack::{self, Cursor};

pub use client::{AwaitHelo, AwaitPong};
pub use server::{Denied, Server, User};

/// The largest handshake message that is read, in bytes.
pub const MESSAGE_SIZE_MAX: usize = 16 * 1024;

/// Length of nonce, user salt and key salt, in bytes.
pub const SALT_SIZE: usize = 16;

/// Why a handshake failed. Trying again without changing a setting does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Not MessagePack.
    #[error("malformed handshake message")]
    Malformed(#[from] msgpack::Error),
    /// Not the message that has to come at this point.
    #[error("expected {expected}, got something else")]
    Unexpected {
        /// The message's name.
        expected: &'static str,
    },
    /// The other side has our own host name.
    #[error("the other side has our own host name {hostname:?}")]
    OwnHostname {
        /// The name.
        hostname: String,
    },
    /// The other side's digest is not that of our shared key.
    #[error("shared key mismatch")]
    SharedKey,
    /// User name or password is wrong.
    #[error("user name or password mismatch")]
    User,
    /// The server did not let us in.
    #[error("refused by the server: {reason}")]
    Refused {
        /// In the server's words.
        reason: String,
    },
}

/// 128 hexadecimal digits.
type HexDigest = [u8; 128];

fn hex_digest(parts: [&[u8]; 4]) -> HexDigest {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hash = Sha512::new();
    for part in parts {
        hash.update(part);
    }
    let mut digits = [0; 128];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash.finalize()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0x0f)];
    }
    digits
}

/// The proof of knowing the shared key.
fn key_digest(salt: &[u8], hostname: &[u8], nonce: &[u8], shared_key: &SecretString) -> HexDigest {
    hex_digest([salt, hostname, nonce, shared_key.expose_secret().as_bytes()])
}

/// The proof of knowing the user's password.
fn user_digest(auth: &[u8], user: &[u8], password: &SecretString) -> HexDigest {
    hex_digest([auth, user, password.expose_secret().as_bytes(), b""])
}

fn is_equal(expected: &HexDigest, given: &[u8]) -> bool {
    expected.as_slice().ct_eq(given).into()
}

/// Reads the head of the message called `name`, and gives the number of elements after the name.
fn read_head(cursor: &mut Cursor<'_>, name: &'static str) -> Result<u32, HandshakeError> {
    let unexpected = HandshakeError::Unexpected { expected: name };
    let msgpack::Value::Array(count @ 1..) = cursor.read()? else {
        return Err(unexpected);
    };
    if cursor.read()?.as_bytes() != Some(name.as_bytes()) {
        return Err(unexpected);
    }
    Ok(count - 1)
}

/// Reads a string, or binary data, which some clients send instead.
fn read_bytes<'a>(
    cursor: &mut Cursor<'a>,
    expected: &'static str,
) -> Result<&'a [u8], HandshakeError> {
    let value = cursor.read()?;
    value
        .as_bytes()
        .ok_or(HandshakeError::Unexpected { expected })
}

#[cfg(test)]
mod tests;
