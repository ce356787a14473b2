//! The configuration: one YAML file, checked as a whole before anything is opened.
//!
//! Steps, each a module: `node` reads the text into a tree that knows its positions, `expand` puts
//! in environment variables and secrets, `decode` reads the tree as the `schema` (what the user
//! wrote), and `convert` checks that and makes the [`plan`] (what the program needs). Each step
//! finds all it can that is wrong before it stops the next; everything that is wrong has a place
//! in the text.
//!
//! Types of plugins that are not built in come by [`types`]; their settings are [`settings`].
//!
//! Relative paths are relative to the working directory.
//!
//! # Variables and secrets
//!
//! In values, `${NAME}` (capital letters, digits, underscores) is replaced by the environment
//! variable, `${NAME:-default}` by it or by the default, `${file:/path}` by the file's text without
//! the newline at its end. Any other `${...}` is a placeholder and left alone; `$${` is a literal
//! `${`.

use std::path::Path;

pub mod plan;
pub mod settings;
pub mod types;

mod convert;
mod decode;
mod defaults;
mod describe;
mod error;
mod expand;
mod node;
mod schema;
mod units;

pub use describe::{builtin, file_schema, kind_word, with_common};
pub use error::{Error, Position, Problem, Problems};
pub use expand::{Lookup, System};
pub use units::duration;

use decode::FromNode as _;
use plan::Plan;
use types::{NoTypes, Types};

/// What [`quick_start`] runs, and where it stands in the repository.
const QUICK_START: (&str, &str) = (
    "deploy/config/quick-start.yaml",
    include_str!("../deploy/config/quick-start.yaml"),
);

/// The plan of the file at `path`, with the process's environment.
///
/// # Errors
/// If the file cannot be read, or everything that is wrong with it.
pub fn load(path: &Path, types: &dyn Types) -> Result<Plan, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    load_with(&path.display().to_string(), &text, &System, types)
}

/// The plan of `text`, with no types of plugins but those that are built in; `name` stands for it
/// in errors.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_str(name: &str, text: &str, lookup: &dyn Lookup) -> Result<Plan, Error> {
    load_with(name, text, lookup, &NoTypes)
}

/// The plan of `text`, with `types` beside those that are built in; `name` stands for it in errors.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_with(
    name: &str,
    text: &str,
    lookup: &dyn Lookup,
    types: &dyn Types,
) -> Result<Plan, Error> {
    let mut problems = Problems::new(name, text);
    let Some(mut root) = node::parse(text, &mut problems) else {
        return problems.into_error();
    };
    expand::expand_all(&mut root, lookup, &mut problems);
    if !problems.is_empty() {
        return problems.into_error();
    }
    let config = schema::Config::from_node(&root, &mut problems);
    let Some(config) = config.filter(|_| problems.is_empty()) else {
        return problems.into_error();
    };
    let plan = convert::plan(config, types, &mut problems);
    if !problems.is_empty() {
        return problems.into_error();
    }
    Ok(plan)
}

/// The plan that is used when no file is given: forward and HTTP on localhost, everything to
/// standard output.
///
/// # Errors
/// Only if an environment variable that it names makes it invalid.
pub fn quick_start() -> Result<Plan, Error> {
    let (name, text) = QUICK_START;
    load_str(name, text, &System)
}

#[cfg(test)]
mod tests;
