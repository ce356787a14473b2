//! Programs of others that tests drive. A missing one fails the test, with how to install it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What `.ci/install` made: the loggers of other languages, promtool.
pub(crate) fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients")
}

/// The program `name` from `.ci/install`'s folder or the path.
///
/// # Panics
/// If it is in neither.
pub(crate) fn find(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    first_with(name, std::iter::once(clients().join("bin")).chain(on_path))
}

/// The program `name` of the Python environment that `.ci/install` made.
///
/// # Panics
/// If it is not there.
pub(crate) fn find_client(name: &str) -> PathBuf {
    first_with(name, std::iter::once(clients().join("venv/bin")))
}

fn first_with(name: &str, mut folders: impl Iterator<Item = PathBuf>) -> PathBuf {
    let found = folders.find(|folder| folder.join(name).is_file());
    found
        .unwrap_or_else(|| panic!("{name} is missing: run .ci/install"))
        .join(name)
}

/// A script of `tests/clients/`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// Runs `command` to its end and returns its output.
///
/// # Panics
/// If it does not exit with 0.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}; run .ci/install"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{errors}",
        output.status
    );
    output
}
