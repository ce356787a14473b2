//! The configuration: any text is a plan, or it is told what is wrong, at a place in it.

use std::io;

use forebay::config::{Error, Lookup, load_str};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match load_str("f.yaml", text, &Fake) {
        Ok(plan) => assert!(!plan.routes.is_empty()),
        Err(Error::Invalid(problems)) => {
            assert!(!problems.to_string().is_empty());
            assert!(problems.iter().all(|problem| problem.position.line >= 1));
        }
        Err(error) => panic!("no file is read here: {error}"),
    }
}

/// Knows every variable and no file.
struct Fake;

impl Lookup for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        Some(name.to_lowercase())
    }

    fn file(&self, _: &str) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}
