//! Events that can be told apart, as MessagePack.

use rmp::encode;
use rmpv::Value;

/// Which event it is: the client in the upper half, its sequence number in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EventId(pub(crate) u64);

impl EventId {
    /// The event `sequence` of `client`.
    pub(crate) fn new(client: u32, sequence: u32) -> Self {
        Self(u64::from(client) << 32 | u64::from(sequence))
    }

    /// `count` events of `client`, from sequence number `first` on.
    pub(crate) fn run(client: u32, first: u32, count: u32) -> Vec<Self> {
        (first..first + count)
            .map(|sequence| Self::new(client, sequence))
            .collect()
    }

    /// The id in a record that a destination was given.
    ///
    /// # Panics
    /// If the record has none: a destination was given an event that no test made.
    pub(crate) fn of_record(record: &Value) -> Self {
        Self::if_any(record).unwrap_or_else(|| panic!("a foreign event arrived: {record}"))
    }

    fn if_any(record: &Value) -> Option<Self> {
        let fields = record.as_map()?;
        let (_, id) = fields
            .iter()
            .find(|(name, _)| name.as_str() == Some("id"))?;
        id.as_u64().map(Self)
    }
}

/// The entries `[EventTime, {"id", "key", "text"}]` of `ids`, back to back. The field `key` cycles
/// through `key_count` values.
pub(crate) fn entries(ids: &[EventId], key_count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in ids {
        entry_head(
            &mut bytes,
            1_700_000_000 + u32::try_from(id.0 & 0xFFFF).unwrap(),
        );
        encode::write_map_len(&mut bytes, 3).unwrap();
        encode::write_str(&mut bytes, "id").unwrap();
        encode::write_uint(&mut bytes, id.0).unwrap();
        encode::write_str(&mut bytes, "key").unwrap();
        encode::write_str(&mut bytes, &format!("k{}", id.0 % key_count)).unwrap();
        encode::write_str(&mut bytes, "text").unwrap();
        encode::write_str(
            &mut bytes,
            "GET /healthz 200 0.003 a line of a log of usual length",
        )
        .unwrap();
    }
    bytes
}

/// One entry with a record of about `size` bytes.
pub(crate) fn large_entry(id: EventId, size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry_head(&mut bytes, 1_700_000_000);
    encode::write_map_len(&mut bytes, 2).unwrap();
    encode::write_str(&mut bytes, "id").unwrap();
    encode::write_uint(&mut bytes, id.0).unwrap();
    encode::write_str(&mut bytes, "text").unwrap();
    encode::write_str(&mut bytes, &"x".repeat(size)).unwrap();
    bytes
}

/// One entry whose record is not a map.
pub(crate) fn entry_without_map() -> Vec<u8> {
    let mut bytes = Vec::new();
    entry_head(&mut bytes, 1_700_000_000);
    encode::write_str(&mut bytes, "no map").unwrap();
    bytes
}

fn entry_head(bytes: &mut Vec<u8>, seconds: u32) {
    encode::write_array_len(bytes, 2).unwrap();
    encode::write_ext_meta(bytes, 8, 0).unwrap();
    bytes.extend_from_slice(&seconds.to_be_bytes());
    bytes.extend_from_slice(&7_u32.to_be_bytes());
}
