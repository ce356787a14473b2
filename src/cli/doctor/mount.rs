//! Which file system a directory is on, and what its kind and its mount options mean.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Finding, Level};

/// One line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// Major and minor number, as `259:2`.
    device: String,
    point: PathBuf,
    kind: String,
    source: String,
    /// Those of the mount and those of the file system.
    options: Vec<String>,
}

/// What is known of a kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// On a disk, with a journal or something as good, and among those of the crash model.
    Disk,
    /// On a disk, without.
    WithoutJournal,
    /// In memory.
    Memory,
    /// On another machine, or on the host of this one.
    Network,
    /// A union over another one.
    Overlay,
    Unknown,
}

/// Findings about the file system that holds `path`, which is canonical.
pub(super) fn examine(path: &Path) -> Vec<Finding> {
    let Ok(text) = fs::read_to_string("/proc/self/mountinfo") else {
        let text = "this system has no /proc/self/mountinfo to tell by";
        return vec![Finding::new(Level::Degraded, "file system", text)];
    };
    let Some(mount) = mount_of(&text, path) else {
        let text = "the mount that holds it is not listed";
        return vec![Finding::new(Level::Degraded, "file system", text)];
    };
    let mut findings = vec![kind_finding(&mount)];
    findings.extend(option_findings(&mount.options));
    findings.extend(write_cache(&mount.device));
    findings
}

/// The mount that holds `path`: the one with the longest mount point; of several, the last, which
/// covers the others.
fn mount_of(text: &str, path: &Path) -> Option<Mount> {
    let mounts = text.lines().filter_map(parse);
    let holding = mounts.filter(|mount| path.starts_with(&mount.point));
    holding.max_by_key(|mount| mount.point.components().count())
}

fn parse(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(2);
    let (device, point) = (mount.next()?, mount.nth(1)?);
    let mount_options = mount.next()?;
    let mut file_system = file_system.splitn(3, ' ');
    let (kind, source) = (file_system.next()?, file_system.next()?);
    let options = mount_options
        .split(',')
        .chain(file_system.next()?.split(','));
    Some(Mount {
        device: device.to_owned(),
        point: unescape(point).into(),
        kind: kind.to_owned(),
        source: unescape(source),
        options: options.map(str::to_owned).collect(),
    })
}

