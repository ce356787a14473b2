//! What goes wrong on a simulated disk, and when.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

/// What goes wrong, and when. Counts begin at 0 when the faults are set.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Bytes that files may take, in blocks of 4096; `None` is no limit.
    pub capacity_bytes: Option<u64>,
    /// Which calls that need space find none: creating a file, making one longer.
    pub failing_allocations: Calls,
    /// Which calls that need a descriptor find none: creating or opening a file, syncing a
    /// directory.
    pub failing_opens: Calls,
    /// Which calls of `sync_data` fail. What they should have made durable is lost, although
    /// programs go on seeing it: the next call succeeds and does not write it.
    pub failing_syncs: Calls,
    /// Which calls of `sync_data` succeed while the file system goes down: they make nothing
    /// durable, and every later call of any kind fails.
    pub false_syncs: Calls,
    /// Which calls of `sync_dir` fail, as `failing_syncs` do.
    pub failing_dir_syncs: Calls,
    /// Which calls of `sync_all` fail; the `sync_data` of a file with unsynced data then fails
    /// once, too.
    pub failing_sync_alls: Calls,
    /// Which writes fail after half of their bytes.
    pub failing_writes: Calls,
    /// Which reads fail; a mapping is one read, of which then nothing can be populated.
    pub failing_reads: Calls,
    /// Which renames and removals fail.
    pub failing_moves: Calls,
    /// What is below this directory is on another volume: `sync_all` does not reach it.
    pub other_volume: Option<PathBuf>,
    /// The part of every file that cannot be read.
    pub unreadable: Option<Range<u64>>,
    /// Mappings cannot be populated, as on old or other systems.
    pub is_populate_unsupported: bool,
    /// After this many changing operations in all, every call fails: the power is off.
    pub power_off_after: Option<u64>,
}

/// Some of the calls of one kind, by their number. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    listed: BTreeSet<u64>,
    /// This one and all later ones.
    from: Option<u64>,
}

impl Calls {
    /// The call with this number and all later ones.
    pub fn from_on(first: u64) -> Calls {
        let (listed, from) = (BTreeSet::new(), Some(first));
        Calls { listed, from }
    }

    pub(super) fn contains(&self, call: u64) -> bool {
        self.listed.contains(&call) || self.from.is_some_and(|first| call >= first)
    }
}

impl<const N: usize> From<[u64; N]> for Calls {
    fn from(calls: [u64; N]) -> Calls {
        calls.into_iter().collect()
    }
}

impl FromIterator<u64> for Calls {
    fn from_iter<I: IntoIterator<Item = u64>>(calls: I) -> Calls {
        let listed = calls.into_iter().collect();
        Calls { listed, from: None }
    }
}
