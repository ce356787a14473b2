//! What settings look like, as JSON Schema.

use schemars::{Schema, json_schema};

/// A length of time.
pub(super) fn duration_schema() -> Schema {
    json_schema!({
        "type": ["string", "number"],
        "pattern": r"^\s*(\d+(\.\d+)?(\s*(ms|s|m|h|d)\s*(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)*)?)\s*$",
        "minimum": 0,
    })
}

/// A number of bytes.
pub(super) fn size_schema() -> Schema {
    json_schema!({
        "type": ["string", "integer"],
        "pattern": r"^\s*\d+\s*([kKmMgGtT]?([iI]?[bB])?)\s*$",
        "minimum": 0,
    })
}
