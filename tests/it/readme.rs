//! The README's first minute, as it stands there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{daemon, site::Site, tools};

#[test]
fn the_first_minute_goes_as_the_readme_says() {
    let site = Site::new();
    let host = site.forward().ip().to_string();
    let local = |text: String| text.replace("127.0.0.1", &host);
    let folder = site.path("deploy/config/first-minute");
    fs::create_dir_all(&folder).unwrap();
    for name in ["forwarder.yaml", "destination.yaml"] {
        let text = read(&format!("deploy/config/first-minute/{name}"));
        fs::write(folder.join(name), local(text)).unwrap();
    }

    let script = local(first_minute());
    let mut command = Command::new("bash");
    command.args(["-euc", &script]).current_dir(site.folder());
    let output = tools::succeed(&mut command);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for said in ["hello", "hello, too", "is anybody there?"] {
        assert_eq!(
            printed.matches(&format!("\"{said}\"")).count(),
            1,
            "{said}:\n{printed}"
        );
    }
}

/// The block's lines, but for those that build and install what the test has already.
fn first_minute() -> String {
    let readme = read("README.md");
    let (_, section) = readme.split_once("## A first minute").unwrap();
    let (_, rest) = section.split_once("```sh\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let built = daemon::binary().parent().unwrap().display();
    let python = tools::find_client("python3");
    let prepared = ["cargo build", "PATH=", "python3 -m venv", "venv/bin/pip"];
    let mut lines = vec![
        "trap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT".to_owned(),
        format!("PATH={built}:$PATH"),
    ];
    for line in block.lines() {
        if !prepared.iter().any(|start| line.starts_with(start)) {
            lines.push(line.replace("venv/bin/python ", &format!("{} ", python.display())));
        }
    }
    lines.join("\n")
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
