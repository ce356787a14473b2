//! The client's side: [`AwaitHelo`], then [`AwaitPong`].

use secrecy::SecretString;

use super::{
    HandshakeError, HexDigest, SALT_SIZE, is_equal, key_digest, read_bytes, read_head, user_digest,
};
use crate::msgpack::{Cursor, Value, write};

/// A client whose server has not spoken yet.
#[derive(Debug)]
pub struct AwaitHelo<'a> {
    hostname: &'a str,
    shared_key: &'a SecretString,
    user: Option<(&'a str, &'a SecretString)>,
    salt: [u8; SALT_SIZE],
}

/// A client that has sent its PING.
#[derive(Debug)]
pub struct AwaitPong<'a> {
    hostname: &'a str,
    shared_key: &'a SecretString,
    salt: [u8; SALT_SIZE],
    nonce: Vec<u8>,
}

impl<'a> AwaitHelo<'a> {
    /// A client that knows `shared_key` and perhaps a user's name and password. `salt` is fresh
    /// random bytes.
    #[must_use]
    pub fn new(
        hostname: &'a str,
        shared_key: &'a SecretString,
        user: Option<(&'a str, &'a SecretString)>,
        salt: [u8; SALT_SIZE],
    ) -> Self {
        Self {
            hostname,
            shared_key,
            user,
            salt,
        }
    }

    /// Reads the HELO, and gives the PING to send.
    ///
    /// # Errors
    /// `Malformed` or `Unexpected` if it is no HELO.
    pub fn read_helo(self, helo: &[u8]) -> Result<(Vec<u8>, AwaitPong<'a>), HandshakeError> {
        let (nonce, auth) = parse_helo(helo)?;
        let ping = self.ping(nonce, auth);
        let next = AwaitPong {
            hostname: self.hostname,
            shared_key: self.shared_key,
            salt: self.salt,
            nonce: nonce.to_vec(),
        };
        Ok((ping, next))
    }

    fn ping(&self, nonce: &[u8], auth: &[u8]) -> Vec<u8> {
        let hostname = self.hostname.as_bytes();
        let digest = key_digest(&self.salt, hostname, nonce, self.shared_key);
        let mut out = Vec::with_capacity(320 + hostname.len());
        write::array_head(&mut out, 6);
        write::str(&mut out, b"PING");
        write::str(&mut out, hostname);
        write::bin(&mut out, &self.salt);
        write::str(&mut out, &digest);
        match self.user {
            _ if auth.is_empty() => {
                write::str(&mut out, b"");
                write::str(&mut out, b"");
            }
            Some((user, password)) => {
                write::str(&mut out, user.as_bytes());
                write::str(&mut out, &user_digest(auth, user.as_bytes(), password));
            }
            // Fluentd sends `auth` even if it asks for no user; then these are not looked at.
            None => {
                write::str(&mut out, b"");
                write::str(&mut out, &user_digest(auth, b"", &SecretString::from("")));
            }
        }
        out
    }
}

impl AwaitPong<'_> {
    /// Reads the PONG: `Ok` if we are in, and the server knows the shared key too.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub fn read_pong(self, pong: &[u8]) -> Result<(), HandshakeError> {
        let mut cursor = Cursor::new(pong);
        let is_short = read_head(&mut cursor, "PONG")? < 4;
        let Value::Bool(is_welcome) = cursor.read()? else {
            return Err(HandshakeError::Unexpected { expected: "PONG" });
        };
        let reason = read_bytes(&mut cursor, "PONG")?;
        if !is_welcome {
            return Err(HandshakeError::Refused {
                reason: String::from_utf8_lossy(reason).into_owned(),
            });
        }
        if is_short {
            return Err(HandshakeError::Unexpected { expected: "PONG" });
        }
        let hostname = read_bytes(&mut cursor, "PONG")?;
        let digest = read_bytes(&mut cursor, "PONG")?;
        self.check(hostname, digest)
    }

    fn check(&self, hostname: &[u8], digest: &[u8]) -> Result<(), HandshakeError> {
        if hostname == self.hostname.as_bytes() {
            return Err(HandshakeError::OwnHostname {
                hostname: self.hostname.to_owned(),
            });
        }
        let expected: HexDigest = key_digest(&self.salt, hostname, &self.nonce, self.shared_key);
        if is_equal(&expected, digest) {
            Ok(())
        } else {
            Err(HandshakeError::SharedKey)
        }
    }
}

/// Nonce and `auth` of a HELO; each empty if it is missing.
fn parse_helo(helo: &[u8]) -> Result<(&[u8], &[u8]), HandshakeError> {
    let unexpected = HandshakeError::Unexpected { expected: "HELO" };
    let mut cursor = Cursor::new(helo);
    if read_head(&mut cursor, "HELO")? < 1 {
        return Err(unexpected);
    }
    let Value::Map(pair_count) = cursor.read()? else {
        return Err(unexpected);
    };
    let mut nonce: &[u8] = b"";
    let mut auth: &[u8] = b"";
    for _ in 0..pair_count {
        let key = Cursor::new(cursor.skip()?).read()?;
        let value = Cursor::new(cursor.skip()?).read()?;
        match (key.as_bytes(), value.as_bytes()) {
            (Some(b"nonce"), Some(bytes)) => nonce = bytes,
            (Some(b"auth"), Some(bytes)) => auth = bytes,
            _ => {}
        }
    }
    Ok((nonce, auth))
}
