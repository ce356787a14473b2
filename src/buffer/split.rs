//! Splitting a payload that no single chunk may hold.

use crate::event::entries;

/// A run of entries that one chunk may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) payload: &'a [u8],
    pub(super) event_count: u64,
}

/// What one append may hold at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct PieceLimits {
    pub(super) size_max: u64,
    pub(super) event_count_max: u64,
}

/// Splits `payload`, which has `event_count` entries, none of them larger than a piece may be.
///
/// Nearly every payload fits as it is, and is not walked.
pub(super) fn pieces(payload: &[u8], event_count: u64, limits: PieceLimits) -> Vec<Piece<'_>> {
    let whole = Piece {
        payload,
        event_count,
    };
    if fits(payload.len(), event_count, limits) {
        return vec![whole];
    }
    let mut pieces = Vec::new();
    let (mut start, mut end, mut count) = (0, 0, 0);
    for entry in entries(payload) {
        let entry_len = match entry {
            Ok(entry) => entry.bytes.len(),
            Err(bad) => bad.bytes.len(),
        };
        if count > 0 && !fits(end + entry_len - start, count + 1, limits) {
            pieces.push(Piece {
                payload: &payload[start..end],
                event_count: count,
            });
            (start, count) = (end, 0);
        }
        end += entry_len;
        count += 1;
    }
    if count > 0 {
        pieces.push(Piece {
            payload: &payload[start..end],
            event_count: count,
        });
    }
    pieces
}

fn fits(size: usize, event_count: u64, limits: PieceLimits) -> bool {
    u64::try_from(size).is_ok_and(|size| size <= limits.size_max)
        && event_count <= limits.event_count_max
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[1, {}]`, three bytes.
    const ENTRY: [u8; 3] = [0x92, 1, 0x80];

    fn sizes(count: usize, size_max: u64, event_count_max: u64) -> Vec<(usize, u64)> {
        let payload = ENTRY.repeat(count);
        let limits = PieceLimits {
            size_max,
            event_count_max,
        };
        let count = u64::try_from(count).unwrap();
        let pieces = pieces(&payload, count, limits);
        assert_eq!(
            pieces.iter().flat_map(|piece| piece.payload).count(),
            payload.len()
        );
        pieces
            .iter()
            .map(|piece| (piece.payload.len(), piece.event_count))
            .collect()
    }

    #[test]
    fn what_fits_stays_whole() {
        assert_eq!(sizes(4, 12, 4), [(12, 4)]);
    }

    #[test]
    fn pieces_end_before_the_entry_that_would_pass_the_size() {
        assert_eq!(sizes(5, 8, 100), [(6, 2), (6, 2), (3, 1)]);
    }

    #[test]
    fn pieces_hold_no_more_events_than_allowed() {
        assert_eq!(sizes(5, 100, 2), [(6, 2), (6, 2), (3, 1)]);
    }
}
