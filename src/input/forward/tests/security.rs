//! TLS and the handshake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use secrecy::SecretString;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::rig::*;
use crate::config::plan::{ForwardInputPlan, ServerSecurity, ServerTls};
use crate::input::forward::ForwardInput;
use crate::msgpack::value_len;
use crate::wire::handshake::{AwaitHelo, AwaitPong, HandshakeError};
use crate::wire::tls::{Identity, client_config, server_name};

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn secured(users: &[(&str, &str)]) -> ForwardInputPlan {
    let users: BTreeMap<_, _> = users
        .iter()
        .map(|(name, password)| ((*name).to_owned(), secret(password)))
        .collect();
    ForwardInputPlan {
        security: Some(ServerSecurity {
            self_hostname: "server".to_owned(),
            shared_key: secret("key"),
            users,
        }),
        ..plan()
    }
}

/// Reads one MessagePack value.
async fn read_value(client: &mut Client<TcpStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value_len(&bytes).is_err() {
        let read = tokio::io::AsyncReadExt::read_u8(&mut client.0);
        bytes.push(within(read).await.unwrap());
    }
    bytes
}

/// Sends HELO's answer, with `more` right behind it.
async fn ping<'a>(
    client: &mut Client<TcpStream>,
    key: &'a SecretString,
    user: Option<(&'a str, &'a SecretString)>,
    more: &[u8],
) -> AwaitPong<'a> {
    let helo = read_value(client).await;
    let (ping, next) = AwaitHelo::new("client", key, user, [5; 16])
        .read_helo(&helo)
        .unwrap();
    client.send(&[&ping, more].concat()).await;
    next
}

#[tokio::test]
async fn a_sender_that_knows_the_key_is_let_in() {
    let rig = Rig::start(&secured(&[]));
    let mut client = rig.connect().await;
    let key = secret("key");
    let client_side = ping(&mut client, &key, None, &packed("app", b"\x01")).await;
    assert_eq!(
        client_side.read_pong(&read_value(&mut client).await),
        Ok(())
    );
    client.expect(&ack(b"\x01")).await;
    client.send(&packed("app", b"\x02")).await;
    client.expect(&ack(b"\x02")).await;
}

#[tokio::test]
async fn a_wrong_key_is_told_so_and_shut_out() {
    let rig = Rig::start(&secured(&[]));
    let mut client = rig.connect().await;
    let key = secret("wrong");
    let client_side = ping(&mut client, &key, None, b"").await;
    let pong = client.rest().await;
    let reason = HandshakeError::SharedKey.to_string();
    assert_eq!(
        client_side.read_pong(&pong),
        Err(HandshakeError::Refused { reason })
    );
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 1);
}

#[tokio::test]
async fn users_are_let_in_by_password_only() {
    let rig = Rig::start(&secured(&[("alice", "wonder")]));
    let key = secret("key");
    for (password, is_right) in [("wonder", true), ("wander", false)] {
        let mut client = rig.connect().await;
        let password = secret(password);
        let client_side = ping(&mut client, &key, Some(("alice", &password)), b"").await;
        let pong = read_value(&mut client).await;
        assert_eq!(client_side.read_pong(&pong).is_ok(), is_right);
    }
}

#[tokio::test]
async fn no_batch_is_taken_before_the_handshake() {
    let rig = Rig::start(&secured(&[]));
    for bytes in [
        packed("app", b"\x01"),
        b"[\"app\", 1, {}]".to_vec(),
        vec![0xdb; 100],
    ] {
        let mut client = rig.connect().await;
        client.send(&bytes).await;
        client.rest().await;
    }
    assert_eq!(rig.recorder.batch_count(), 0);
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 3);
}

