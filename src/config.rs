//! The configuration: schema, plan, errors.

pub mod plan;
