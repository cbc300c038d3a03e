//! What each folder of the map must not know, as a table, and the search for what is known all the same.

use crate::map::Row;
use crate::tree::{Followed, Target, Tree};

/// A row of the map, made exact.
pub struct Rule {
    pub folders: &'static [&'static str],
    /// The map's own words.
    pub words: &'static str,
    pub bars: &'static [Bar],
}

pub enum Bar {
    /// Of crates that are not ours, everything whose path begins so.
    Outside(&'static [&'static str]),
    /// Of our files, those that lie here.
    Ours(&'static [&'static str]),
    /// Of our files, all that do not lie here.
    OursBut(&'static [&'static str]),
    /// The modules within this folder by their own names: only what its `mod.rs` shows is for others.
    Within(&'static str),
}

use Bar::{Ours, OursBut, Outside, Within};

const KAFKA: &[&str] = &["rdkafka", "rdkafka_sys"];
const CLOCK: &[&str] = &["std::time::SystemTime", "std::time::Instant", "chrono::Utc", "chrono::Local"];
const CLIENTS: &[&str] = &["src/broker/kafka", "src/broker/memory"];
/// Where the worker makes its calls.
const CALLS: &[&str] = &["src/worker/clients.rs", "src/worker/failed.rs", "src/worker/mod.rs", "src/worker/phase.rs"];
const TURN: &[Bar] = &[Within("src/worker")];

/// In the order of the map. Where a row has no bars, its words are empty, or what it says is not about Rust.
pub const RULES: &[Rule] = &[
    Rule {
        folders: &["src/flow"],
        words: "Kafka, tokio, serde, the clock",
        bars: &[
            Outside(KAFKA),
            Outside(&["tokio", "serde", "serde_json", "chrono", "clap"]),
            Outside(CLOCK),
            // Its page says that it does no I/O and is never random.
            Outside(&["rand", "std::env", "std::fs", "std::io", "std::net", "std::thread"]),
            OursBut(&["src/flow", "src/time.rs", "src/mutant.rs"]),
        ],
    },
    Rule { folders: &["src/schema"], words: "Kafka clients", bars: &[Outside(KAFKA), Ours(CLIENTS)] },
    Rule {
        folders: &["src/broker"],
        words: "flows",
        bars: &[OursBut(&[
            "src/broker",
            "src/clock.rs",
            "src/outgoing.rs",
            "src/outgoing",
            "src/time.rs",
            "src/mutant.rs",
        ])],
    },
    Rule {
        folders: &["src/broker/kafka/native"],
        words: "what an error means, what may be shown",
        bars: &[OursBut(&["src/broker/kafka/native", "src/broker/mod.rs", "src/broker/record.rs", "src/time.rs"])],
    },
    Rule { folders: &["src/worker"], words: "rdkafka", bars: &[Outside(KAFKA), Ours(CLIENTS)] },
    Rule {
        folders: &["src/worker/facts", "src/worker/session"],
        words: "calls, rules of deciding",
        bars: &[Ours(CALLS), Ours(&["src/worker/decide"])],
    },
    Rule { folders: &["src/worker/decide"], words: "calls", bars: &[Ours(CALLS)] },
    Rule { folders: &["src/topics.rs", "src/topics"], words: "how a turn works", bars: TURN },
    Rule {
        folders: &["src/capacity.rs"],
        words: "everything but `src/topics.rs`",
        bars: &[OursBut(&["src/capacity.rs", "src/topics.rs", "src/schema"])],
    },
    Rule { folders: &["src/instance"], words: "how a turn works", bars: TURN },
    Rule { folders: &["src/client"], words: "how a turn works", bars: TURN },
    Rule { folders: &["src/cli"], words: "", bars: &[] },
    Rule { folders: &["src/api", "src/metrics.rs"], words: "how a turn works", bars: TURN },
    Rule {
        folders: &["src/otlp"],
        words: "Kafka clients, how a turn works",
        bars: &[Outside(KAFKA), Ours(CLIENTS), Within("src/worker")],
    },
    Rule { folders: &["src/config"], words: "", bars: &[] },
    Rule {
        folders: &["src/outgoing.rs", "src/outgoing"],
        words: "everything else",
        bars: &[OursBut(&["src/outgoing.rs", "src/outgoing"])],
    },
    Rule { folders: &["src/hex.rs"], words: "everything else", bars: &[OursBut(&["src/hex.rs"])] },
    Rule { folders: &["src/legible.rs"], words: "everything else", bars: &[OursBut(&["src/legible.rs"])] },
    Rule {
        folders: &["src/time.rs", "src/duration.rs"],
        words: "the clock",
        bars: &[Outside(CLOCK), OursBut(&["src/time.rs", "src/duration.rs"])],
    },
    Rule {
        folders: &["src/clock.rs"],
        words: "everything but `src/time.rs`",
        bars: &[OursBut(&["src/clock.rs", "src/time.rs"])],
    },
    Rule {
        folders: &["src/mutant.rs"],
        words: "everything else",
        bars: &[Outside(&["clap"]), OursBut(&["src/mutant.rs"])],
    },
    Rule { folders: &["src/demo"], words: "how a turn works", bars: TURN },
    Rule { folders: &["console"], words: "", bars: &[] },
    Rule { folders: &["checker"], words: "every crate of ours", bars: &[OursBut(&["checker"])] },
    Rule { folders: &["schemas"], words: "", bars: &[] },
    Rule { folders: &["tests/conformance"], words: "", bars: &[] },
    Rule { folders: &["tests/exhaustive"], words: "the worker", bars: &[Ours(&["src/worker"])] },
    Rule { folders: &["tests/wire"], words: "", bars: &[] },
    Rule { folders: &["tests/layers"], words: "", bars: &[] },
    Rule { folders: &["fuzz", "tests/fuzz"], words: "", bars: &[] },
    Rule { folders: &["tests/gate"], words: "", bars: &[] },
    Rule { folders: &["tests/kafka"], words: "", bars: &[] },
    Rule { folders: &["tests/faults"], words: "", bars: &[] },
    Rule { folders: &["tests/chaos"], words: "", bars: &[] },
    Rule { folders: &["simulator"], words: "how a turn works", bars: TURN },
    Rule { folders: &["benches/parts"], words: "Kafka clients", bars: &[Outside(KAFKA), Ours(&["src/broker/kafka"])] },
    Rule { folders: &["benches/side-by-side"], words: "how a turn works", bars: TURN },
    Rule { folders: &["tests/watching"], words: "", bars: &[] },
    Rule { folders: &["console/tests"], words: "", bars: &[] },
    Rule { folders: &["deploy"], words: "", bars: &[] },
];

