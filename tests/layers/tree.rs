//! All sources of the repository, and what a path in one of them leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::source::{self, Mention, Module};

/// A crate of the repository.
#[derive(Clone, Copy)]
pub struct Crate {
    /// As its dependants write it; empty: nobody depends on it.
    pub name: &'static str,
    /// The folder of its sources.
    pub folder: &'static str,
    /// The files in it that the modules begin at: a crate with a library and a program has two. Empty: every file, by itself.
    pub roots: &'static [&'static str],
}

/// The text of each file, by its path from the repository's root.
pub type Files = BTreeMap<String, String>;

/// A module's number in [`Tree::modules`].
pub type Id = usize;

/// A module with its place.
pub struct Node {
    pub file: String,
    pub module: Module,
    parent: Option<Id>,
    root: Id,
    children: BTreeMap<String, Id>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Module(Id),
    /// Something that is defined in this module.
    Item(Id),
    /// Of another crate than ours: the whole path.
    Outside(Vec<String>),
}

/// A path that was followed.
pub struct Followed {
    pub target: Target,
    /// The modules of ours that the path names itself, before any re-export.
    pub named: Vec<Id>,
}

#[derive(Default)]
pub struct Tree {
    pub modules: Vec<Node>,
    /// The roots of the crates that others depend on.
    names: BTreeMap<&'static str, Id>,
    /// What could not be read.
    pub faults: Vec<String>,
}

impl Tree {
    pub fn new(files: &Files, crates: &[Crate]) -> Self {
        let mut tree = Self::default();
        for of in crates {
            let alone = files.keys().filter(|path| of.roots.is_empty() && path.starts_with(&format!("{}/", of.folder)));
            for file in alone {
                tree.grow(files, file.clone(), None, true);
            }
            for root in of.roots {
                let id = tree.grow(files, format!("{}/{root}", of.folder), None, true);
                if *root == "lib.rs" {
                    tree.names.insert(of.name, id);
                }
            }
        }
        let reached: BTreeSet<&String> = tree.modules.iter().map(|node| &node.file).collect();
        // A declaration that the tree does not understand would leave its file unseen, and the rules would pass.
        let lost = |path: &&String| !reached.contains(path) && !path.contains("tests");
        let under = |path: &&String| crates.iter().any(|of| path.starts_with(&format!("{}/", of.folder)));
        tree.faults
            .extend(files.keys().filter(under).filter(lost).map(|path| format!("{path}: no module declares it")));
        tree
    }

    /// A file and the files of the modules that it declares. `beside`: those lie beside it, and not in a folder of its name.
    fn grow(&mut self, files: &Files, file: String, parent: Option<Id>, beside: bool) -> Id {
        let module = match files.get(&file).map(|text| source::read(text)) {
            Some(Ok(module)) => module,
            Some(Err(error)) => {
                self.faults.push(format!("{file}: {error}"));
                Module::default()
            }
            None => {
                self.faults.push(format!("{file}: is not there"));
                Module::default()
            }
        };
        let folder = beneath(&file, beside);
        self.add(files, file, &folder, module, parent)
    }

    fn add(&mut self, files: &Files, file: String, folder: &str, mut module: Module, parent: Option<Id>) -> Id {
        let id = self.modules.len();
        let root = parent.map_or(id, |parent| self.modules[parent].root);
        let declared = module.declared.clone();
        let inline = std::mem::take(&mut module.inline);
        self.modules.push(Node { file: file.clone(), module, parent, root, children: BTreeMap::new() });
        for (name, path) in declared {
            // A path goes from the file's own folder.
            let own = path.map(|path| join(&file, &path));
            let beside = own.is_some();
            let paths = [own.unwrap_or(format!("{folder}/{name}.rs")), format!("{folder}/{name}/mod.rs")];
            let Some(path) = paths.iter().find(|path| files.contains_key(*path)) else {
                self.faults.push(format!("{file}: module `{name}` has no file"));
                continue;
            };
            let child = self.grow(files, path.clone(), Some(id), beside);
            self.modules[id].children.insert(name, child);
        }
        for (name, module) in inline {
            let child = self.add(files, file.clone(), &format!("{folder}/{name}"), module, Some(id));
            self.modules[id].children.insert(name, child);
        }
        id
    }

    /// Where a path that stands in a module leads.
    pub fn follow(&self, from: Id, path: &[String]) -> Followed {
        let mut named = Vec::new();
        let target = self.walk(from, path, &mut named, 0);
        Followed { target, named }
    }

    fn walk(&self, from: Id, path: &[String], named: &mut Vec<Id>, depth: usize) -> Target {
        let outside = Target::Outside(path.to_vec());
        let Some(first) = path.first() else { return outside };
        // Two names that stand for each other compile as little as they end here.
        if depth > 20 {
            return outside;
        }
        let mut at = match first.as_str() {
            "crate" => Target::Module(self.modules[from].root),
            "self" => Target::Module(from),
            "super" => self.modules[from].parent.map_or(outside.clone(), Target::Module),
            name => match self.look_up(from, name, path.len() == 1, depth).or_else(|| self.name(name)) {
                Some(found) => found,
                None => return outside,
            },
        };
        for (n, segment) in path.iter().enumerate().skip(1) {
            at = match at {
                Target::Module(id) => {
                    named.push(id);
                    match segment.as_str() {
                        "super" => self.modules[id].parent.map_or(outside.clone(), Target::Module),
                        // What a macro defines is not seen here: it is taken for the module's own.
                        name => self.look_up(id, name, n + 1 == path.len(), depth).unwrap_or(Target::Item(id)),
                    }
                }
                // A variant, or an associated item.
                Target::Item(id) => return Target::Item(id),
                Target::Outside(before) => {
                    return Target::Outside(before.into_iter().chain(path[n..].iter().cloned()).collect());
                }
            };
        }
        if let Target::Module(id) = at {
            named.push(id);
        }
        at
    }

