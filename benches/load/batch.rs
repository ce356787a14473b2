//! Batches, encoded once and sent many times: only the tag and the id in them change.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use rmp::encode;

use super::clock;
use super::work::{Protocol, Work};

/// Bytes of one event: its time and its record.
pub(crate) const EVENT_SIZE: usize = 225;

/// Bytes of an acknowledgement of a [`Batch`] by the forward protocol: `{"ack": ID}`.
pub(crate) const ACK_SIZE: usize = 1 + 4 + 1 + ID_LEN;

/// Digits of a batch's id.
const ID_LEN: usize = 16;

/// Digits of the number in a batch's tag.
const TAG_DIGITS: usize = 6;

/// One message whose tag and id can be set.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where the digits in the tag begin.
    tag_at: usize,
    /// Where the id begins, if there is one.
    id_at: Option<usize>,
}

impl Batch {
    /// A batch as `work` wants it.
    pub(crate) fn new(work: Work) -> Self {
        match work.protocol {
            Protocol::Forward => Self::forward(&events(work.batch_events), false),
            Protocol::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&events(work.batch_events)).unwrap();
                Self::forward(&encoder.finish().unwrap(), true)
            }
            Protocol::Http => Self::http(work.batch_events),
        }
    }

    /// The message with the tag `tag` and the id `id`.
    pub(crate) fn numbered(&mut self, tag: u64, id: u64) -> &[u8] {
        let tag = format!("{tag:06}");
        self.bytes[self.tag_at..][..TAG_DIGITS].copy_from_slice(tag.as_bytes());
        if let Some(at) = self.id_at {
            self.bytes[at..].copy_from_slice(format!("{id:016x}").as_bytes());
        }
        &self.bytes
    }

    /// `[tag, bin(payload), {"compressed": "gzip", "chunk": ID}]`.
    fn forward(payload: &[u8], is_gzip: bool) -> Self {
        let mut bytes = Vec::new();
        encode::write_array_len(&mut bytes, 3).unwrap();
        encode::write_str(&mut bytes, &tag()).unwrap();
        let tag_at = bytes.len() - TAG_DIGITS;
        encode::write_bin(&mut bytes, payload).unwrap();
        encode::write_map_len(&mut bytes, 1 + u32::from(is_gzip)).unwrap();
        if is_gzip {
            encode::write_str(&mut bytes, "compressed").unwrap();
            encode::write_str(&mut bytes, "gzip").unwrap();
        }
        encode::write_str(&mut bytes, "chunk").unwrap();
        encode::write_str(&mut bytes, &"0".repeat(ID_LEN)).unwrap();
        let id_at = Some(bytes.len() - ID_LEN);
        Self {
            bytes,
            tag_at,
            id_at,
        }
    }

    /// `POST /tag` with a line for each event.
    fn http(event_count: u64) -> Self {
        let body = ndjson(event_count);
        let target = format!("POST /{}", tag());
        let tag_at = target.len() - TAG_DIGITS;
        let mut bytes = format!(
            "{target} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-ndjson\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&body);
        Self {
            bytes,
            tag_at,
            id_at: None,
        }
    }
}

fn tag() -> String {
    format!("bench.{}", "0".repeat(TAG_DIGITS))
}

/// Texts of a record, as a web server's log has them: ten hosts, a trace for each event.
fn texts(number: u64) -> [(&'static str, String); 8] {
    let trace = number
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(17);
    [
        ("host", format!("edge-{}.example", number % 10)),
        ("method", "GET".to_owned()),
        ("path", "/api/v1/orders/4711/items".to_owned()),
        ("remote", "203.0.113.77".to_owned()),
        ("agent", "Mozilla/5.0 (X11; Linux)".to_owned()),
        ("level", "info".to_owned()),
        ("trace", format!("{trace:016x}{:08x}", trace >> 32)),
        ("message", "request done within 12 ms.".to_owned()),
    ]
}

/// `event_count` times `[EventTime, record]`.
pub(crate) fn events(event_count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let second = clock::unix_second();
    for number in 0..event_count {
        encode::write_array_len(&mut bytes, 2).unwrap();
        encode::write_ext_meta(&mut bytes, 8, 0).unwrap();
        bytes.extend_from_slice(&second.to_be_bytes());
        bytes.extend_from_slice(&123_456_789_u32.to_be_bytes());
        encode::write_map_len(&mut bytes, 10).unwrap();
        for (name, value) in texts(number) {
            encode::write_str(&mut bytes, name).unwrap();
            encode::write_str(&mut bytes, &value).unwrap();
        }
        encode::write_str(&mut bytes, "status").unwrap();
        encode::write_uint(&mut bytes, 200).unwrap();
        encode::write_str(&mut bytes, "took").unwrap();
        encode::write_f64(&mut bytes, 0.0125).unwrap();
    }
    let count = usize::try_from(event_count).unwrap();
    assert_eq!(bytes.len(), count * EVENT_SIZE);
    bytes
}

/// The same records, a line each.
pub(crate) fn ndjson(event_count: u64) -> Vec<u8> {
    let mut lines = Vec::new();
    for number in 0..event_count {
        for (name, value) in texts(number) {
            let first = if name == "host" { "{" } else { "," };
            write!(lines, "{first}\"{name}\":\"{value}\"").unwrap();
        }
        lines.extend_from_slice(b",\"status\":200,\"took\":0.0125}\n");
    }
    lines
}
