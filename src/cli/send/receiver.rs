//! Whom the batches go to: a server of the forward protocol, or an HTTP input.

use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use secrecy::SecretString;

use super::Missed;
use super::events::Batch;
use crate::clock::Clock;
use crate::config::plan::{
    ClientSecurity, ClientTls, Compression, ForwardOutputPlan, ForwardServer,
};
use crate::output::Outcome;
use crate::output::forward::Client;
use crate::output::http::{self, IDEMPOTENCY_KEY, OpenError};
use crate::wire::forward::{SendOptions, write_head, write_options};
use crate::wire::tls::TlsError;

/// The port of the forward protocol.
const FORWARD_PORT: u16 = 24_224;

/// The most that making a connection may take.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// The host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerAddress {
    host: String,
    port: u16,
}

/// Whom the batches go to.
pub(super) enum Receiver {
    Forward(Box<Client>),
    Http { client: reqwest::Client, url: Url },
}

/// A batch as the receiver takes it.
pub(super) struct Request {
    /// The batch's name, the same in each attempt.
    name: String,
    tag: String,
    bytes: bytes::Bytes,
}

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let has_port = |host: &str| !host.contains(':') || host.ends_with(']');
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if has_port(host) => {
                let port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
                (host, port)
            }
            _ => (text, FORWARD_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("there is no host".to_owned());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// What proves to a server who we are.
pub(super) fn security(
    hostname: Option<&str>,
    shared_key: SecretString,
    user: Option<(String, SecretString)>,
) -> ClientSecurity {
    let machine = || {
        let names = rustix::system::uname();
        names.nodename().to_string_lossy().into_owned()
    };
    ClientSecurity {
        self_hostname: hostname.map_or_else(machine, str::to_owned),
        shared_key,
        user,
    }
}

impl Receiver {
    /// A server of the forward protocol. Reads the certificates.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn forward(
        address: &ServerAddress,
        tls: Option<ClientTls>,
        security: Option<ClientSecurity>,
        ack_timeout: Duration,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        let server = ForwardServer {
            host: address.host.clone(),
            port: address.port,
            weight: 1,
            standby: false,
        };
        let plan = ForwardOutputPlan {
            servers: vec![server.clone()],
            connect_timeout: ack_timeout.min(CONNECT_TIMEOUT_MAX),
            send_timeout: ack_timeout,
            ack_timeout,
            require_ack: true,
            compress: Compression::None,
            security,
            tls,
            tag: None,
        };
        Ok(Self::Forward(Box::new(Client::new(&server, &plan, clock)?)))
    }

    /// An HTTP input. Reads the certificates.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(super) fn http(
        url: &Url,
        tls: &ClientTls,
        ack_timeout: Duration,
    ) -> Result<Self, OpenError> {
        let tls = (url.scheme() == "https").then_some(tls);
        let connect_timeout = ack_timeout.min(CONNECT_TIMEOUT_MAX);
        Ok(Self::Http {
            client: http::client(tls, connect_timeout, Some(ack_timeout))?,
            url: url.clone(),
        })
    }

    /// The batch as it is sent, under `name`.
    pub(super) fn request(&self, batch: &Batch, name: [u8; 16]) -> Request {
        let name = BASE64.encode(name);
        let bytes = match self {
            Self::Forward(_) => message(batch, &name),
            Self::Http { .. } => batch.entries.clone(),
        };
        Request {
            name,
            tag: batch.tag.clone(),
            bytes: bytes.into(),
        }
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// Why it is not acknowledged.
    pub(super) async fn send(&mut self, request: &Request) -> Result<(), Missed> {
        match self {
            Self::Forward(client) => {
                let sent = client.send(&request.bytes, &request.name).await;
                sent.map_err(|missed| Missed {
                    reason: missed.reason,
                    is_final: missed.is_final,
                })
            }
            Self::Http { client, url } => {
                let post = client
                    .post(address(url, &request.tag))
                    .header(CONTENT_TYPE, "application/msgpack")
                    .header(IDEMPOTENCY_KEY, &request.name)
                    .body(request.bytes.clone());
                missed(http::ask(post).await)
            }
        }
    }
}

/// The batch as a message of the forward protocol.
fn message(batch: &Batch, name: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(batch.entries.len() + batch.tag.len() + 128);
    // A batch has a bound far below.
    let size = u32::try_from(batch.entries.len()).unwrap_or(u32::MAX);
    write_head(&mut message, &batch.tag, size);
    message.extend_from_slice(&batch.entries);
    let options = SendOptions {
        chunk: Some(name),
        event_count: batch.event_count,
        codec: None,
    };
    write_options(&mut message, &options);
    message
}

/// `url` with the tag as the last part of its path.
fn address(url: &Url, tag: &str) -> Url {
    let mut address = url.clone();
    // An address that can have no path is refused by the client.
    if let Ok(mut path) = address.path_segments_mut() {
        path.pop_if_empty().push(tag);
    }
    address
}

fn missed(outcome: Outcome) -> Result<(), Missed> {
    match outcome {
        Outcome::Delivered => Ok(()),
        Outcome::Retry(failure) => Err(Missed {
            reason: failure.reason,
            is_final: false,
        }),
        Outcome::Reject { reason } => Err(Missed {
            reason,
            is_final: true,
        }),
        // No answer means that.
        Outcome::Partial { .. } => Err(Missed {
            reason: "only a part was taken".to_owned(),
            is_final: false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_name_or_an_address_with_or_without_a_port() {
        let parsed = |text: &str| text.parse::<ServerAddress>().map(|at| (at.host, at.port));
        let found = |host: &str, port| Ok((host.to_owned(), port));
        assert_eq!(parsed("logs.example.com"), found("logs.example.com", 24224));
        assert_eq!(parsed("10.0.0.1:5"), found("10.0.0.1", 5));
        assert_eq!(parsed("::1"), found("::1", 24224));
        assert_eq!(parsed("[::1]:99"), found("::1", 99));
        assert!(parsed("a:b").is_err() && parsed(":5").is_err() && parsed("").is_err());
    }

    #[test]
    fn a_tag_is_one_part_of_the_path_whatever_is_in_it() {
        let url = |base: &str, tag| address(&Url::parse(base).unwrap(), tag).to_string();
        assert_eq!(url("http://h:1", "a.b"), "http://h:1/a.b");
        assert_eq!(url("http://h/in/", "a/b ?"), "http://h/in/a%2Fb%20%3F");
    }
}
