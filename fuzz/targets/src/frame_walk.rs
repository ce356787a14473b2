//! The walk over a chunk's frames.
//!
//! Input: a byte for the window's length, a byte whose bits say which of the first frames get
//! right checksums, then the frames.

use forebay_storage::ChunkId;
use forebay_storage::fuzzing::{Walk, stamp_frame, walk};

const ID: ChunkId = ChunkId::from_bytes([7; 16]);

/// Where the frames begin in their file.
const START: u64 = 136;

pub(crate) fn run(bytes: &[u8]) {
    let [window, stamps, data @ ..] = bytes else {
        return;
    };
    let mut data = data.to_vec();
    stamp(&mut data, *stamps);
    let whole = walk(ID, &data, START, u64::MAX / 2);
    every_byte_is_in_one_piece(&whole, data.len());
    let window_len = 8 * (1 + u64::from(*window));
    let windowed = walk(ID, &data, START, window_len);
    every_byte_is_in_one_piece(&windowed, data.len());
    for frame in &whole.frames {
        assert!(windowed.frames.contains(frame), "lost between windows");
    }
}

/// Makes frames of what lies at the start, and at once behind them, where the bits say so.
fn stamp(data: &mut [u8], stamps: u8) {
    let mut at = 0;
    for bit in 0..8 {
        if at >= data.len() {
            return;
        }
        let mut ignored = data[at..].to_vec();
        let frame: &mut [u8] = if stamps & (1 << bit) == 0 {
            &mut ignored
        } else {
            &mut data[at..]
        };
        let Some(len) = stamp_frame(ID, frame, START + at as u64) else {
            return;
        };
        at += len;
    }
}

fn every_byte_is_in_one_piece(walk: &Walk, len: usize) {
    let frames = walk.frames.iter().chain(&walk.copies).copied();
    let damage = walk.damage.iter().map(|damage| (damage.offset, damage.len));
    let mut pieces: Vec<_> = frames.chain(damage).collect();
    pieces.sort_unstable();
    let mut end = START;
    for (offset, len) in pieces {
        assert_eq!(offset, end, "no gap, nothing twice");
        assert!(len > 0);
        end += len;
    }
    assert_eq!(end, walk.newer.unwrap_or(START + len as u64));
}
