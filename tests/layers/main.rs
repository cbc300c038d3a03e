//! Goal: the sources are layered as ARCHITECTURE.md says, and what it names is there.
//!
//! Method: the sources are read, not compiled ([`tokens`], [`source`]), and every path in them is followed to the file that defines what it
//! names ([`tree`]). So it is seen when a folder knows what the [`map`] says it must not ([`rules`]), when files import each other in a
//! circle ([`cycles`]), when a document names a file that is gone ([`names`]), and when a threat has no test ([`threats`]). Each of these has
//! tests of its own, on sources made up for them, that show it red.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod cycles;
mod map;
mod names;
mod rules;
mod source;
mod threats;
mod tokens;
mod tree;

use std::fs;
use std::path::Path;

use tree::{Crate, Files, Tree};

const CRATES: [Crate; 6] = [
    Crate { name: "flowgate", folder: "src", roots: &["lib.rs", "main.rs"] },
    Crate { name: "flowgate_checker", folder: "checker/src", roots: &["lib.rs"] },
    Crate { name: "flowgate_simulator", folder: "simulator/src", roots: &["lib.rs", "main.rs"] },
    Crate { name: "", folder: "benches/parts", roots: &["parts.rs"] },
    Crate { name: "", folder: "benches/side-by-side/src", roots: &["main.rs"] },
    Crate { name: "", folder: "tests/exhaustive", roots: &[] },
];

/// Every file and folder of the repository, by its path from the root; without what is built, and what is hidden.
fn names() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            if name.starts_with('.') || name.ends_with("target") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            }
            names.push(name);
        }
    }
    names.sort();
    names
}

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn sources() -> Tree {
    let files: Files =
        names().into_iter().filter(|name| name.ends_with(".rs")).map(|name| (name.clone(), text(&name))).collect();
    let tree = Tree::new(&files, &CRATES);
    assert!(tree.faults.is_empty(), "{}", tree.faults.join("\n"));
    tree
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_map_names_what_is_there_and_every_part_of_the_sources() {
    let names = names();
    let rows = map::rows(&text("ARCHITECTURE.md"));
    let part = |name: &&String| {
        name.strip_prefix("src/").is_some_and(|name| !name.contains('/') && !["lib.rs", "main.rs"].contains(&name))
    };
    let wanted: Vec<String> = names.iter().filter(part).cloned().collect();
    none(&map::faults(&rows, |name| names.iter().any(|there| there == name), &wanted));
    none(&rules::disagreements(rules::RULES, &rows));
}

#[test]
fn no_folder_knows_what_it_must_not() {
    none(&rules::breaches(rules::RULES, &sources()));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    none(&cycles::cycles(&sources()));
}

#[test]
fn no_folders_import_each_other_in_a_circle() {
    none(&cycles::between_folders(&sources()));
}

/// Of ours, for people: those that stand at the root, and those in `docs`.
fn is_a_document(name: &str) -> bool {
    name.ends_with(".md") && (name.starts_with("docs/") || !name.contains('/'))
}

/// Goal: no document is left out of the book (`book.toml`), whoever adds it.
#[test]
fn the_book_has_every_document() {
    let contents = text("book/SUMMARY.md");
    let left_out = |name: &&String| is_a_document(name) && !contents.contains(&format!("]({name})"));
    let faults: Vec<_> =
        names().iter().filter(left_out).map(|name| format!("book/SUMMARY.md leaves out {name}")).collect();
    none(&faults);
}

#[test]
fn documents_name_what_is_there() {
    let names = names();
    let documents =
        names.iter().filter(|name| is_a_document(name) || (name.starts_with("deploy/") && name.ends_with(".md")));
    let faults = documents.flat_map(|document| {
        // In `deploy` they may name what lies beside them.
        let beside = document.rsplit_once('/').map(|(folder, _)| folder);
        let beside = |name: &str| beside.is_some_and(|folder| names.contains(&format!("{folder}/{name}")));
        names::faults(document, &text(document), |name| names::is_there(&names, name) || beside(name))
    });
    none(&faults.collect::<Vec<_>>());
}

#[test]
fn every_threat_has_a_test_that_is_there() {
    let names = names();
    let document = text("SECURITY.md");
    assert!(document.lines().filter(|line| line.contains(".rs`")).count() >= 15);
    none(&threats::faults(&document, |file| names.iter().any(|name| name == file).then(|| text(file))));
}
