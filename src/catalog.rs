//! The catalogue: a view that can be deleted.
