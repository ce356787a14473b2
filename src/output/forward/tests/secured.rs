//! Shared key and TLS.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::destination::Peer;
use super::*;
use crate::config::plan::{ClientIdentity, ClientSecurity, ClientTls};
use crate::wire::handshake;
use crate::wire::tls::{Identity, server_config};

fn security(key: &str, user: Option<(&str, &str)>) -> Option<ClientSecurity> {
    Some(ClientSecurity {
        self_hostname: "sender".to_owned(),
        shared_key: SecretString::from(key),
        user: user.map(|(name, password)| (name.to_owned(), SecretString::from(password))),
    })
}

/// Shakes hands as a server that knows the key `key` and the user `ann` with the password `pw`,
/// or no users.
async fn shake_hands(peer: &mut Peer, has_users: bool) {
    let key = SecretString::from("key");
    let users = [("ann".to_owned(), SecretString::from("pw"))];
    let users: BTreeMap<_, _> = users.into_iter().filter(|_| has_users).collect();
    let server = handshake::Server::new("receiver", &key, &users, [1; 16], [2; 16]);
    peer.write(&server.helo()).await;
    let mut ping = Vec::new();
    rmpv::encode::write_value(&mut ping, &peer.try_value().await.unwrap()).unwrap();
    match server.check_ping(&ping) {
        Ok((_, pong)) => peer.write(&pong).await,
        Err(denied) => peer.write(&denied.pong).await,
    }
}

/// The reason why a chunk is rolled back that is sent with `security` to a server with the key
/// `key`, or `None` if it is committed.
async fn refusal(security: Option<ClientSecurity>, has_users: bool) -> Option<String> {
    let (destination, mut plan) = destination().await;
    plan.security = security;
    let output = open(&plan);
    let sending = send(&output, &[("a", b"\x90")]);
    let serving = async {
        let mut peer = destination.accept().await;
        shake_hands(&mut peer, has_users).await;
        if let Some(message) = peer.try_message().await {
            peer.acknowledge(&message).await;
        }
        peer
    };
    let (sent, _peer) = tokio::join!(sending, serving);
    match sent.outcome().await {
        Outcome::Delivered => None,
        Outcome::Retry(failure) => {
            assert_eq!(failure.scope, FailureScope::Destination);
            Some(failure.reason)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_knows_the_key_gets_the_chunk() {
    assert_eq!(refusal(security("key", None), false).await, None);
    assert_eq!(
        refusal(security("key", Some(("ann", "pw"))), true).await,
        None
    );
}

#[tokio::test]
async fn a_wrong_key_or_user_is_a_failure_of_the_destination() {
    let wrong = [
        (security("other", None), false),
        (security("key", None), true),
        (security("key", Some(("ann", "no"))), true),
    ];
    for (security, has_users) in wrong {
        let reason = refusal(security, has_users).await.unwrap();
        assert!(reason.contains("mismatch"), "{reason}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_key_from_an_output_without_one_is_named() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    peer.write(b"\x92\xa4HELO\x80").await;
    let reason = sent.rolled_back().await.reason;
    assert!(reason.contains("asks for a shared key"), "{reason}");
}

#[tokio::test]
async fn a_server_that_never_says_helo_is_a_time_out() {
    let (destination, mut plan) = destination().await;
    plan.security = security("key", None);
    plan.connect_timeout = SHORT;
    let output = open(&plan);
    let failure = send(&output, &[("a", b"\x90")]).await.rolled_back().await;
    assert_eq!(failure.scope, FailureScope::Destination);
    assert!(
        failure.reason.contains("no answer to the shared-key"),
        "{}",
        failure.reason
    );
    destination.accept().await.closed().await;
}

/// An authority with a server's and a client's certificate, as PEM files.
struct Certificates {
    directory: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let write = |name: &str, pem: String| std::fs::write(directory.path().join(name), pem);
        write("ca.pem", ca.self_signed(&ca_key).unwrap().pem()).unwrap();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        for name in ["server", "client"] {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec!["logs.example".to_owned()]).unwrap();
            let signed = params.signed_by(&key, &issuer).unwrap();
            write(&format!("{name}.pem"), signed.pem()).unwrap();
            write(&format!("{name}.key"), key.serialize_pem()).unwrap();
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn client(&self, server_name: Option<&str>) -> ClientTls {
        ClientTls {
            ca_path: Some(self.path("ca.pem")),
            server_name: server_name.map(str::to_owned),
            identity: Some(ClientIdentity {
                cert_path: self.path("client.pem"),
                key_path: self.path("client.key"),
            }),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let identity = Identity {
            cert_path: &self.path("server.pem"),
            key_path: &self.path("server.key"),
        };
        server_config(identity, Some(&self.path("ca.pem")))
            .unwrap()
            .into()
    }
}

#[tokio::test]
async fn over_tls_a_chunk_arrives_as_it_is() {
    let certificates = Certificates::new();
    let (destination, mut plan) = destination().await;
    plan.tls = Some(certificates.client(Some("logs.example")));
    let output = open(&plan);
    let payload = vec![7; 3 << 20];
    let frames = [("a", payload.as_slice()), ("b", b"\x90")];
    let sending = send(&output, &frames);
    let serving = async {
        let stream = destination.accept().await.into_stream();
        let mut peer = Peer::new(certificates.acceptor().accept(stream).await.unwrap());
        let messages = [peer.message().await, peer.message().await];
        assert_eq!(messages[0].payload, payload);
        for message in &messages {
            peer.acknowledge(message).await;
        }
        peer
    };
    let (sent, _peer) = tokio::join!(sending, serving);
    sent.committed().await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_failure_of_the_destination() {
    let certificates = Certificates::new();
    let (destination, mut plan) = destination().await;
    plan.tls = Some(certificates.client(None));
    let output = open(&plan);
    let sending = send(&output, &[("a", b"\x90")]);
    let serving = async {
        let stream = destination.accept().await.into_stream();
        assert!(certificates.acceptor().accept(stream).await.is_err());
    };
    let (sent, ()) = tokio::join!(sending, serving);
    let failure = sent.rolled_back().await;
    assert_eq!(failure.scope, FailureScope::Destination);
    assert!(
        failure.reason.contains("TLS handshake failed"),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn an_output_whose_certificates_are_missing_does_not_open() {
    let (_, mut plan) = destination().await;
    plan.tls = Some(ClientTls {
        ca_path: Some(PathBuf::from("/nowhere/ca.pem")),
        server_name: None,
        identity: None,
    });
    let opened = ForwardOutput::open("central", &plan, Clock::start());
    let error = opened.err().unwrap();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
