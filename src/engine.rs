//! The engine: everything put together.

pub mod status;