/// Blanks and backslashes are written as three octal digits behind a backslash.
fn unescape(text: &str) -> String {
    let pairs = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    pairs
        .into_iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn kind_of(name: &str) -> Kind {
    match name {
        "ext3" | "ext4" | "xfs" | "btrfs" => Kind::Disk,
        "ext2" | "vfat" | "exfat" | "msdos" => Kind::WithoutJournal,
        "tmpfs" | "ramfs" | "devtmpfs" | "hugetlbfs" => Kind::Memory,
        "nfs" | "nfs4" | "cifs" | "smb3" | "ceph" | "9p" | "virtiofs" | "glusterfs" | "afs"
        | "lustre" | "gpfs" | "ocfs2" | "gfs2" => Kind::Network,
        "overlay" | "aufs" => Kind::Overlay,
        name if name.starts_with("fuse") => Kind::Network,
        _ => Kind::Unknown,
    }
}

fn kind_finding(mount: &Mount) -> Finding {
    let Mount {
        kind,
        source,
        point,
        ..
    } = mount;
    let what = format!("{kind} of {source} at {}", point.display());
    let finding = |level, text: &str| Finding::new(level, "file system", format!("{what}{text}"));
    match kind_of(kind) {
        Kind::Disk => finding(Level::Fine, ""),
        Kind::WithoutJournal => finding(
            Level::Degraded,
            ": it has no journal, and may need a repair after a power cut before it can be used",
        )
        .advise("use ext4, xfs or btrfs"),
        Kind::Memory => finding(
            Level::NotDurable,
            ": it is in memory, and gone after a reboot",
        )
        .advise("use a directory on a disk, or set `durability: memory` and know why"),
        Kind::Network => finding(
            Level::Degraded,
            ": syncs and locks are as good as the other side makes them",
        )
        .advise("use a local disk; failing that, one server that syncs before it answers, and one daemon"),
        Kind::Overlay => finding(
            Level::Degraded,
            ": what a container writes here goes away with the container",
        )
        .advise("mount a volume here"),
        Kind::Unknown => finding(Level::Degraded, ": no test of ours runs on this kind")
            .advise("use ext4, xfs or btrfs"),
    }
}

fn option_findings(options: &[String]) -> Vec<Finding> {
    let mut findings: Vec<_> = options.iter().filter_map(|option| warned(option)).collect();
    if findings.is_empty() {
        findings.push(Finding::fine(
            "mount options",
            "none of those that lose data",
        ));
    }
    findings
}

fn warned(option: &str) -> Option<Finding> {
    let (level, why, advice) = match option {
        "nobarrier" | "barrier=0" | "nobarriers" => (
            Level::NotDurable,
            "a sync does not reach beyond the disk's cache",
            "mount it with barriers, unless the cache has a battery",
        ),
        "volatile" | "fsync=volatile" => (
            Level::NotDurable,
            "syncs do nothing",
            "mount it without this option",
        ),
        "ro" => (
            Level::NotDurable,
            "nothing can be written",
            "mount it for writing; if it became so by itself, look at the kernel's log",
        ),
        "data=writeback" => (
            Level::Degraded,
            "after a power cut, blocks that were not synced may show old contents; the checksums \
             find them, and they are set aside as damage",
            "mount it with data=ordered",
        ),
        "soft" => (
            Level::Degraded,
            "when the server is slow, writes fail",
            "mount it with `hard`",
        ),
        _ => return None,
    };
    let text = format!("`{option}`: {why}");
    Some(Finding::new(level, "mount options", text).advise(advice))
}

/// What the kernel thinks of the disk's cache. It flushes what it takes for volatile.
fn write_cache(device: &str) -> Option<Finding> {
    let disk = PathBuf::from("/sys/dev/block").join(device);
    let read = |below: &str| fs::read_to_string(disk.join(below).join("queue/write_cache"));
    let cache = read(".").or_else(|_| read("..")).ok()?;
    let cache = cache.trim();
    Some(Finding::fine(
        "write cache",
        match cache {
            "write back" => "the disk has one, and each sync flushes it".to_owned(),
            "write through" => {
                "the disk says it has none that a power cut would empty, so syncs do not flush it"
                    .to_owned()
            }
            other => format!("`{other}`"),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:40 / /mnt/my\\040disk rw - xfs /dev/sdb1 rw,nobarrier
31 22 0:41 / /mnt rw - tmpfs tmpfs rw,size=1k
32 22 0:42 / /mnt rw shared:7 master:1 - nfs4 host:/x rw,soft
a line that says nothing
";

    fn at(path: &str) -> Mount {
        mount_of(INFO, Path::new(path)).unwrap()
    }

    #[test]
    fn a_path_is_on_the_last_mount_at_the_longest_point_above_it() {
        assert_eq!(at("/var/lib").kind, "ext4");
        assert_eq!(at("/mnt/my disk/data").source, "/dev/sdb1");
        assert_eq!(at("/mnt/my").kind, "nfs4");
        assert_eq!(at("/mntx").device, "8:1");
    }

    #[test]
    fn kinds_and_options_that_lose_data_are_told() {
        let level = |path| {
            let mount = at(path);
            let options = option_findings(&mount.options);
            let levels = options.iter().map(|finding| finding.level);
            (kind_finding(&mount).level, levels.max().unwrap())
        };
        assert_eq!(level("/"), (Level::Fine, Level::Fine));
        assert_eq!(level("/mnt/my disk"), (Level::Fine, Level::NotDurable));
        assert_eq!(level("/mnt"), (Level::Degraded, Level::Degraded));
        assert_eq!(kind_of("tmpfs"), Kind::Memory);
        assert_eq!(kind_of("fuse.sshfs"), Kind::Network);
        assert_eq!(kind_of("overlay"), Kind::Overlay);
        assert_eq!(kind_of("new"), Kind::Unknown);
    }
}
