//! What a client on the command line is told about TLS.

use std::path::PathBuf;

use crate::config::plan::{ClientIdentity, ClientTls};

/// Whom to trust, and who we are.
#[derive(Debug, Default, clap::Args)]
pub(super) struct TlsArgs {
    /// PEM file with the authorities to trust, instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file with our certificate chain, if the server asks for one.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file with the key of it.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The name to find in the server's certificate, instead of the address's host.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
}

impl TlsArgs {
    /// Whether anything is said, so that TLS is meant.
    pub(super) fn is_given(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.server_name.is_some()
    }

    /// The same as a configuration has it.
    pub(super) fn plan(&self) -> ClientTls {
        let identity = self.cert.clone().zip(self.key.clone());
        ClientTls {
            ca_path: self.ca.clone(),
            server_name: self.server_name.clone(),
            identity: identity.map(|(cert_path, key_path)| ClientIdentity {
                cert_path,
                key_path,
            }),
        }
    }
}
