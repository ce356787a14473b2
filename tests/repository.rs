//! The repository read as data: what must be there, what must not, and lists that must agree.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What may stand at the top beside dotted files and what `.gitignore` names.
const TOP_LEVEL: [&str; 13] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "deploy",
    "fuzz",
    "src",
    "storage",
    "tests",
];

#[test]
fn the_top_level_holds_only_what_the_design_names() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known = name.starts_with('.') || TOP_LEVEL.contains(&name.as_str());
        let is_ignored = ignored.lines().any(|line| line == format!("/{name}"));
        assert!(
            is_known || is_ignored,
            "{name} has no place at the top level"
        );
    }
}

#[test]
fn no_file_is_named_mod() {
    let named: Vec<_> = files()
        .into_iter()
        .filter(|file| file.ends_with("mod.rs"))
        .collect();
    assert!(
        named.is_empty(),
        "foo.rs + foo/, never foo/mod.rs: {named:?}"
    );
}

#[test]
fn no_file_holds_a_path_of_somebodys_machine() {
    let folders = ["work", "root", "home"].map(|folder| format!("/{folder}/"));
    for (file, text) in texts() {
        for folder in &folders {
            let found = text
                .match_indices(folder.as_str())
                .any(|(at, _)| starts_a_path(&text, at));
            assert!(!found, "{} holds a path under {folder}", file.display());
        }
    }
}

#[test]
fn text_has_no_trailing_space_and_ends_with_one_newline() {
    for (file, text) in texts() {
        let shown = file.display();
        assert!(!text.contains('\r'), "{shown} has a carriage return");
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "{shown} does not end with a newline"
        );
        assert!(!text.ends_with("\n\n"), "{shown} ends with an empty line");
        let trailing = text.lines().position(|line| line.ends_with([' ', '\t']));
        assert_eq!(
            trailing, None,
            "{shown} has a trailing space (line counted from 0)"
        );
    }
}

#[test]
fn the_changelog_says_what_is_not_released_yet() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let (_, unreleased) = text
        .split_once("## Unreleased")
        .expect("a section Unreleased");
    assert!(
        unreleased.lines().any(|line| line.starts_with("- ")),
        "it is empty"
    );
}

#[test]
fn every_dependency_has_its_row_and_every_row_its_dependency() {
    let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let (_, tables) = contributing.split_once("## Dependencies").unwrap();
    let rows: BTreeSet<String> = tables.lines().flat_map(crates_of_row).collect();
    let manifests = [
        "Cargo.toml",
        "storage/Cargo.toml",
        "storage/shuttle/Cargo.toml",
    ];
    let declared: BTreeSet<String> = manifests
        .iter()
        .flat_map(|manifest| dependencies(&fs::read_to_string(root().join(manifest)).unwrap()))
        .filter(|name| name != "forebay-storage")
        .collect();
    let without_row: Vec<_> = declared.difference(&rows).collect();
    let without_use: Vec<_> = rows.difference(&declared).collect();
    assert!(
        without_row.is_empty(),
        "no row in CONTRIBUTING.md: {without_row:?}"
    );
    assert!(
        without_use.is_empty(),
        "a row, but no dependency: {without_use:?}"
    );
}

/// The fuzz targets are a workspace of their own, whose lock file no other build looks at.
#[test]
fn the_lock_file_of_the_fuzz_targets_knows_every_dependency() {
    let lock = fs::read_to_string(root().join("fuzz/Cargo.lock")).unwrap();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (of_program, _) = manifest.split_once("[dev-dependencies]").unwrap();
    for name in dependencies(of_program) {
        assert!(
            lock.contains(&format!("name = \"{name}\"\n")),
            "`cargo metadata --manifest-path fuzz/Cargo.toml` adds {name} to fuzz/Cargo.lock"
        );
    }
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for target in link_targets(&text) {
            let path = target.split('#').next().unwrap();
            let is_local = !path.is_empty() && !path.contains("://");
            assert!(
                !is_local || root().join(path).exists(),
                "{name} links to {target}"
            );
        }
    }
}

/// The crash model promises nothing that no test shows.
#[test]
fn every_test_that_the_crash_model_names_is_there() {
    let page = fs::read_to_string(root().join("storage/CRASH-MODEL.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let named: BTreeSet<_> = rows
        .filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| name.matches('_').count() > 3)
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let texts = texts();
    for name in named {
        let declaration = format!("fn {name}()");
        let is_there = |(file, text): &(PathBuf, String)| {
            file.extension().is_some_and(|kind| kind == "rs") && text.contains(&declaration)
        };
        assert!(texts.iter().any(is_there), "there is no test `{name}`");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that is not ignored, build output or git's own.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(root(), &mut files);
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if [".git", "target", "data", "corpus", "artifacts"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Files that are text, by what they hold.
fn texts() -> Vec<(PathBuf, String)> {
    let named = files()
        .into_iter()
        .filter(|file| !file.ends_with("Cargo.lock"));
    named
        .filter_map(|file| fs::read_to_string(&file).ok().map(|text| (file, text)))
        .collect()
}

fn starts_a_path(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    before.is_none_or(|c| !(c.is_alphanumeric() || "._-*}/{".contains(c)))
}

/// The crates in backticks in the first cell of a table row of the dependency tables.
fn crates_of_row(line: &str) -> Vec<String> {
    let Some(cell) = line
        .strip_prefix("| `")
        .and_then(|rest| rest.split(" | ").next())
    else {
        return Vec::new();
    };
    cell.split([',', '`', ' '])
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_inside = line.ends_with("dependencies]");
        } else if let Some((name, _)) = line.split_once('=').filter(|_| is_inside) {
            names.push(name.trim().split('.').next().unwrap().to_owned());
        }
    }
    names
}

fn link_targets(text: &str) -> Vec<String> {
    let after = text.split("](").skip(1);
    after
        .filter_map(|rest| rest.split(')').next().map(str::to_owned))
        .collect()
}
