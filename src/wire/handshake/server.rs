//! The server's side.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::{
    HandshakeError, HexDigest, SALT_SIZE, is_equal, key_digest, read_bytes, read_head, user_digest,
};
use crate::msgpack::{Cursor, write};

/// One handshake, from HELO to PONG.
#[derive(Debug)]
pub struct Server<'a> {
    hostname: &'a str,
    shared_key: &'a SecretString,
    users: &'a BTreeMap<String, SecretString>,
    nonce: [u8; SALT_SIZE],
    auth: [u8; SALT_SIZE],
}

/// Who a client is, as proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The client's own host name.
    pub hostname: String,
    /// The user's name, if users are asked for.
    pub name: Option<String>,
}

/// A client that is not let in.
#[derive(Debug)]
pub struct Denied {
    /// Why.
    pub error: HandshakeError,
    /// The PONG that says so, to be sent before the connection is closed.
    pub pong: Vec<u8>,
}

/// What a client says in its PING.
struct Ping<'m> {
    hostname: &'m [u8],
    salt: &'m [u8],
    key_digest: &'m [u8],
    user: &'m [u8],
    user_digest: &'m [u8],
}

impl<'a> Server<'a> {
    /// A handshake with a client that must know `shared_key`, and be one of `users` by name and
    /// password unless there are none. `nonce` and `auth` are fresh random bytes.
    #[must_use]
    pub fn new(
        hostname: &'a str,
        shared_key: &'a SecretString,
        users: &'a BTreeMap<String, SecretString>,
        nonce: [u8; SALT_SIZE],
        auth: [u8; SALT_SIZE],
    ) -> Self {
        Self {
            hostname,
            shared_key,
            users,
            nonce,
            auth,
        }
    }

    /// The HELO, which opens the connection. Its `auth` is empty if no user is asked for.
    #[must_use]
    pub fn helo(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        write::array_head(&mut out, 2);
        write::str(&mut out, b"HELO");
        write::map_head(&mut out, 3);
        write::str(&mut out, b"nonce");
        write::bin(&mut out, &self.nonce);
        write::str(&mut out, b"auth");
        write::bin(
            &mut out,
            if self.users.is_empty() {
                b""
            } else {
                &self.auth
            },
        );
        write::str(&mut out, b"keepalive");
        write::bool(&mut out, true);
        out
    }

    /// Checks the client's answer, and gives the client with the PONG that lets it in.
    ///
    /// # Errors
    /// [`Denied`], with the PONG that says why.
    pub fn check_ping(&self, ping: &[u8]) -> Result<(User, Vec<u8>), Denied> {
        let checked = Ping::parse(ping).and_then(|ping| Ok((self.check(&ping)?, ping)));
        match checked {
            Ok((user, ping)) => Ok((user, self.welcome(ping.salt))),
            Err(error) => Err(Denied {
                pong: denial(&error),
                error,
            }),
        }
    }

    fn check(&self, ping: &Ping<'_>) -> Result<User, HandshakeError> {
        let hostname = String::from_utf8_lossy(ping.hostname).into_owned();
        if ping.hostname == self.hostname.as_bytes() {
            return Err(HandshakeError::OwnHostname { hostname });
        }
        let expected = key_digest(ping.salt, ping.hostname, &self.nonce, self.shared_key);
        if !is_equal(&expected, ping.key_digest) {
            return Err(HandshakeError::SharedKey);
        }
        let name = self.check_user(ping)?;
        Ok(User { hostname, name })
    }

    fn check_user(&self, ping: &Ping<'_>) -> Result<Option<String>, HandshakeError> {
        if self.users.is_empty() {
            return Ok(None);
        }
        let known = std::str::from_utf8(ping.user)
            .ok()
            .and_then(|name| self.users.get_key_value(name));
        // A name that is not known takes as long as a wrong password.
        let password = known.map_or(self.shared_key, |(_, password)| password);
        let is_right = is_equal(
            &user_digest(&self.auth, ping.user, password),
            ping.user_digest,
        );
        match known {
            Some((name, _)) if is_right => Ok(Some(name.clone())),
            _ => Err(HandshakeError::User),
        }
    }

    fn welcome(&self, salt: &[u8]) -> Vec<u8> {
        let hostname = self.hostname.as_bytes();
        let digest = key_digest(salt, hostname, &self.nonce, self.shared_key);
        pong(true, b"", hostname, Some(&digest))
    }
}

fn denial(error: &HandshakeError) -> Vec<u8> {
    pong(false, error.to_string().as_bytes(), b"", None)
}

fn pong(is_welcome: bool, reason: &[u8], hostname: &[u8], digest: Option<&HexDigest>) -> Vec<u8> {
    let mut out = Vec::with_capacity(180 + hostname.len());
    write::array_head(&mut out, 5);
    write::str(&mut out, b"PONG");
    write::bool(&mut out, is_welcome);
    write::str(&mut out, reason);
    write::str(&mut out, hostname);
    write::str(&mut out, digest.map_or(b"", HexDigest::as_slice));
    out
}

impl<'m> Ping<'m> {
    fn parse(message: &'m [u8]) -> Result<Self, HandshakeError> {
        let mut cursor = Cursor::new(message);
        if read_head(&mut cursor, "PING")? != 5 {
            return Err(HandshakeError::Unexpected { expected: "PING" });
        }
        Ok(Self {
            hostname: read_bytes(&mut cursor, "PING")?,
            salt: read_bytes(&mut cursor, "PING")?,
            key_digest: read_bytes(&mut cursor, "PING")?,
            user: read_bytes(&mut cursor, "PING")?,
            user_digest: read_bytes(&mut cursor, "PING")?,
        })
    }
}
