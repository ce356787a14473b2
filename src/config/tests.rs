//! Whole configurations: what is made of good ones, and what is said of bad ones.

use std::io;

use super::plan::Plan;
use super::{Error, Lookup, load_str};

mod any;
mod bad;
mod examples;
mod filters;
mod good;
mod inputs;

/// An environment with one variable and one file.
struct Fake;

impl Lookup for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "FOREBAY_SHARED_KEY").then(|| "0123".to_owned())
    }

    fn file(&self, path: &str) -> io::Result<String> {
        match path {
            "/run/secrets/key" => Ok("from a file\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn plan(text: &str) -> Plan {
    load_str("f.yaml", text, &Fake).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with `text`.
fn problems(text: &str) -> String {
    match load_str("f.yaml", text, &Fake) {
        Err(Error::Invalid(problems)) => problems.to_string(),
        other => panic!("expected problems, found {other:?}"),
    }
}

/// The smallest configuration, with `settings` in its route's buffer section; the first of them is
/// on line 9.
fn with_buffer(settings: &[&str]) -> String {
    let mut text = "\
data_dir: d
inputs: {i: {type: http}}
outputs:
  o: {type: stdout}
routes:
  r:
    match: '**'
    to: o
"
    .to_owned();
    if !settings.is_empty() {
        text.push_str("    buffer:\n");
    }
    for setting in settings {
        text.push_str(&format!("      {setting}\n"));
    }
    text
}

/// The smallest configuration, with `settings` in its output, which is of type `kind`; the first
/// of them is on line 7.
fn with_output(kind: &str, settings: &[&str]) -> String {
    let mut text = format!(
        "\
data_dir: d
inputs: {{i: {{type: http}}}}
routes: {{r: {{match: '**', to: o}}}}
outputs:
  o:
    type: {kind}
"
    );
    for setting in settings {
        text.push_str(&format!("    {setting}\n"));
    }
    text
}

/// The smallest configuration, with `settings` in its input, which is of type `kind`; the first
/// of them is on line 7.
fn with_input(kind: &str, settings: &[&str]) -> String {
    let mut text = format!(
        "\
data_dir: d
outputs: {{o: {{type: stdout}}}}
routes: {{r: {{match: '**', to: o}}}}
inputs:
  i:
    type: {kind}
"
    );
    for setting in settings {
        text.push_str(&format!("    {setting}\n"));
    }
    text
}
