//! The Debian package: built, and lived with on a machine that runs systemd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine::Machine;
use crate::harness::{daemon, site::Site, tools};

/// The package of the program that is tested. Its size does not matter, so nothing is packed.
fn build(out: &Path, revision: u32) -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--package", "xtask", "--"]);
    command.args(["deb", "--compression", "none", "--revision"]);
    command.arg(revision.to_string()).arg("--out").arg(out);
    command.arg("--binary").arg(daemon::binary());
    let output = tools::succeed(command.current_dir(env!("CARGO_MANIFEST_DIR")));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

#[test]
fn the_package_installs_runs_upgrades_and_leaves_what_is_not_delivered() {
    let site = Site::new();
    let test = "the package installs, runs, upgrades and leaves what is not delivered";
    let Some(machine) = Machine::new(&site, test) else {
        return;
    };
    for (revision, name) in [(1, "first.deb"), (2, "second.deb")] {
        let package = build(site.folder(), revision);
        fs::rename(package, machine.trial().join(name)).unwrap();
    }
    let log = machine.run(include_str!("package.sh"));
    assert_eq!(log.matches("== ").count(), 8, "{log}");
}

#[test]
fn the_package_has_the_manual_of_every_command_and_completions_for_every_shell() {
    let site = Site::new();
    let package = build(site.folder(), 1);
    let listed = tools::succeed(Command::new("dpkg-deb").arg("--contents").arg(&package));
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let has = |path: &str| {
        listed
            .lines()
            .any(|line| line.ends_with(&format!(" ./{path}")))
    };
    let folder = site.path("pages");
    let (code, ..) = daemon::run(&["man", "--dir", folder.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    for page in fs::read_dir(folder).unwrap() {
        let name = page.unwrap().file_name();
        let path = format!("usr/share/man/man1/{}.gz", name.display());
        assert!(has(&path), "no {path}: {listed}");
    }
    for path in [
        "usr/share/man/man1/forebay.1.gz",
        "usr/share/bash-completion/completions/forebay",
        "usr/share/zsh/vendor-completions/_forebay",
        "usr/share/fish/vendor_completions.d/forebay.fish",
    ] {
        assert!(has(path), "no {path}: {listed}");
    }
    assert!(!has("man/"), "a leftover: {listed}");
}

#[test]
fn the_same_tree_gives_the_same_package_to_the_byte() {
    let site = Site::new();
    let [one, other] = ["one", "other"].map(|name| {
        let folder = site.path(name);
        fs::create_dir(&folder).unwrap();
        fs::read(build(&folder, 1)).unwrap()
    });
    assert!(!one.is_empty() && one == other);
}