/// Where the table and the map say different things.
pub fn disagreements(rules: &[Rule], map: &[Row]) -> Vec<String> {
    let of_map = map.iter().map(|row| (row.folders.join(", "), row.must_not_know.clone()));
    let of_table = rules.iter().map(|rule| (rule.folders.join(", "), rule.words.to_owned()));
    let (of_map, of_table): (Vec<_>, Vec<_>) = (of_map.collect(), of_table.collect());
    let only = |these: &[(String, String)], those: &[(String, String)], whose: &str| {
        let only = these.iter().filter(|row| !those.contains(row));
        only.map(|(folders, words)| format!("{whose} alone says: {folders} must not know \"{words}\""))
            .collect::<Vec<_>>()
    };
    [only(&of_map, &of_table, "the map"), only(&of_table, &of_map, "the table of rules")].concat()
}

/// Every import that a rule forbids: where it stands, what it is, and which rule.
pub fn breaches(rules: &[Rule], tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (from, mention) in tree.imports() {
        let file = &tree.modules[from].file;
        let followed = tree.follow(from, &mention.path);
        for rule in rules.iter().filter(|rule| within(file, rule.folders)) {
            for hit in rule.bars.iter().filter_map(|bar| bar.hit(tree, file, &followed)) {
                let (line, path) = (mention.line, mention.path.join("::"));
                let (folders, words) = (rule.folders.join(", "), rule.words);
                found.push(format!("{file}:{line}: `{path}` is {hit}; {folders} must not know \"{words}\""));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

impl Bar {
    /// What it is that the path leads to, if the bar forbids that.
    fn hit(&self, tree: &Tree, from: &str, followed: &Followed) -> Option<String> {
        let ours = match &followed.target {
            Target::Module(id) | Target::Item(id) => Some(tree.modules[*id].file.as_str()),
            Target::Outside(_) => None,
        };
        let forbidden = match self {
            Self::Outside(names) => {
                let Target::Outside(path) = &followed.target else { return None };
                let path = path.join("::");
                let begins = |name: &&str| path == **name || path.starts_with(&format!("{name}::"));
                return names.iter().any(begins).then_some(path);
            }
            Self::Ours(folders) => ours.filter(|file| within(file, folders)),
            Self::OursBut(folders) => ours.filter(|file| !within(file, folders)),
            Self::Within(folder) if within(from, &[folder]) => None,
            Self::Within(folder) => {
                let named = followed.named.iter().map(|id| tree.modules[*id].file.as_str());
                let shown = format!("{folder}/mod.rs");
                named.into_iter().find(|file| within(file, &[folder]) && **file != shown)
            }
        };
        forbidden.map(str::to_owned)
    }
}

/// A file lies in one of these folders, or is one of these files.
pub fn within(file: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| file.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Crate, made_up};

    const GATE: Crate = Crate { name: "flowgate", folder: "src", roots: &["lib.rs"] };
    const CHECKER: Crate = Crate { name: "flowgate_checker", folder: "checker/src", roots: &["lib.rs"] };
    const EXHAUSTIVE: Crate = Crate { name: "", folder: "tests/exhaustive", roots: &[] };
    const SIMULATOR: Crate = Crate { name: "", folder: "simulator/src", roots: &["main.rs"] };

    /// A gate in small, with one file more or another one.
    fn breaches_with(path: &str, text: &str) -> Vec<String> {
        let mut files = vec![
            (
                "src/lib.rs",
                "pub mod api; pub mod broker; pub mod flow; pub mod legible; pub mod schema; pub mod time; pub mod worker;",
            ),
            ("src/api/mod.rs", "use crate::worker::Turn;"),
            ("src/broker/mod.rs", "pub mod kafka; use crate::time::Timestamp; pub struct Record;"),
            ("src/broker/kafka/mod.rs", "use rdkafka::Message; pub struct Client;"),
            ("src/flow/mod.rs", "use crate::time::Timestamp; pub struct FlowId;"),
            ("src/legible.rs", "use std::fmt;"),
            ("src/schema/mod.rs", "use crate::{broker::Record, flow::FlowId};"),
            ("src/time.rs", "pub struct Timestamp;"),
            ("src/worker/mod.rs", "pub mod turn; pub use turn::Turn;"),
            ("src/worker/turn.rs", "use super::turn::Turn as T; pub struct Turn;"),
            ("checker/src/lib.rs", "use serde::Deserialize;"),
            ("simulator/src/main.rs", "use flowgate::worker::Turn;"),
            ("tests/exhaustive/world.rs", "use flowgate::flow::FlowId;"),
        ];
        files.retain(|file| file.0 != path);
        files.push((path, text));
        breaches(RULES, &made_up(&files, &[GATE, CHECKER, SIMULATOR, EXHAUSTIVE]))
    }

    #[test]
    fn what_the_map_allows_is_let_through() {
        assert_eq!(breaches_with("src/legible.rs", "use std::fmt;"), Vec::<String>::new());
    }

    #[test]
    fn every_bar_is_red_when_it_is_broken() {
        let flow = "must not know \"Kafka, tokio, serde, the clock\"";
        let turn = "must not know \"how a turn works\"";
        let cases = [
            (
                "src/flow/mod.rs",
                "pub struct FlowId;\nuse std::time;\nfn f() { time::Instant::now(); }",
                3,
                "std::time::Instant::now",
                flow,
            ),
            ("src/flow/mod.rs", "pub struct FlowId;\nuse tokio::sync::mpsc;", 2, "tokio::sync::mpsc", flow),
            (
                "src/flow/mod.rs",
                "pub struct FlowId;\n#[derive(serde::Serialize)] struct A;",
                2,
                "serde::Serialize",
                flow,
            ),
            ("src/flow/mod.rs", "pub struct FlowId;\nuse crate::{\nbroker::Record};", 3, "src/broker/mod.rs", flow),
            (
                "src/schema/mod.rs",
                "type C = crate::broker::kafka::Client;",
                1,
                "src/broker/kafka/mod.rs",
                "\"Kafka clients\"",
            ),
            ("src/schema/mod.rs", "use rdkafka as r;", 1, "rdkafka", "\"Kafka clients\""),
            (
                "src/broker/mod.rs",
                "pub mod kafka; pub struct Record;\nuse super::flow::FlowId;",
                2,
                "src/flow/mod.rs",
                "\"flows\"",
            ),
            (
                "src/worker/turn.rs",
                "pub struct Turn;\nuse crate::broker::kafka;",
                2,
                "src/broker/kafka/mod.rs",
                "\"rdkafka\"",
            ),
            ("src/api/mod.rs", "use crate::worker::turn::Turn;", 1, "src/worker/turn.rs", turn),
            ("src/legible.rs", "use crate::time::Timestamp;", 1, "src/time.rs", "\"everything else\""),
            ("checker/src/lib.rs", "use flowgate::time::Timestamp;", 1, "src/time.rs", "\"every crate of ours\""),
            ("simulator/src/main.rs", "fn f() { flowgate::worker::turn::go() }", 1, "src/worker/turn.rs", turn),
            ("tests/exhaustive/world.rs", "use flowgate::worker::Turn;", 1, "src/worker/turn.rs", "\"the worker\""),
        ];
        for (file, text, line, what, rule) in cases {
            let found = breaches_with(file, text);
            let told = |breach: &String| {
                breach.starts_with(&format!("{file}:{line}: ")) && breach.contains(&format!("is {what};"))
            };
            assert!(found.iter().any(|breach| told(breach) && breach.ends_with(rule)), "{file}: {text}: {found:?}");
        }
    }

    #[test]
    fn a_map_and_a_table_that_differ_are_red() {
        let row = |folder: &str, words: &str| Row { folders: vec![folder.to_owned()], must_not_know: words.to_owned() };
        let rules = [Rule { folders: &["src/a"], words: "Kafka", bars: &[] }];
        assert_eq!(disagreements(&rules, &[row("src/a", "Kafka")]), Vec::<String>::new());
        let found = disagreements(&rules, &[row("src/a", "Kafka, serde")]);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
