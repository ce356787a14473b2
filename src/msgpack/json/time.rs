//! Extensions that are moments.

use jiff::Timestamp;

use super::EVENT_TIME_EXT;

/// The extension type that the MessagePack specification gives to timestamps.
const TIMESTAMP_EXT: i8 = -1;

/// The moment that an extension stands for; `None` if it is something else, or lies outside the
/// years that RFC 3339 can write.
pub(super) fn moment(kind: i8, data: &[u8]) -> Option<Timestamp> {
    match kind {
        EVENT_TIME_EXT => event_time(data),
        TIMESTAMP_EXT => timestamp(data),
        _ => None,
    }
}

fn event_time(data: &[u8]) -> Option<Timestamp> {
    let [seconds, nanoseconds] = halves(data)?;
    moment_of(i64::from(seconds), nanoseconds)
}

/// The specification's three layouts: 32 bits of seconds; 30 bits of nanoseconds and 34 of
/// seconds; 32 bits of nanoseconds and 64 of seconds.
fn timestamp(data: &[u8]) -> Option<Timestamp> {
    if let Ok(seconds) = data.try_into() {
        return moment_of(i64::from(u32::from_be_bytes(seconds)), 0);
    }
    if let Some([high, low]) = halves(data) {
        let seconds = i64::from(high & 0b11) << 32 | i64::from(low);
        return moment_of(seconds, high >> 2);
    }
    let (nanoseconds, seconds) = data.split_first_chunk()?;
    let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
    moment_of(seconds, u32::from_be_bytes(*nanoseconds))
}

fn halves(data: &[u8]) -> Option<[u32; 2]> {
    let word = u64::from_be_bytes(data.try_into().ok()?);
    let high = u32::try_from(word >> 32).ok()?;
    let low = u32::try_from(word & u64::from(u32::MAX)).ok()?;
    Some([high, low])
}

fn moment_of(seconds: i64, nanoseconds: u32) -> Option<Timestamp> {
    let nanoseconds = i32::try_from(nanoseconds).ok()?;
    Timestamp::new(seconds, nanoseconds).ok()
}
