//! Placeholders in paths and addresses.

/// Being built.
#[derive(Clone, Debug)]
pub struct Template;
