//! The contract of outputs, filters and inputs, and the tests that hold it: `src/guide/contract.md` is
//! made from the tree, and this test fails if it is not what the tree says, or if an item has neither
//! a test nor a reason. `FOREBAY_WRITE=1 cargo test --test contract` writes it.
//!
//! A test holds an item if its name begins with the item's id (`f07_`, `h13_h14_`, `heka_trap_a_`). What
//! does not compile holds one if its documentation names the id in parentheses, `(F20)`, beside a
//! `compile_fail` example.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the table stands.
const PAGE: &str = "src/guide/contract.md";

/// Every item with what it is about; what follows `|` is why no test is named after it.
const ITEMS: &str = include_str!("contract/items.txt");

#[test]
fn the_table_is_what_the_tree_says_and_every_item_has_a_test_or_a_reason() {
    let items = items();
    let holding = holding(&items);
    let page = page(&items, &holding);
    let path = root().join(PAGE);
    if std::env::var_os("FOREBAY_WRITE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let unheld: Vec<_> = items
        .iter()
        .filter(|item| item.reason.is_none() && !holding.contains_key(&item.id))
        .map(|item| item.id.as_str())
        .collect();
    assert!(unheld.is_empty(), "neither test nor reason: {unheld:?}");
    let needless: Vec<_> = items
        .iter()
        .filter(|item| item.reason.is_some() && holding.contains_key(&item.id))
        .map(|item| item.id.as_str())
        .collect();
    assert!(needless.is_empty(), "a test and a reason: {needless:?}");
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "{PAGE} is not what the tree says: FOREBAY_WRITE=1 cargo test --test contract"
    );
}

#[test]
fn the_items_are_those_of_the_contract() {
    let items = items();
    let sections = [('i', 10), ('h', 24), ('s', 9), ('g', 10), ('f', 30)];
    let numbered = sections
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number:02}")));
    let expected: BTreeSet<_> = numbered.collect();
    let listed: BTreeSet<_> = items
        .iter()
        .map(|item| item.id.clone())
        .filter(|id| !id.contains("trap"))
        .collect();
    assert_eq!(listed, expected);
    let all: BTreeSet<_> = items.iter().map(|item| &item.id).collect();
    assert_eq!(all.len(), items.len(), "an id is there twice");
}

#[test]
fn a_name_holds_the_ids_that_it_begins_with() {
    for (name, ids) in [
        ("h13_h14_events_are_injected", &["h13", "h14"][..]),
        ("heka_trap_b_what_was_sent", &["heka_trap_b"]),
        ("h17_heka_trap_f_a_stop_commits", &["h17", "heka_trap_f"]),
        ("it_is_f07_only_later", &[]),
        ("f7_has_one_digit", &[]),
        ("f07", &[]),
        ("is_open", &[]),
    ] {
        assert_eq!(ids_of(name), ids, "{name}");
    }
}

/// One item of the contract.
struct Item {
    id: String,
    about: String,
    reason: Option<String>,
}

fn items() -> Vec<Item> {
    let lines = ITEMS.lines().filter(|line| !line.trim().is_empty());
    lines.map(item).collect()
}

/// `f07 What it is about | reason`.
fn item(line: &str) -> Item {
    let (item, reason) = match line.split_once(" | ") {
        Some((item, reason)) => (item, Some(reason.to_owned())),
        None => (line, None),
    };
    let (id, about) = item.split_once(' ').expect("an id and what it is about");
    if let Some(reason) = &reason {
        let has_kind = ["impossible by type: ", "later: ", "elsewhere: "]
            .iter()
            .any(|kind| reason.starts_with(kind));
        assert!(has_kind, "{id}: what kind of reason is `{reason}`?");
    }
    Item {
        id: id.to_owned(),
        about: about.trim().to_owned(),
        reason,
    }
}

/// What holds each item: tests, and what does not compile.
fn holding(items: &[Item]) -> BTreeMap<String, BTreeSet<String>> {
    let known: BTreeSet<_> = items.iter().map(|item| item.id.as_str()).collect();
    let mut holding: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let place = shown(&file);
        for name in text.lines().filter_map(function) {
            for id in ids_of(name) {
                assert!(
                    known.contains(id.as_str()),
                    "{place}: {name}: no item `{id}`"
                );
                holding.entry(id).or_default().insert(format!("`{name}`"));
            }
        }
        if text.contains("compile_fail") {
            for id in text.lines().filter(is_doc).flat_map(ids_in_parentheses) {
                let example = format!("an example in `{place}` that does not compile");
                holding.entry(id).or_default().insert(example);
            }
        }
    }
    holding
}

fn page(items: &[Item], holding: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut page = String::from(
        "Made from the tree by `tests/contract.rs`: every item of the contract, and what holds it.\n\n\
         | id | what it is about | held by |\n|---|---|---|\n",
    );
    for item in items {
        let held_by = match (holding.get(&item.id), &item.reason) {
            (Some(names), _) => names.iter().cloned().collect::<Vec<_>>().join("<br>"),
            (None, Some(reason)) => reason.clone(),
            (None, None) => "nothing yet".to_owned(),
        };
        let id = match item.id.split_once("_trap_") {
            Some((system, letter)) => format!("{system}, trap {letter}"),
            None => item.id.to_uppercase(),
        };
        writeln!(page, "| {id} | {} | {held_by} |", item.about).unwrap();
    }
    page
}

/// The ids at the beginning of a function's name.
fn ids_of(name: &str) -> Vec<String> {
    let words: Vec<_> = name.split('_').collect();
    let mut ids = Vec::new();
    let mut at = 0;
    loop {
        match &words[at..] {
            [id, _, ..] if is_id(id) => {
                ids.push((*id).to_owned());
                at += 1;
            }
            [system, "trap", letter, _, ..] if letter.len() == 1 => {
                ids.push(format!("{system}_trap_{letter}"));
                at += 3;
            }
            _ => return ids,
        }
    }
}

fn is_id(word: &str) -> bool {
    let digits = word.strip_prefix(['i', 'h', 's', 'g', 'f']);
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|c| c.is_ascii_digit()))
}

/// The name of the function that the line declares.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line
        .strip_prefix("async fn ")
        .or(line.strip_prefix("fn "))?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    Some(&rest[..end])
}

fn is_doc(line: &&str) -> bool {
    let line = line.trim_start();
    line.starts_with("///") || line.starts_with("//!")
}

/// `(H19, H20)` gives `h19` and `h20`.
fn ids_in_parentheses(line: &str) -> Vec<String> {
    let groups = line.split('(').skip(1);
    let inner = groups.filter_map(|rest| rest.split_once(')').map(|(inner, _)| inner));
    inner
        .flat_map(|inner| inner.split(", "))
        .map(|word| word.replace([' ', ','], "_").to_lowercase())
        .map(|word| padded(&word))
        .filter(|word| is_id(word) || word.contains("_trap_"))
        .collect()
}

/// `f7` as `f07`.
fn padded(word: &str) -> String {
    match word.split_at_checked(1) {
        Some((letter, digit)) if digit.len() == 1 => format!("{letter}0{digit}"),
        _ => word.to_owned(),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

/// Every source file but this one.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["src", "tests", "storage"] {
        collect(&root().join(folder), &mut files);
    }
    files.retain(|file| !file.ends_with("tests/contract.rs"));
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "target" {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
