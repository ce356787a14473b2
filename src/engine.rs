//! The engine: everything put together.