    fn name(&self, name: &str) -> Option<Target> {
        self.names.get(name).map(|id| Target::Module(*id))
    }

    /// What a name stands for in a module. `last`: nothing follows it, so it may be an item that has a module's name.
    fn look_up(&self, module: Id, name: &str, last: bool, depth: usize) -> Option<Target> {
        let node = &self.modules[module];
        let child = node.children.get(name).map(|id| Target::Module(*id));
        if child.is_some() && !last {
            return child;
        }
        if node.module.defined.contains(name) {
            return Some(Target::Item(module));
        }
        let bound = node.module.uses.iter().find(|of| of.name.as_deref() == Some(name));
        // `use tokio;` binds a name to itself.
        if let Some(bound) =
            bound.filter(|bound| bound.mention.path.first().is_some_and(|first| first != name || child.is_some()))
        {
            return Some(self.walk(module, &bound.mention.path, &mut Vec::new(), depth + 1));
        }
        let globs = node.module.uses.iter().filter(|of| of.name.is_none());
        let through = |path: &[String]| match self.walk(module, path, &mut Vec::new(), depth + 1) {
            Target::Module(id) if id != module && depth < 20 => self.look_up(id, name, last, depth + 1),
            _ => None,
        };
        child.or_else(|| globs.into_iter().find_map(|glob| through(&glob.mention.path)))
    }

    /// Every import: what stands in a `use`, re-exports too, and as a path in the code.
    pub fn imports(&self) -> impl Iterator<Item = (Id, &Mention)> {
        self.modules.iter().enumerate().flat_map(|(id, node)| {
            node.module.uses.iter().map(|of| &of.mention).chain(&node.module.paths).map(move |mention| (id, mention))
        })
    }
}

/// The folder in which the modules are that a file declares.
fn beneath(file: &str, beside: bool) -> String {
    let path = Path::new(file);
    let own = beside || path.file_name().is_some_and(|name| name == "mod.rs");
    let folder = if own { path.parent().unwrap_or(path).to_owned() } else { path.with_extension("") };
    folder.to_string_lossy().into_owned()
}

/// The path of a file that another one names.
fn join(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A made-up tree, for the tests of the tests.
#[cfg(test)]
pub fn made_up(files: &[(&str, &str)], crates: &[Crate]) -> Tree {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let tree = Tree::new(&files, crates);
    assert_eq!(tree.faults, Vec::<String>::new());
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: Crate = Crate { name: "gate", folder: "src", roots: &["lib.rs"] };

    fn leads(tree: &Tree, from: &str, path: &str) -> String {
        let from = tree.modules.iter().position(|node| node.file == from).unwrap();
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        match tree.follow(from, &path).target {
            Target::Module(id) => format!("module {}", tree.modules[id].file),
            Target::Item(id) => tree.modules[id].file.clone(),
            Target::Outside(path) => path.join("::"),
        }
    }

    #[test]
    fn a_path_leads_to_the_file_that_defines_it() {
        let files = [
            ("src/lib.rs", "pub mod a; pub mod b;"),
            ("src/a/mod.rs", "mod c; mod d; pub use c::C; pub use d::*; pub struct A; use std::time;"),
            ("src/a/c.rs", "use super::{A, D}; pub struct C; pub mod inner { pub struct I; }"),
            ("src/a/d.rs", "pub enum D { One }"),
            ("src/b.rs", "use crate::a; use super::a as other;"),
        ];
        let tree = made_up(&files, &[GATE]);
        assert_eq!(leads(&tree, "src/a/d.rs", "super::C"), "src/a/c.rs", "through a re-export");
        assert_eq!(leads(&tree, "src/a/c.rs", "super::D::One"), "src/a/d.rs", "through one of all names, to a variant");
        assert_eq!(leads(&tree, "src/a/c.rs", "super::A"), "src/a/mod.rs");
        assert_eq!(leads(&tree, "src/b.rs", "a::C"), "src/a/c.rs", "through an import of the module");
        assert_eq!(leads(&tree, "src/b.rs", "other::D"), "src/a/d.rs", "under another name");
        assert_eq!(leads(&tree, "src/b.rs", "gate::a::c::inner::I"), "src/a/c.rs", "by the crate's name");
        assert_eq!(leads(&tree, "src/b.rs", "self::super::a"), "module src/a/mod.rs");
        assert_eq!(leads(&tree, "src/a/mod.rs", "time::Instant::now"), "std::time::Instant::now");
        assert_eq!(leads(&tree, "src/b.rs", "tokio::spawn"), "tokio::spawn");
    }

    #[test]
    fn a_module_may_have_its_file_elsewhere() {
        let files =
            [("src/lib.rs", "mod a;"), ("src/a.rs", "#[path = \"../b/c.rs\"] pub mod d;"), ("b/c.rs", "pub struct C;")];
        assert_eq!(leads(&made_up(&files, &[GATE]), "src/a.rs", "d::C"), "b/c.rs");
    }

    #[test]
    fn a_file_that_is_not_seen_is_a_fault() {
        let files = [("src/lib.rs", "pub mod a;"), ("src/b.rs", ""), ("src/tests.rs", "")];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let faults = Tree::new(&files, &[GATE]).faults;
        assert_eq!(faults, ["src/lib.rs: module `a` has no file", "src/b.rs: no module declares it"]);
    }
}
