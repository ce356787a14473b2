//! Chunk keys: what groups events into a chunk.

/// Being built.
#[derive(Clone, Debug)]
pub struct KeySpec;
