//! TLS for the HTTP client.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::config::plan::ClientTls;
use crate::wire::tls::{self, Identity, TlsError};

/// The settings for servers whose address begins with `https`.
///
/// # Errors
/// [`TlsError`], naming the file.
pub(super) fn client_config(plan: &ClientTls) -> Result<ClientConfig, TlsError> {
    let identity = plan.identity.as_ref().map(|identity| Identity {
        cert_path: &identity.cert_path,
        key_path: &identity.key_path,
    });
    let config = tls::client_config(plan.ca_path.as_deref(), identity)?;
    let mut config = Arc::unwrap_or_clone(config);
    if let Some(name) = &plan.server_name {
        let verifier = NamedVerifier {
            name: tls::server_name(name)?,
            inner: verifier(plan)?,
        };
        config
            .dangerous()
            .set_certificate_verifier(Arc::new(verifier));
    }
    Ok(config)
}

/// Settings that trust nobody, for addresses that need no TLS: the system's authorities are not
/// looked for, and need not be there.
///
/// # Errors
/// [`TlsError::Setup`], which would be a mistake of ours.
pub(super) fn unused() -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(config)
}

fn verifier(plan: &ClientTls) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let roots = tls::roots(plan.ca_path.as_deref())?;
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider())
        .build()
        .map_err(|error| TlsError::Setup(Error::General(error.to_string())))
}

/// Verifies the server's certificate as usual, but against a name from the configuration instead
/// of the address's host.
#[derive(Debug)]
struct NamedVerifier {
    name: ServerName<'static>,
    inner: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for NamedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner
            .verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
