//! Certificates for TLS.

use std::fs;

use super::site::Site;

/// Writes a certificate for `name` that is its own authority, as `<name>.pem`, and its key, as
/// `<name>.key`.
pub(crate) fn make(site: &Site, name: &str) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    fs::write(site.path(&format!("{name}.pem")), made.cert.pem()).unwrap();
    fs::write(
        site.path(&format!("{name}.key")),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
}
