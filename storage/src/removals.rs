//! Directories from which files were removed: when that is to be made durable.
//!
//! A power cut brings a removed file back that no sync of its directory has covered, and what it
//! held is delivered again. Nobody waits for such a sync, and one for each file would cost a busy
//! disk more than the deliveries, so removals share it: it comes [`PAUSE_NS`] after the first of
//! them, or later on a disk so slow that it would take much of the committer's time.
//! A sync that new files need covers removals as well. Pure: time is a parameter.

use std::path::PathBuf;
use std::time::Duration;

/// How long a removal waits for others to share its sync.
pub(crate) const PAUSE_NS: u64 = 100_000_000;

/// The pause is at least so many times what the last sync took, ...
const PAUSE_SYNCS: u64 = 5;

/// ... but not longer than this.
const PAUSE_NS_MAX: u64 = 2_000_000_000;

#[derive(Debug, Default)]
pub(crate) struct Removals {
    dirs: Vec<PathBuf>,
    /// When the first of them was added; `None` without a clock.
    since_ns: Option<u64>,
    last_took_ns: u64,
}

impl Removals {
    /// A file was removed from `dir` at `now_ns`; without a clock its sync is due at once.
    pub(crate) fn add(&mut self, dir: PathBuf, now_ns: Option<u64>) {
        if self.dirs.is_empty() {
            self.since_ns = now_ns;
        }
        if !self.dirs.contains(&dir) {
            self.dirs.push(dir);
        }
    }

    /// How long they may still wait; `None` if there are none.
    pub(crate) fn patience(&self, now_ns: Option<u64>) -> Option<Duration> {
        if self.dirs.is_empty() {
            return None;
        }
        let waited_ns = now_ns.zip(self.since_ns);
        let left_ns = waited_ns.map_or(0, |(now_ns, since_ns)| {
            self.pause_ns()
                .saturating_sub(now_ns.saturating_sub(since_ns))
        });
        Some(Duration::from_nanos(left_ns))
    }

    /// They have waited long enough, whatever the clock says.
    pub(crate) fn hurry(&mut self) {
        self.since_ns = None;
    }

    /// A sync has covered this directory.
    pub(crate) fn forget(&mut self, dir: &PathBuf) {
        self.dirs.retain(|other| other != dir);
    }

    /// The directories to sync now.
    pub(crate) fn take(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.dirs)
    }

    /// Their syncs took so long together.
    pub(crate) fn took(&mut self, took_ns: u64) {
        self.last_took_ns = took_ns;
    }

    fn pause_ns(&self) -> u64 {
        let for_slow_disk_ns = self.last_took_ns.saturating_mul(PAUSE_SYNCS);
        for_slow_disk_ns.clamp(PAUSE_NS, PAUSE_NS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn left_ms(removals: &Removals, now_ms: u64) -> Option<u128> {
        let left = removals.patience(Some(now_ms * MS));
        left.map(|left| left.as_millis())
    }

    #[test]
    fn removals_share_a_sync_that_comes_a_pause_after_the_first() {
        let mut removals = Removals::default();
        assert_eq!(left_ms(&removals, 5), None);
        removals.add("/a".into(), Some(10 * MS));
        removals.add("/b".into(), Some(60 * MS));
        removals.add("/a".into(), Some(90 * MS));
        assert_eq!(left_ms(&removals, 90), Some(20));
        assert_eq!(left_ms(&removals, 110), Some(0));
        assert_eq!(removals.take(), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(left_ms(&removals, 110), None);
    }

    #[test]
    fn a_slow_disk_is_given_five_times_what_a_sync_takes_and_no_more_than_two_seconds() {
        let mut removals = Removals::default();
        removals.took(40 * MS);
        removals.add("/a".into(), Some(0));
        assert_eq!(left_ms(&removals, 150), Some(50));
        removals.took(1_000 * MS);
        assert_eq!(left_ms(&removals, 150), Some(1_850));
        removals.take();
        removals.took(MS);
        removals.add("/a".into(), Some(1_000 * MS));
        assert_eq!(left_ms(&removals, 1_000), Some(100));
    }

    #[test]
    fn without_a_clock_and_once_hurried_a_sync_is_due_at_once() {
        let mut removals = Removals::default();
        removals.add("/a".into(), None);
        assert_eq!(removals.patience(None), Some(Duration::ZERO));
        removals.take();
        removals.add("/a".into(), Some(0));
        removals.hurry();
        assert_eq!(left_ms(&removals, 1), Some(0));
    }

    #[test]
    fn a_directory_that_was_synced_for_new_files_is_not_synced_again() {
        let mut removals = Removals::default();
        removals.add("/a".into(), Some(0));
        removals.forget(&"/a".into());
        assert_eq!(left_ms(&removals, 1), None);
    }
}