/// A certificate authority with one certificate for both sides, as files.
struct Authority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            directory: tempfile::tempdir().unwrap(),
            issuer,
        };
        authority.write("ca.pem", &authority.issuer.pem());
        authority.issue();
        authority
    }

    fn issue(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write("cert.pem", &certificate.pem());
        self.write("key.pem", &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn plan(&self, client_ca_path: Option<PathBuf>) -> ForwardInputPlan {
        ForwardInputPlan {
            tls: Some(ServerTls {
                cert_path: self.path("cert.pem"),
                key_path: self.path("key.pem"),
                client_ca_path,
            }),
            ..plan()
        }
    }
}

async fn connect_tls(
    rig: &Rig,
    ca_path: &Path,
    identity: Option<&Authority>,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let paths = identity.map(|authority| (authority.path("cert.pem"), authority.path("key.pem")));
    let identity = paths.as_ref().map(|(cert_path, key_path)| Identity {
        cert_path,
        key_path,
    });
    let connector = TlsConnector::from(client_config(Some(ca_path), identity).unwrap());
    let stream = rig.connect().await.0;
    let stream = connector.connect(server_name("localhost").unwrap(), stream);
    within(stream).await.map(Client)
}

#[tokio::test]
async fn batches_come_over_tls() {
    let authority = Authority::new();
    let rig = Rig::start(&authority.plan(None));
    let ca_path = authority.path("ca.pem");
    let mut client = connect_tls(&rig, &ca_path, None).await.unwrap();
    client.send(&packed("app", b"\x01")).await;
    client.expect(&ack(b"\x01")).await;
    rig.stop.cancel();
    assert_eq!(client.rest().await, b"");
    rig.stopped().await;
}

#[tokio::test]
async fn what_is_no_tls_is_shut_out() {
    let authority = Authority::new();
    let rig = Rig::start(&authority.plan(None));
    let mut client = rig.connect().await;
    client.send(&packed("app", b"\x01")).await;
    client.rest().await;
    assert_eq!(rig.recorder.batch_count(), 0);
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 1);
}

#[tokio::test]
async fn a_client_certificate_is_required_if_there_is_an_authority_for_them() {
    let authority = Authority::new();
    let ca_path = authority.path("ca.pem");
    let rig = Rig::start(&authority.plan(Some(ca_path.clone())));
    let mut client = connect_tls(&rig, &ca_path, Some(&authority)).await.unwrap();
    client.send(&packed("app", b"\x01")).await;
    client.expect(&ack(b"\x01")).await;

    for stranger in [None, Some(Authority::new())] {
        // In TLS 1.3 the client's part is over before the server has looked at its certificate.
        if let Ok(mut client) = connect_tls(&rig, &ca_path, stranger.as_ref()).await {
            let batch = packed("app", b"\x02");
            let _ = within(tokio::io::AsyncWriteExt::write_all(&mut client.0, &batch)).await;
            assert_eq!(client.rest().await, b"");
        }
    }
    assert_eq!(rig.recorder.batch_count(), 1);
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 2);
}

#[tokio::test]
async fn a_client_refuses_a_server_of_another_authority() {
    let authority = Authority::new();
    let rig = Rig::start(&authority.plan(None));
    let other = Authority::new();
    assert!(
        connect_tls(&rig, &other.path("ca.pem"), None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_file_that_does_not_do_is_named() {
    let authority = Authority::new();
    let fails_naming = |plan: &ForwardInputPlan, path: &Path| {
        let error = ForwardInput::bind(plan).err().unwrap().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    };
    let ca_path = authority.path("ca.pem");
    let missing = authority.path("missing.pem");
    fails_naming(&authority.plan(Some(missing.clone())), &missing);

    let empty = authority.path("empty.pem");
    authority.write("empty.pem", "no certificate\n");
    fails_naming(&authority.plan(Some(empty.clone())), &empty);

    let other = Authority::new();
    std::fs::copy(other.path("key.pem"), authority.path("key.pem")).unwrap();
    fails_naming(&authority.plan(Some(ca_path)), &authority.path("cert.pem"));
    std::fs::remove_file(authority.path("key.pem")).unwrap();
    fails_naming(&authority.plan(None), &authority.path("key.pem"));
}
