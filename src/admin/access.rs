//! Who asks, and what they may do.
//!
//! Tokens are compared by their digests, in constant time and with every one of them, so that the
//! time of an answer tells nothing of a secret. The secrets themselves are not kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::plan::{AdminRole, AdminToken};
use crate::wire::http::{Peer, Problem};

/// Digits of a certificate's digest that stand for it in logs.
const CERTIFICATE_DIGITS: usize = 16;

/// The tokens that let somebody in.
pub(super) struct Access {
    tokens: Vec<Token>,
}

struct Token {
    name: Arc<str>,
    role: AdminRole,
    sha256: [u8; 32],
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The token's name, `certificate <digits>`, or `local`.
    pub(super) who: Arc<str>,
    /// What they may do.
    pub(super) role: AdminRole,
    /// From where.
    pub(super) address: SocketAddr,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// There is no token in the request.
    Unnamed,
    /// There is one, which is not ours.
    Unknown,
}

impl Access {
    pub(super) fn new(tokens: &BTreeMap<String, AdminToken>) -> Self {
        let tokens = tokens.iter().map(|(name, token)| Token {
            name: name.as_str().into(),
            role: token.role,
            sha256: Sha256::digest(token.secret.expose_secret()).into(),
        });
        Self {
            tokens: tokens.collect(),
        }
    }

    /// Whether requests need a token.
    pub(super) fn asks(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Who sent the request. Without tokens it is whoever could connect, and they may do all.
    ///
    /// # Errors
    /// [`Stranger`].
    pub(super) fn caller(&self, headers: &HeaderMap, peer: &Peer) -> Result<Caller, Stranger> {
        let address = peer.address;
        if !self.asks() {
            let who = peer.certificate_sha256.map_or("local".into(), certificate);
            return Ok(Caller {
                who,
                role: AdminRole::Admin,
                address,
            });
        }
        let presented = bearer(headers)?;
        let sha256: [u8; 32] = Sha256::digest(presented).into();
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.sha256.ct_eq(&sha256)) {
                found = Some(token);
            }
        }
        let token = found.ok_or(Stranger::Unknown)?;
        Ok(Caller {
            who: Arc::clone(&token.name),
            role: token.role,
            address,
        })
    }
}

impl Stranger {
    /// What they are told.
    pub(super) fn problem(self) -> Problem {
        let detail = match self {
            Self::Unnamed => "a token is needed: `Authorization: Bearer <secret>`",
            Self::Unknown => "the token is not one of this server",
        };
        Problem::new(StatusCode::UNAUTHORIZED, detail).authenticate_by("Bearer realm=\"forebay\"")
    }
}

/// The secret of `Authorization: Bearer <secret>`.
fn bearer(headers: &HeaderMap) -> Result<&[u8], Stranger> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Stranger::Unnamed)?;
    let secret = match (values.next(), split(value)) {
        (None, Some((scheme, secret))) if scheme.eq_ignore_ascii_case(b"bearer") => secret,
        _ => return Err(Stranger::Unknown),
    };
    Ok(secret)
}

fn split(value: &HeaderValue) -> Option<(&[u8], &[u8])> {
    let bytes = value.as_bytes();
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    Some((&bytes[..space], bytes[space..].trim_ascii()))
}

fn certificate(sha256: [u8; 32]) -> Arc<str> {
    let digits: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("certificate {}", &digits[..CERTIFICATE_DIGITS]).into()
}

/// For handlers; the gate has put it there.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "nobody was let in"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "read-0123456789abcdef";
    const ADMIN: &str = "admin-0123456789abcdef";

    fn access() -> Access {
        let token = |role, secret: &str| AdminToken {
            role,
            secret: secret.to_owned().into(),
        };
        Access::new(&BTreeMap::from([
            ("prometheus".to_owned(), token(AdminRole::Read, READ)),
            ("ops".to_owned(), token(AdminRole::Admin, ADMIN)),
        ]))
    }

    fn peer(certificate_sha256: Option<[u8; 32]>) -> Peer {
        Peer {
            address: "192.0.2.1:5000".parse().unwrap(),
            certificate_sha256,
        }
    }

    fn asked(access: &Access, values: &[&str]) -> Result<(String, AdminRole), Stranger> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let caller = access.caller(&headers, &peer(None))?;
        Ok((caller.who.to_string(), caller.role))
    }

    #[test]
    fn a_token_says_who_asks_and_what_they_may_do() {
        let access = access();
        for (value, name, role) in [
            (format!("Bearer {READ}"), "prometheus", AdminRole::Read),
            (format!("bearer  {ADMIN} "), "ops", AdminRole::Admin),
        ] {
            assert_eq!(asked(&access, &[&value]), Ok((name.to_owned(), role)));
        }
    }

    #[test]
    fn everybody_else_is_a_stranger() {
        let access = access();
        assert_eq!(asked(&access, &[]), Err(Stranger::Unnamed));
        let longer = format!("Bearer {READ}a");
        let shorter = format!("Bearer {}", &READ[..READ.len() - 1]);
        let basic = format!("Basic {READ}");
        let good = format!("Bearer {READ}");
        for values in [
            vec![longer.as_str()],
            vec![&shorter],
            vec![&basic],
            vec![READ],
            vec!["Bearer"],
            vec!["Bearer "],
            vec![&good, &good],
        ] {
            assert_eq!(
                asked(&access, &values),
                Err(Stranger::Unknown),
                "{values:?}"
            );
        }
    }

    #[test]
    fn without_tokens_it_is_whoever_could_connect() {
        let open = Access::new(&BTreeMap::new());
        assert_eq!(
            asked(&open, &["Bearer whatever"]),
            Ok(("local".to_owned(), AdminRole::Admin))
        );
        let headers = HeaderMap::new();
        let caller = open.caller(&headers, &peer(Some([0xab; 32]))).unwrap();
        assert_eq!(&*caller.who, "certificate abababababababab");
    }
}
