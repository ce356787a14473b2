//! TLS settings from PEM files, for both sides.
//!
//! TLS 1.2 is the least version, ring the cryptography; both are named here and nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};

/// TLS 1.2 and 1.3.
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The chain, the own certificate first.
    pub cert_path: &'a Path,
    /// The private key: PKCS#8, PKCS#1 or SEC 1.
    pub key_path: &'a Path,
}

/// Why TLS cannot be set up. An operator must act.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("cannot read {what} from {}: {source}", path.display())]
    Unreadable {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The problem.
        source: pem::Error,
    },
    /// A file holds no certificate.
    #[error("no certificate in {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate or key does not do for its purpose.
    #[error("cannot use {what} from {}: {reason}", path.display())]
    Unusable {
        /// What the file holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The problem, in the library's words.
        reason: String,
    },
    /// The system has no certificate authorities.
    #[error("the system trusts no certificate authority: {reason}")]
    NoSystemRoots {
        /// What was tried.
        reason: String,
    },
    /// A name that no certificate can be checked against.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    BadServerName {
        /// The name.
        name: String,
    },
    /// The library refuses the settings.
    #[error("cannot set up TLS")]
    Setup(#[from] rustls::Error),
}

/// The server's side. With `client_ca_path`, every client must show a certificate from one of the
/// authorities in that PEM file.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn server_config(
    identity: Identity<'_>,
    client_ca_path: Option<&Path>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?;
    let builder = match client_ca_path {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(roots_from(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .build()
                .map_err(|error| unusable("client authorities", path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = load(identity)?;
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|error| unusable("certificate and key", identity.cert_path, &error))?;
    Ok(Arc::new(config))
}

/// The client's side. Servers must show a certificate from an authority in the PEM file
/// `ca_path`, or, without one, from one that the system trusts.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn client_config(
    ca_path: Option<&Path>,
    identity: Option<Identity<'_>>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = roots(ca_path)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = load(identity)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable("certificate and key", identity.cert_path, &error))?
        }
    };
    Ok(Arc::new(config))
}

/// The authorities in the PEM file `ca_path`, or, without one, those that the system trusts.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn roots(ca_path: Option<&Path>) -> Result<RootCertStore, TlsError> {
    match ca_path {
        Some(path) => roots_from(path),
        None => system_roots(),
    }
}

/// The name that a server's certificate is checked against: a DNS name or an IP address.
///
/// # Errors
/// [`TlsError::BadServerName`].
pub fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::BadServerName {
        name: name.to_owned(),
    })
}

/// The cryptography.
#[must_use]
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn load(
    identity: Identity<'_>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(identity.cert_path)?;
    let key =
        PrivateKeyDer::from_pem_file(identity.key_path).map_err(|source| TlsError::Unreadable {
            what: "a private key",
            path: identity.key_path.to_owned(),
            source,
        })?;
    Ok((chain, key))
}

/// The certificates in a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|source| TlsError::Unreadable {
            what: "certificates",
            path: path.to_owned(),
            source,
        })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

fn roots_from(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unusable("a certificate authority", path, &error))?;
    }
    Ok(roots)
}

/// Certificates that the library cannot use are left out: systems carry odd ones.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let problems: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoSystemRoots {
            reason: problems.join("; "),
        });
    }
    Ok(roots)
}

fn unusable(what: &'static str, path: &Path, reason: &dyn std::error::Error) -> TlsError {
    TlsError::Unusable {
        what,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_can_be_verified() {
        assert!(server_name("logs.example.com").is_ok());
        assert!(server_name("192.0.2.1").is_ok());
        assert!(server_name("2001:db8::1").is_ok());
        assert!(server_name("not a name").is_err());
        assert!(server_name("").is_err());
    }
}
