//! The chunk as an output sees it.

/// Being built.
pub struct Chunk;
