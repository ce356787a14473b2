//! Servers that speak TLS.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{deliver, failure, plan, small};
use crate::output::{FailureScope, Outcome};
use crate::wire::tls::{Identity, server_config};

/// A server with a certificate of its own for one name.
struct Server {
    port: u16,
    /// The certificate, in a file.
    ca_path: PathBuf,
    _directory: TempDir,
}

async fn server(name: &str) -> Server {
    let directory = TempDir::new().unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let ca_path = directory.path().join("cert.pem");
    let key_path = directory.path().join("key.pem");
    std::fs::write(&ca_path, cert.pem()).unwrap();
    std::fs::write(&key_path, signing_key.serialize_pem()).unwrap();
    let identity = Identity {
        cert_path: &ca_path,
        key_path: &key_path,
    };
    let acceptor = TlsAcceptor::from(server_config(identity, None).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, Arc::new(acceptor)));
    Server {
        port,
        ca_path,
        _directory: directory,
    }
}

async fn serve(listener: TcpListener, acceptor: Arc<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else {
            continue;
        };
        // The request is small: one read has the head, and the answer is the same for all.
        let mut buffer = [0; 4096];
        let _request = stream.read(&mut buffer).await;
        let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        let _client_is_gone = stream.write_all(answer).await;
        let _client_is_gone = stream.shutdown().await;
    }
}

#[tokio::test]
async fn a_trusted_certificate_for_the_host_is_accepted() {
    let server = server("localhost").await;
    let mut plan = plan(&format!("https://localhost:{}/", server.port));
    plan.tls.ca_path = Some(server.ca_path.clone());
    assert_eq!(deliver(&plan, &small()).await, Outcome::Delivered);
}

#[tokio::test]
async fn the_configured_name_is_verified_instead_of_the_host() {
    let server = server("logs.example.com").await;
    let mut plan = plan(&format!("https://localhost:{}/", server.port));
    plan.tls.ca_path = Some(server.ca_path.clone());
    let refused = failure(deliver(&plan, &small()).await);
    assert_eq!(
        refused.scope,
        FailureScope::Destination,
        "{}",
        refused.reason
    );
    plan.tls.server_name = Some("logs.example.com".to_owned());
    assert_eq!(deliver(&plan, &small()).await, Outcome::Delivered);
    plan.tls.server_name = Some("other.example.com".to_owned());
    let refused = failure(deliver(&plan, &small()).await);
    assert_eq!(
        refused.scope,
        FailureScope::Destination,
        "{}",
        refused.reason
    );
}

#[tokio::test]
async fn an_unknown_authority_is_a_failing_destination() {
    let (server, other) = (server("localhost").await, self::server("localhost").await);
    let mut plan = plan(&format!("https://localhost:{}/", server.port));
    plan.tls.ca_path = Some(other.ca_path.clone());
    let refused = failure(deliver(&plan, &small()).await);
    assert_eq!(
        refused.scope,
        FailureScope::Destination,
        "{}",
        refused.reason
    );
}
