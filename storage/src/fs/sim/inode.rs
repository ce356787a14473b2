//! One file's bytes: what programs see, what is durable, and every state in between.

use std::collections::BTreeMap;

use super::survivors::Fate;
use crate::layout::SECTOR_LEN;

/// By sector, the states it was in since it was last synced, oldest first.
type Unsynced = BTreeMap<usize, Vec<Vec<u8>>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What programs see.
    pub(super) seen: Vec<u8>,
    /// What is on the medium for certain.
    durable: Vec<u8>,
    dirty: Unsynced,
    /// What a failed sync should have written, and programs still see: clean, but perhaps never
    /// on the medium.
    lost: Unsynced,
    /// Lengths it had since the last sync, oldest first.
    lens: Vec<usize>,
    /// The next `sync_data` fails.
    is_failing: bool,
}

impl Inode {
    /// A file that has been on the medium for long.
    pub(super) fn settled(bytes: Vec<u8>) -> Inode {
        Inode {
            seen: bytes.clone(),
            durable: bytes,
            ..Inode::default()
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if end > self.seen.len() {
            self.set_len(end);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR_LEN..end.div_ceil(SECTOR_LEN) {
            let start = sector * SECTOR_LEN;
            let state = self.seen[start..(start + SECTOR_LEN).min(self.seen.len())].to_vec();
            self.dirty.entry(sector).or_default().push(state);
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.seen.resize(len, 0);
        self.lens.push(len);
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        self.lens.clear();
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            self.lost.remove(&sector);
            let start = (sector * SECTOR_LEN).min(self.seen.len());
            let end = (start + SECTOR_LEN).min(self.seen.len());
            self.durable[start..end].copy_from_slice(&self.seen[start..end]);
        }
    }

    /// The pages are clean from now on, as Linux has it: what they held is lost.
    pub(super) fn lose(&mut self) {
        self.lost.append(&mut self.dirty);
    }

    /// As [`Inode::lose`], by a sync of everything; the file's own next sync tells.
    pub(super) fn lose_untold(&mut self) {
        self.lose();
        self.is_failing = true;
    }

    /// Whether a failure is still to be told; it is told once.
    pub(super) fn take_failure(&mut self) -> bool {
        std::mem::take(&mut self.is_failing)
    }

    /// Damages the medium, and what programs see of it.
    pub(super) fn damage(&mut self, offset: usize, change: impl Fn(&mut [u8])) {
        for image in [&mut self.seen, &mut self.durable] {
            if let Some(bytes) = image.get_mut(offset..) {
                change(bytes);
            }
        }
    }

    pub(super) fn after_power_cut(&self, fate: &mut Fate) -> Inode {
        let mut lens = vec![self.durable.len()];
        lens.extend(&self.lens);
        let mut bytes = self.durable.clone();
        bytes.resize(fate.len(&lens), 0);
        for (sector, states) in &self.lost {
            if fate.keeps_lost()
                && let Some(state) = states.last()
            {
                put(&mut bytes, *sector, state);
            }
        }
        for (sector, states) in &self.dirty {
            if let Some(state) = fate.state(states) {
                put(&mut bytes, *sector, state);
            }
        }
        Inode::settled(bytes)
    }
}

/// Replaces what the file has of the sector.
fn put(bytes: &mut [u8], sector: usize, state: &[u8]) {
    let Some(place) = bytes.get_mut(sector * SECTOR_LEN..) else {
        return;
    };
    let len = place.len().min(state.len());
    place[..len].copy_from_slice(&state[..len]);
}
