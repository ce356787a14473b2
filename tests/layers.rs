//! Holds the layers: a module uses only what stands above it.
//!
//! The order has one home, `src/lib.rs`: its `pub mod` lines from top to bottom, where modules
//! between two blank lines are siblings and never import each other. The store below all of them
//! is held by the crate boundary.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules under these are plugins: none imports another of the same kind.
const PLUGIN_KINDS: [(&str, &[&str]); 3] = [
    ("input", &["forward", "http", "stdin", "dummy", "internal"]),
    (
        "filter",
        &[
            "counter",
            "grep",
            "heartbeat_watch",
            "parser",
            "record_transformer",
            "rewrite_tag",
            "rollup",
            "route",
        ],
    ),
    ("output", &["forward", "http", "file", "stdout", "null"]),
];

#[test]
fn a_module_uses_only_what_stands_above_it() {
    let ranks = ranks(&fs::read_to_string(source_root().join("lib.rs")).unwrap());
    let mut violations = Vec::new();
    for file in module_files() {
        let module = top_module(&file);
        let own = *ranks
            .get(module.as_str())
            .unwrap_or_else(|| panic!("{module} has no line in src/lib.rs"));
        for used in crate_paths(&fs::read_to_string(&file).unwrap()) {
            let name = used.split("::").next().unwrap();
            match ranks.get(name) {
                Some(rank) if name == module || *rank < own => {}
                Some(_) => violations.push(format!("{}: crate::{used}", shown(&file))),
                None => panic!("{}: crate::{used} is no module", shown(&file)),
            }
        }
    }
    assert!(
        violations.is_empty(),
        "upward or sideways:\n{}",
        violations.join("\n")
    );
}

#[test]
fn a_plugin_never_imports_another() {
    let mut violations = Vec::new();
    for (kind, plugins) in PLUGIN_KINDS {
        for file in module_files()
            .into_iter()
            .filter(|file| top_module(file) == kind)
        {
            let relative = file.strip_prefix(source_root().join(kind));
            let Ok(relative) = relative else { continue };
            let own = first_component(relative);
            for used in sibling_paths(kind, &file) {
                if plugins.contains(&own.as_str())
                    && plugins.contains(&used.as_str())
                    && used != own
                {
                    violations.push(format!("{}: {kind}::{used}", shown(&file)));
                }
            }
        }
    }
    assert!(
        violations.is_empty(),
        "sideways:\n{}",
        violations.join("\n")
    );
}

#[test]
fn the_reader_of_use_lines_sees_every_form() {
    let text = "use crate::buffer::{Intake};\n// crate::comment is prose\npub use crate::{clock::Clock, route};\nlet x = crate::event::Event;\n";
    assert_eq!(
        crate_paths(text),
        ["buffer::", "clock::Clock", "route", "event::Event"]
    );
    assert_eq!(ranks("pub mod a;\npub mod b;\n\npub mod c;\n")["c"], 1);
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Module name to the number of its layer, counted from the bottom.
fn ranks(lib: &str) -> HashMap<String, usize> {
    let mut ranks = HashMap::new();
    let mut layer = 0;
    let mut layer_is_empty = true;
    for line in lib.lines() {
        if let Some(name) = line
            .strip_prefix("pub mod ")
            .and_then(|rest| rest.strip_suffix(';'))
        {
            ranks.insert(name.to_owned(), layer);
            layer_is_empty = false;
        } else if line.is_empty() && !layer_is_empty {
            layer += 1;
            layer_is_empty = true;
        }
    }
    ranks
}

/// Every source file of a layered module: all but the two roots, which stand above all layers.
fn module_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&source_root(), &mut files);
    let roots = [source_root().join("lib.rs"), source_root().join("main.rs")];
    files.retain(|file| !roots.contains(file));
    assert!(!files.is_empty());
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn top_module(file: &Path) -> String {
    first_component(file.strip_prefix(source_root()).unwrap())
}

/// `forward` for both `forward.rs` and `forward/session.rs`.
fn first_component(relative: &Path) -> String {
    let first = Path::new(relative.iter().next().unwrap());
    first.with_extension("").to_str().unwrap().to_owned()
}

fn shown(file: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    file.strip_prefix(root).unwrap().display().to_string()
}

/// What follows each `crate::` outside comments, with one level of braces opened.
fn crate_paths(text: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut paths = Vec::new();
    for (at, matched) in code.match_indices("crate::") {
        if code[..at].ends_with(is_path_character) {
            continue;
        }
        let rest = &code[at + matched.len()..];
        match rest.strip_prefix('{') {
            Some(group) => paths.extend(group_members(group)),
            None => paths.push(leading_path(rest)),
        }
    }
    paths
}

/// The members of the brace group that `rest` is inside of, without what they nest.
fn group_members(rest: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut members = vec![String::new()];
    for character in rest.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            _ if depth == 0 => members.last_mut().unwrap().push(character),
            _ => {}
        }
    }
    let trimmed = members.iter().map(|member| leading_path(member.trim()));
    trimmed.filter(|member| !member.is_empty()).collect()
}

/// Names of modules of the same kind that the file mentions.
fn sibling_paths(kind: &str, file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let prefix = format!("{kind}::");
    let absolute = crate_paths(&text).into_iter();
    let named = absolute.filter_map(|path| Some(path.strip_prefix(&prefix)?.to_owned()));
    named
        .map(|path| path.split("::").next().unwrap().to_owned())
        .collect()
}

fn without_comments(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

fn leading_path(text: &str) -> String {
    text.chars().take_while(|c| is_path_character(*c)).collect()
}

fn is_path_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}
