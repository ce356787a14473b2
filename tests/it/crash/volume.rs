//! A file system of a test's own: in an image file, on a loop device, mounted at the site's data folder.
//!
//! Needs root, loop devices and the makers of the file systems. Where one is missing the test fails and
//! says what to do, unless `FOREBAY_SKIP_KERNEL_TESTS=1`.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{site::Site, tools, wait};

/// What the tests run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileSystem {
    Ext4,
    Xfs,
    Btrfs,
}

impl FileSystem {
    fn maker(self) -> &'static str {
        match self {
            Self::Ext4 => "mkfs.ext4",
            Self::Xfs => "mkfs.xfs",
            Self::Btrfs => "mkfs.btrfs",
        }
    }

    /// Mount options beside `loop`. An ext4 that finds an error is to stop writing, as most are set up.
    fn options(self) -> &'static str {
        match self {
            Self::Ext4 => "loop,errors=remount-ro",
            Self::Xfs | Self::Btrfs => "loop",
        }
    }
}

impl Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        })
    }
}

/// A mounted file system; unmounted when dropped, which frees the loop device.
///
/// Declare it after its [`Site`] and before the daemon, so that it goes between the two.
pub(super) struct Volume {
    kind: FileSystem,
    image: PathBuf,
    mount_point: PathBuf,
}

impl Volume {
    /// Makes a file system of `size_mib` and mounts it where the daemon will keep its chunks; `None`
    /// if tests that need the kernel are to be skipped, which is then said for `test`.
    ///
    /// # Panics
    /// If something is missing, with what and what to do.
    pub(super) fn mount(site: &Site, kind: FileSystem, size_mib: u64, test: &str) -> Option<Self> {
        if std::env::var_os("FOREBAY_SKIP_KERNEL_TESTS").is_some_and(|value| value == "1") {
            println!("SKIPPED by FOREBAY_SKIP_KERNEL_TESTS: {test} on {kind}");
            return None;
        }
        let volume = Self {
            kind,
            image: site.path("disk.img"),
            mount_point: site.data_dir(),
        };
        fs::create_dir(&volume.mount_point).unwrap();
        let image = File::create(&volume.image).unwrap();
        image.set_len(size_mib << 20).unwrap();
        demand(Command::new(kind.maker()).arg("-q").arg(&volume.image));
        volume.mount_image();
        Some(volume)
    }

    /// The device that the image is attached to, e.g. `loop3`.
    pub(super) fn device(&self) -> String {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let point = self.mount_point.to_str().unwrap();
        let mut fields = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let ours = fields.find(|fields| fields[1] == point).unwrap();
        ours[0].trim_start_matches("/dev/").to_owned()
    }

    /// Stops the file system as a power cut would: nothing that is not on the device by now will be.
    /// For btrfs, which cannot be stopped, use [`Snapshot`].
    pub(super) fn cut_power(&self) {
        // Without -f, the log is not flushed either.
        tools::succeed(
            Command::new(tools::find("xfs_io"))
                .args(["-x", "-c", "shutdown"])
                .arg(&self.mount_point),
        );
    }

    /// Unmounts and mounts again, which recovers the file system from its log.
    pub(super) fn remount(&self) {
        self.unmount();
        self.mount_image();
    }

    /// As [`remount`](Self::remount), with the file system's own repair in between.
    pub(super) fn repair(&self) {
        self.unmount();
        let repaired = Command::new("e2fsck").arg("-fy").arg(&self.image).output();
        // 1 says that something was repaired.
        let code = repaired.unwrap().status.code();
        assert!(matches!(code, Some(0 | 1)), "e2fsck: {code:?}");
        self.mount_image();
    }

    /// Unmounts, takes `snapshot` for the device's contents, and mounts that.
    pub(super) fn restore(&self, snapshot: &Snapshot) {
        self.unmount();
        fs::rename(&snapshot.0, &self.image).unwrap();
        self.mount_image();
    }

    /// What is on the device at one moment, while nobody writes to the file system.
    pub(super) fn snapshot(&self) -> Snapshot {
        let copy = self.image.with_extension("copy");
        // The file system may still be writing by itself; a copy that equals the device after it
        // was taken was taken of one state.
        wait::until_true("the device to be still", || {
            tools::succeed(
                Command::new("cp")
                    .arg("--sparse=always")
                    .args([&self.image, &copy]),
            );
            is_equal(&self.image, &copy)
        });
        Snapshot(copy)
    }

    fn mount_image(&self) {
        let options = self.kind.options();
        demand(
            Command::new("mount")
                .args(["-t", &self.kind.to_string(), "-o", options])
                .args([&self.image, &self.mount_point]),
        );
    }

    fn unmount(&self) {
        wait::until_true("the file system to be idle", || {
            let done = Command::new("umount").arg(&self.mount_point).output();
            done.unwrap().status.success()
        });
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazy: also when a test has failed and something is still open on it.
        let _not_mounted = Command::new("umount")
            .arg("--lazy")
            .arg(&self.mount_point)
            .output();
    }
}

/// A copy of a device.
pub(super) struct Snapshot(PathBuf);

fn is_equal(one: &Path, other: &Path) -> bool {
    let [mut one, mut other] = [one, other].map(|path| File::open(path).unwrap());
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = one.read(&mut left).unwrap();
        if count == 0 {
            return true;
        }
        other.read_exact(&mut right[..count]).unwrap();
        if left[..count] != right[..count] {
            return false;
        }
    }
}

/// Runs `command`, which needs what not every machine gives.
fn demand(command: &mut Command) {
    let remedy = "run the tests as root where loop devices are allowed, run .ci/install for the tools, \
                  or set FOREBAY_SKIP_KERNEL_TESTS=1";
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}\n{remedy}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}\n{remedy}");
}
