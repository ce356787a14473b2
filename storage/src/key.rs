//! The chunk key: what groups events into one chunk, as it is stored in the chunk's header.

use bincode::{Decode, Encode};

/// What all events of a chunk have in common.
///
/// Two keys are equal only if their values are equal *and of one type*: `1` and `"1"` differ.
/// Parts that are not among the route's chunk keys are `None` or absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct ChunkKey {
    /// The events' tag, if `tag` is a chunk key.
    pub tag: Option<String>,
    /// The time window the events fall into, if `time` is a chunk key.
    pub window: Option<TimeWindow>,
    /// The record fields that are chunk keys, in the order of the configuration.
    pub fields: Box<[KeyField]>,
}

/// A window of event time, `[start, start + len)`, in whole seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct TimeWindow {
    /// The window's first second.
    pub start_s: i64,
    /// The window's length in seconds; never 0.
    pub len_s: u32,
}

/// One record field of a chunk key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct KeyField {
    /// The field as written in the configuration, e.g. `user` or `$.kubernetes.pod`.
    pub path: String,
    /// Its value in every event of the chunk.
    pub value: KeyValue,
}

/// The value of a record field, typed.
///
/// Integers are equal however MessagePack encoded them; floats compare by their bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub enum KeyValue {
    /// The field is absent or nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// The bits of an `f64` (an `f32` is widened first).
    Float(u64),
    /// A string; bytes that are not UTF-8 are kept as `Bin`.
    Str(String),
    /// Binary data.
    Bin(Vec<u8>),
    /// Any other value (array, map, extension) as its MessagePack bytes.
    Other(Vec<u8>),
}
