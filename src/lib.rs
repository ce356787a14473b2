//! Forebay: a forwarder for logs and events that keeps them on disk until every destination has
//! confirmed them.
//!
//! The modules below stand in the order of their layers: a module may use only what stands above
//! its own line (`tests/layers.rs` holds it).

pub mod clock;

pub mod telemetry;

pub mod msgpack;

pub mod event;

pub mod wire;

pub mod chunk_key;
pub mod route;

pub mod placeholder;

pub mod decoder;

pub mod config;

pub mod buffer;

pub mod flush;

pub mod filter;
pub mod input;
pub mod output;

pub mod registry;

pub mod testing;

pub mod catalog;
pub mod metrics;

pub mod engine;

pub mod admin;

pub mod cli;

pub mod guide;
