//! A machine that runs systemd: this one's root below an overlay, in namespaces of its own. What happens there
//! happens to copies; only root can make one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::site::Site;

/// A machine that is not booted yet.
pub(super) struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// In a folder of the site; `None` if tests that need the kernel are to be skipped, which is then said for
    /// `test`.
    pub(super) fn new(site: &Site, test: &str) -> Option<Self> {
        if std::env::var_os("FOREBAY_SKIP_KERNEL_TESTS").is_some_and(|value| value == "1") {
            println!("SKIPPED by FOREBAY_SKIP_KERNEL_TESTS: {test}");
            return None;
        }
        let folder = site.path("machine");
        fs::create_dir_all(folder.join("upper/trial")).unwrap();
        Some(Self { folder })
    }

    /// Where the trial finds its files as `/trial`.
    pub(super) fn trial(&self) -> PathBuf {
        self.folder.join("upper/trial")
    }

    /// Boots, runs `script` as root with bash and its `-eu`, and returns what it printed.
    ///
    /// # Panics
    /// If the machine cannot boot here, with what to do, or the script fails, with what it and the machine said.
    pub(super) fn run(&self, script: &str) -> String {
        fs::write(self.trial().join("script"), script).unwrap();
        let boot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/deploy/machine.sh");
        let output = Command::new("unshare")
            .args(["--mount", "sh"])
            .args([&boot, &self.folder])
            .output();
        let output = output.unwrap_or_else(|error| panic!("unshare: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{errors}\nrun the tests as root where namespaces, overlays and control groups are allowed, run \
             .ci/install, or set FOREBAY_SKIP_KERNEL_TESTS=1"
        );
        let read = |name: &str| fs::read_to_string(self.trial().join(name)).unwrap_or_default();
        let log = read("log");
        assert_eq!(
            read("code").trim(),
            "0",
            "{log}\n--- journal\n{}",
            read("journal")
        );
        log
    }
}
