//! What of the unsynced changes a power cut leaves.

/// Which of the changes that were not synced are on the medium after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// None: exactly what was synced.
    Nothing,
    /// All of them, as after a killed process.
    Everything,
    /// Directory entries, but neither lengths nor data: new files are empty.
    Entries,
    /// Directory entries and lengths, but no data: what is new is zeros.
    Metadata,
    /// Data, but neither lengths nor directory entries.
    Data,
    /// Each on its own as the seed decides: every directory change, every file's length (one of
    /// those it had since its last sync), every sector (one of its states since then). Sectors
    /// that a failed sync dropped may be there, too.
    Random(u64),
}

/// Decides for one power cut.
pub(super) struct Fate {
    survivors: Survivors,
    state: u64,
}

impl Fate {
    pub(super) fn new(survivors: Survivors) -> Fate {
        let state = match survivors {
            Survivors::Random(seed) => seed,
            _ => 0,
        };
        Fate { survivors, state }
    }

    pub(super) fn keeps_entry(&mut self) -> bool {
        match self.survivors {
            Survivors::Nothing | Survivors::Data => false,
            Survivors::Everything | Survivors::Entries | Survivors::Metadata => true,
            Survivors::Random(_) => self.flip(),
        }
    }

    /// Which of `lens` the file has; the first is the durable one, the last the newest.
    pub(super) fn len(&mut self, lens: &[usize]) -> usize {
        let index = match self.survivors {
            Survivors::Nothing | Survivors::Entries | Survivors::Data => 0,
            Survivors::Everything | Survivors::Metadata => lens.len().saturating_sub(1),
            Survivors::Random(_) => self.pick(lens.len()),
        };
        lens.get(index).copied().unwrap_or(0)
    }

    /// Which of its unsynced states, oldest first, a sector is in; `None` for its durable one.
    pub(super) fn state<'a>(&mut self, states: &'a [Vec<u8>]) -> Option<&'a Vec<u8>> {
        match self.survivors {
            Survivors::Nothing | Survivors::Entries | Survivors::Metadata => None,
            Survivors::Everything | Survivors::Data => states.last(),
            Survivors::Random(_) => states.get(self.pick(states.len() + 1)),
        }
    }

    /// Whether a sector is there although the sync that should have written it failed.
    pub(super) fn keeps_lost(&mut self) -> bool {
        matches!(self.survivors, Survivors::Random(_)) && self.flip()
    }

    fn flip(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// A number below `count`, or 0.
    fn pick(&mut self, count: usize) -> usize {
        let count = count.max(1) as u64;
        crate::layout::to_usize(self.next() % count)
    }

    /// Splitmix64: the same seed, the same outcome.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
