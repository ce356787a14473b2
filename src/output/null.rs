//! The output to nowhere: for measuring, and for tags that nobody wants to keep.

use super::{BoxFuture, Buffered, Chunk, Direct, Events, Lifecycle, Outcome};

/// Confirms every chunk at once, without reading it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullOutput;

impl Lifecycle for NullOutput {}

impl Buffered for NullOutput {
    fn write<'a>(&'a self, _chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Outcome::Delivered))
    }
}

impl Direct for NullOutput {
    fn process<'a>(&'a self, _events: &'a Events) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Outcome::Delivered))
    }
}
