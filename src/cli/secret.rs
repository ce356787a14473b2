//! Secrets for clients on the command line: from a file or the environment, never an argument,
//! which everybody on the machine could read.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// A file with a secret cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the secret in {}", path.display())]
pub struct SecretError {
    path: PathBuf,
    source: io::Error,
}

/// The text of `file` without white space around it, or else of the environment variable
/// `variable`; `None` if there is neither.
///
/// # Errors
/// [`SecretError`]: the file cannot be read, or is no text.
pub(super) fn secret(
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<SecretString>, SecretError> {
    let Some(path) = file else {
        let value = std::env::var(variable).ok();
        return Ok(value.filter(|value| !value.is_empty()).map(Into::into));
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().into())),
        Err(source) => Err(SecretError {
            path: path.to_owned(),
            source,
        }),
    }
}
