//! Values of chunk keys as text.

use std::fmt::Write as _;

use forebay_storage::KeyValue;

use crate::msgpack::json;

/// A value as it stands in a path: nothing for nil, binary data as hexadecimal digits, arrays,
/// maps and extensions as JSON.
pub(super) fn text(value: &KeyValue) -> String {
    match value {
        KeyValue::Nil => String::new(),
        KeyValue::Bool(value) => value.to_string(),
        KeyValue::Int(value) => value.to_string(),
        KeyValue::UInt(value) => value.to_string(),
        KeyValue::Float(bits) => float(f64::from_bits(*bits)),
        KeyValue::Str(text) => text.clone(),
        KeyValue::Bin(bytes) => hexadecimal(bytes),
        KeyValue::Other(bytes) => json_text(bytes),
    }
}

/// All bytes but letters, digits and `- . _ ~` as `%` and two digits.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn float(value: f64) -> String {
    ryu::Buffer::new().format(value).to_owned()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn json_text(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    match json::value(&mut text, bytes) {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => hexadecimal(bytes),
    }
}
