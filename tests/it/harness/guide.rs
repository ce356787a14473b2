//! What the repository says of the program, as data.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The page that is made from the table of the metrics.
pub(crate) const METRICS_PAGE: &str = "src/guide/metrics.md";

/// A file of this repository.
///
/// # Panics
/// If it is not there.
pub(crate) fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of all families of metrics.
pub(crate) fn families() -> BTreeSet<String> {
    let page = text(METRICS_PAGE);
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned())
        .collect()
}
