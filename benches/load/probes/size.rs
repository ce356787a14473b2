//! The program's size without what debuggers want.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Extent, Fact};
use crate::aim::Bound::AtMost;
use crate::daemon::program;

pub(super) fn measure(_: Extent) -> Vec<Fact> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let stripped = folder.path().join("stripped");
    let mut strip = Command::new("strip");
    let status = strip.arg("-o").arg(&stripped).arg(program()).status();
    assert!(status.unwrap().success(), "strip failed");
    vec![size("the measured program, stripped", &stripped)]
}

fn size(what: &str, path: &Path) -> Fact {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let bytes = fs::metadata(path).unwrap().len() as f64;
    Fact::new(what, bytes / f64::from(1 << 20), "MiB").aimed(AtMost(12.0))
}
