//! Trying what the store asks of a file system, by the store's own calls.

use std::io::{self, IoSlice};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use forebay_storage::fs::{Access, LockOutcome};
use forebay_storage::{Fs, RealFs};

use super::{Finding, Level};
use crate::clock::Clock;

const BLOCK_LEN: usize = 4096;
const FILE_LEN: u64 = 1 << 20;
/// Syncs measured, and how long that may take in all.
const SYNCS_MAX: u64 = 200;
const SYNCS_FOR: Duration = Duration::from_secs(3);
/// Faster than a flush to any medium that keeps its data without a battery.
const SUSPICIOUS: Duration = Duration::from_micros(15);
const SLOW: Duration = Duration::from_millis(200);
const SPACE_MIN_BYTES: u64 = 1 << 30;

type Probe = fn(&Path) -> io::Result<Finding>;

/// Everything that needs a folder to try it in.
pub(super) fn all(folder: &Path) -> Vec<Finding> {
    let probes: [(&'static str, Probe); 6] = [
        ("preallocation", preallocation),
        ("sync latency", sync_latency),
        ("directory sync", directory_sync),
        ("locks", locks),
        ("mapping", mapping),
        ("rename", rename),
    ];
    let run = |(subject, probe): (&'static str, Probe)| {
        probe(folder).unwrap_or_else(|error| failed(subject, &error))
    };
    probes.into_iter().map(run).collect()
}

fn failed(subject: &'static str, error: &io::Error) -> Finding {
    Finding::new(Level::NotDurable, subject, format!("fails: {error}"))
        .advise("the store cannot work here; look at the kernel's log, or use another file system")
}

/// How much can still be written under `path`.
pub(super) fn space(path: &Path) -> Finding {
    let subject = "free space";
    match RealFs.free_space(path) {
        Ok(bytes) if bytes < SPACE_MIN_BYTES => {
            Finding::new(Level::Degraded, subject, mebibytes(bytes))
                .advise("when it is used up, senders are held back until destinations catch up")
        }
        Ok(bytes) => Finding::fine(subject, mebibytes(bytes)),
        Err(error) => failed(subject, &error),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn preallocation(folder: &Path) -> io::Result<Finding> {
    let path = folder.join("allocated");
    RealFs.create_new(&path)?.allocate(FILE_LEN)?;
    let metadata = std::fs::metadata(&path)?;
    let allocated = metadata.blocks().saturating_mul(512);
    Ok(if metadata.len() == FILE_LEN && allocated >= FILE_LEN {
        Finding::fine("preallocation", "space is reserved before it is written")
    } else {
        let text = "space is not reserved: a full disk shows at a write, later than it could";
        Finding::new(Level::Degraded, "preallocation", text).advise("leave more space free")
    })
}

/// Writes and syncs one block after the other in a preallocated file, as appends do.
fn sync_latency(folder: &Path) -> io::Result<Finding> {
    let file = RealFs.create_new(&folder.join("synced"))?;
    file.allocate(FILE_LEN)?;
    let (clock, mut latencies) = (Clock::start(), Vec::new());
    for n in 0..SYNCS_MAX {
        let began = clock.now().monotonic;
        file.write_all_at(
            &mut [IoSlice::new(&[0x5a; BLOCK_LEN])],
            n * BLOCK_LEN as u64,
        )?;
        file.sync_data()?;
        let now = clock.now().monotonic;
        latencies.push(now.saturating_sub(began));
        if now > SYNCS_FOR {
            break;
        }
    }
    latencies.sort_unstable();
    Ok(judge_latency(&latencies))
}

/// `latencies` are sorted and there is one at least.
fn judge_latency(latencies: &[Duration]) -> Finding {
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    let (p50, p99) = (at(50), at(99));
    let count = latencies.len();
    let text = format!("p50 {p50:.1?}, p99 {p99:.1?} over {count} writes of 4 KiB");
    let finding = |level| Finding::new(level, "sync latency", text.clone());
    if p50 < SUSPICIOUS {
        finding(Level::Degraded).advise(
            "faster than a flush can be: the disk keeps its cache by battery, or somebody (a \
             hypervisor, libeatmydata, the disk) does not flush; find out which",
        )
    } else if p99 > SLOW {
        finding(Level::Degraded)
            .advise("each acknowledgement waits for a sync: give the store a disk of its own")
    } else {
        finding(Level::Fine)
    }
}

fn directory_sync(folder: &Path) -> io::Result<Finding> {
    RealFs.create_new(&folder.join("entry"))?.sync_data()?;
    RealFs.sync_dir(folder)?;
    Ok(Finding::fine(
        "directory sync",
        "works, so that new files survive, too",
    ))
}

fn locks(folder: &Path) -> io::Result<Finding> {
    let path = folder.join("LOCK");
    let first = RealFs.try_lock(&path, b"1")?;
    let second = RealFs.try_lock(&path, b"2")?;
    Ok(match (&first, &second) {
        (LockOutcome::Taken(_), LockOutcome::HeldBy(_)) => {
            Finding::fine("locks", "a second one is refused")
        }
        (LockOutcome::HeldBy(_), _) => failed("locks", &io::ErrorKind::WouldBlock.into()),
        (LockOutcome::Taken(_), LockOutcome::Taken(_)) => {
            let text = "a second one is granted: nothing keeps two daemons apart";
            Finding::new(Level::NotDurable, "locks", text).advise("use a local file system")
        }
    })
}

/// Maps a file, has its pages in memory, writes with positional writes, and looks.
fn mapping(folder: &Path) -> io::Result<Finding> {
    let path = folder.join("mapped");
    let file = RealFs.create_new(&path)?;
    file.allocate(2 * BLOCK_LEN as u64)?;
    let mapping = RealFs
        .open(&path, Access::Read)?
        .map(2 * BLOCK_LEN as u64)?;
    match mapping.populate(0..2 * BLOCK_LEN) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let text = "this kernel cannot populate one: chunks are read into buffers instead";
            return Ok(Finding::fine("mapping", text));
        }
        populated => populated?,
    }
    let block = [0xa7; BLOCK_LEN];
    file.write_all_at(&mut [IoSlice::new(&block)], BLOCK_LEN as u64)?;
    let is_coherent = mapping.bytes(BLOCK_LEN..2 * BLOCK_LEN) == block;
    Ok(if is_coherent {
        Finding::fine("mapping", "shows at once what is written")
    } else {
        let text = "does not show what is written: chunks would be taken for damaged";
        Finding::new(Level::NotDurable, "mapping", text).advise("use a local file system")
    })
}

fn rename(folder: &Path) -> io::Result<Finding> {
    let (from, to) = (folder.join("from"), folder.join("to"));
    for (path, byte) in [(&from, 1), (&to, 2)] {
        let file = RealFs.create_new(path)?;
        file.write_all_at(&mut [IoSlice::new(&[byte])], 0)?;
        file.sync_data()?;
    }
    RealFs.rename(&from, &to)?;
    let mut byte = [0];
    RealFs.open(&to, Access::Read)?.read_at(&mut byte, 0)?;
    let is_replaced = byte == [1] && !from.exists();
    Ok(if is_replaced {
        Finding::fine("rename", "replaces a file in one step")
    } else {
        let text = "does not replace a file";
        Finding::new(Level::NotDurable, "rename", text).advise("use a local file system")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(micros: [u64; 3]) -> Level {
        judge_latency(&micros.map(Duration::from_micros)).level
    }

    #[test]
    fn syncs_that_are_too_fast_or_too_slow_are_told() {
        assert_eq!(level([100, 500, 9_000]), Level::Fine);
        assert_eq!(level([1, 2, 9_000]), Level::Degraded);
        assert_eq!(level([100, 500_000, 900_000]), Level::Degraded);
    }
}
