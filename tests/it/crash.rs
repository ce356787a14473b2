//! What must hold whatever happens to the process.

mod descriptors;
mod kill;
mod sync_order;
