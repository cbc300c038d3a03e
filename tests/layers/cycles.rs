//! Files that import each other in a circle: none of them can be read, tested or moved without the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tree::{Target, Tree};

/// Where one file imports another, and what.
#[derive(Clone, Debug)]
struct Import {
    line: String,
    path: String,
}

type Graph = BTreeMap<String, BTreeMap<String, Import>>;

/// A shortest circle of each group of files that reach each other, with the lines that make it.
pub fn cycles(tree: &Tree) -> Vec<String> {
    circles(&graph(tree, str::to_owned))
}

/// The same between the folders of a crate's sources, each taken as one file.
pub fn between_folders(tree: &Tree) -> Vec<String> {
    circles(&graph(tree, folder_of))
}

/// `src/worker/turn.rs` is in `src/worker`, and `src/topics.rs` belongs to `src/topics`.
fn folder_of(file: &str) -> String {
    let Some((source, rest)) = file.split_once("src/") else { return file.to_owned() };
    format!("{source}src/{}", rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs"))
}

fn graph(tree: &Tree, node: impl Fn(&str) -> String) -> Graph {
    let mut graph = Graph::new();
    for (from, mention) in tree.imports() {
        let to = match tree.follow(from, &mention.path).target {
            Target::Item(to) => to,
            Target::Module(to) if mention.all => to,
            // The name of a module is only a way to what is in it.
            Target::Module(_) | Target::Outside(_) => continue,
        };
        let (from, to) = (&tree.modules[from].file, &tree.modules[to].file);
        if node(from) != node(to) {
            let import = Import { line: format!("{from}:{}", mention.line), path: mention.path.join("::") };
            graph.entry(node(from)).or_default().entry(node(to)).or_insert(import);
        }
    }
    graph
}

fn circles(graph: &Graph) -> Vec<String> {
    let mut seen: BTreeSet<&String> = BTreeSet::new();
    let mut found = Vec::new();
    for start in graph.keys() {
        if seen.contains(start) || way(graph, start, start).is_none() {
            continue;
        }
        let group: Vec<&String> = graph
            .keys()
            .filter(|other| {
                *other == start || (way(graph, start, other).is_some() && way(graph, other, start).is_some())
            })
            .collect();
        let shortest = group.iter().filter_map(|file| way(graph, file, file)).min_by_key(Vec::len);
        found.extend(shortest.map(|way| tell(graph, &way, group.len())));
        seen.extend(group);
    }
    found
}

/// The shortest way from a file to another, with both ends; from a file to itself, a circle.
fn way(graph: &Graph, from: &str, to: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut next = VecDeque::from([from]);
    while let Some(at) = next.pop_front() {
        for (file, _) in graph.get(at).into_iter().flatten() {
            if file == to {
                let back = std::iter::successors(Some(at), |at| (*at != from).then(|| before[at]));
                let mut way: Vec<String> = back.map(str::to_owned).collect();
                way.reverse();
                way.push(to.to_owned());
                return Some(way);
            }
            if file != from && !before.contains_key(file.as_str()) {
                before.insert(file, at);
                next.push_back(file);
            }
        }
    }
    None
}

fn tell(graph: &Graph, way: &[String], group: usize) -> String {
    let mut text = format!("{} import each other in a circle (in a knot of {group}):", way[..way.len() - 1].join(", "));
    for pair in way.windows(2) {
        let import = &graph[&pair[0]][&pair[1]];
        text += &format!("\n    {}: `{}` is in {}", import.line, import.path, pair[1]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Crate, made_up};

    const GATE: Crate = Crate { name: "gate", folder: "src", roots: &["lib.rs"] };

    fn tree(files: &[(&str, &str)]) -> Tree {
        made_up(files, &[GATE])
    }

    #[test]
    fn a_circle_is_told_with_its_lines() {
        let files = [
            ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
            ("src/a.rs", "pub struct A;\nuse crate::b::B;"),
            ("src/b.rs", "pub struct B;\n\nfn f() -> crate::c::C {}"),
            ("src/c.rs", "pub struct C(super::a::A);"),
            ("src/d.rs", "use crate::a::A;"),
        ];
        let told = "src/a.rs, src/b.rs, src/c.rs import each other in a circle (in a knot of 3):\
            \n    src/a.rs:2: `crate::b::B` is in src/b.rs\
            \n    src/b.rs:3: `crate::c::C` is in src/c.rs\
            \n    src/c.rs:1: `super::a::A` is in src/a.rs";
        assert_eq!(cycles(&tree(&files)), [told]);
    }

    #[test]
    fn a_module_that_only_shows_its_children_is_in_no_circle_with_them() {
        let shows = [
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use c::*;"),
            ("src/a/b.rs", "pub struct B; use super::C;"),
            ("src/a/c.rs", "pub struct C; use crate::a::c::C as Own;"),
        ];
        assert_eq!(cycles(&tree(&shows)), Vec::<String>::new());
        let uses = [
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod b; pub use b::B; pub struct A;"),
            ("src/a/b.rs", "pub struct B; use super::*;"),
        ];
        assert_eq!(cycles(&tree(&uses)).len(), 1, "it has something of its own too");
    }

    #[test]
    fn folders_may_not_import_each_other_though_no_file_does() {
        let files = [
            ("src/lib.rs", "mod a; mod d; mod e;"),
            ("src/a/mod.rs", "pub mod b; pub mod c;"),
            ("src/a/b.rs", "pub struct B;"),
            ("src/a/c.rs", "pub struct C(crate::d::D);"),
            ("src/d.rs", "pub struct D(super::a::b::B);"),
            ("src/e.rs", "use crate::a::c::C;"),
        ];
        assert_eq!(cycles(&tree(&files)), Vec::<String>::new());
        assert_eq!(between_folders(&tree(&files)).len(), 1);
    }
}
