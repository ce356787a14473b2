//! Batches, encoded once and sent many times: only the id in them changes.

use rmp::encode;

/// Bytes of one event: its time and its record.
pub(crate) const EVENT_SIZE: usize = 225;

/// Bytes of an acknowledgement of [`Batch`]: `{"ack": ID}`.
pub(crate) const ACK_SIZE: usize = 1 + 4 + 1 + ID_LEN;

/// Digits of a batch's id.
const ID_LEN: usize = 16;

/// One PackedForward message with an id that can be set.
pub(crate) struct Batch {
    bytes: Vec<u8>,
}

impl Batch {
    /// `[tag, bin(events), {"chunk": ID}]` with `event_count` events.
    pub(crate) fn new(event_count: usize) -> Self {
        let event = event();
        assert_eq!(event.len(), EVENT_SIZE);
        let mut bytes = Vec::new();
        encode::write_array_len(&mut bytes, 3).unwrap();
        encode::write_str(&mut bytes, "bench.app").unwrap();
        encode::write_bin(&mut bytes, &event.repeat(event_count)).unwrap();
        encode::write_map_len(&mut bytes, 1).unwrap();
        encode::write_str(&mut bytes, "chunk").unwrap();
        encode::write_str(&mut bytes, &"0".repeat(ID_LEN)).unwrap();
        Self { bytes }
    }

    /// The message with the id `number`.
    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        let at = self.bytes.len() - ID_LEN;
        self.bytes[at..].copy_from_slice(format!("{number:016x}").as_bytes());
        &self.bytes
    }
}

/// `[EventTime, record]` with ten fields as a web server's log has them.
fn event() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::write_array_len(&mut bytes, 2).unwrap();
    encode::write_ext_meta(&mut bytes, 8, 0).unwrap();
    bytes.extend_from_slice(&1_700_000_000_u32.to_be_bytes());
    bytes.extend_from_slice(&123_456_789_u32.to_be_bytes());
    encode::write_map_len(&mut bytes, 10).unwrap();
    let texts = [
        ("host", "edge-7.example"),
        ("method", "GET"),
        ("path", "/api/v1/orders/4711/items"),
        ("remote", "203.0.113.77"),
        ("agent", "Mozilla/5.0 (X11; Linux)"),
        ("level", "info"),
        ("trace", "4bf92f3577b34da6a3ce929d"),
        ("message", "request done within 12 ms."),
    ];
    for (name, value) in texts {
        encode::write_str(&mut bytes, name).unwrap();
        encode::write_str(&mut bytes, value).unwrap();
    }
    encode::write_str(&mut bytes, "status").unwrap();
    encode::write_uint(&mut bytes, 200).unwrap();
    encode::write_str(&mut bytes, "took").unwrap();
    encode::write_f64(&mut bytes, 0.0125).unwrap();
    bytes
}
