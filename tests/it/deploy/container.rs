//! The container file: built and run by buildah, without a registry.

use std::path::Path;
use std::process::Command;

use crate::harness::{daemon, site::Site, tools};

#[test]
fn the_image_runs_as_nobody_takes_an_event_and_stops_in_order() {
    if std::env::var_os("FOREBAY_SKIP_KERNEL_TESTS").is_some_and(|value| value == "1") {
        println!("SKIPPED by FOREBAY_SKIP_KERNEL_TESTS: the image runs as nobody");
        return;
    }
    tools::find("buildah");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let site = Site::new();
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
    ]);
    command.args(["bash", "-eu"]);
    command.arg(sources.join("tests/it/deploy/container.sh"));
    command.args([sources, daemon::binary(), site.folder()]);
    tools::succeed(&mut command);
}
