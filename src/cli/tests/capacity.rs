//! `flowgate capacity`.

use clap::Parser as _;
use serde_json::Value;

use super::schemas::judge;
use crate::capacity::{Load, Needs, Site};
use crate::cli::{Cli, Command, Failure};
use crate::config::{Settings, Sources};
use crate::schema::topics::Topics;

const LOAD: Load = Load {
    rate: 20_000,
    mean_rate: 2_000,
    flows: 10_000,
    known_flows: 50_000,
    held: 50_000_000,
    event_bytes: 200,
    drain_within: None,
};

const SITE: Site = Site { brokers: 3, replicas: 3, workers: 1, memory: 256 << 20 };

fn of(load: &Load) -> Needs {
    Needs::of(load, &SITE, &Topics::new("flow").unwrap())
}

fn run(args: &[&str]) -> Result<String, Failure> {
    let settings = Settings::load(&Sources::new()).unwrap();
    let Command::Capacity(args) = Cli::try_parse_from(["flowgate", "capacity"].iter().chain(args)).unwrap().command
    else {
        unreachable!()
    };
    let mut out = Vec::new();
    args.run(&settings, &mut out).map(|()| String::from_utf8(out).unwrap())
}

fn json(args: &[&str]) -> Value {
    let document = serde_json::from_str(&run(&[args, &["-o", "json"]].concat()).unwrap()).unwrap();
    judge("cli/capacity", &document);
    document
}

#[test]
fn more_of_anything_needs_no_less() {
    let before = of(&LOAD);
    for more in [
        Load { rate: 2_000_000, ..LOAD },
        Load { mean_rate: 20_000, ..LOAD },
        Load { flows: 1_000_000, ..LOAD },
        Load { known_flows: 10_000_000, ..LOAD },
        Load { held: 5_000_000_000, ..LOAD },
        Load { event_bytes: 2_000, ..LOAD },
        Load { drain_within: Some(std::time::Duration::from_secs(60)), ..LOAD },
    ] {
        let after = of(&more);
        assert_ne!(before, after, "{more:?}");
        let sizes = |of: &Needs| {
            let (gates, brokers) = (of.gates, of.brokers);
            let disk = brokers.held_disk + brokers.enrollments_disk + brokers.records_disk;
            let limits = [brokers.open_files_limit, brokers.maps_limit];
            // All gates together: there may be more of them with less each.
            let all = [gates.gates, gates.partitions, gates.gates * gates.cores, gates.gates * gates.memory, disk];
            [&all[..], &limits, &[brokers.partitions, brokers.memory, brokers.cores, brokers.received]].concat()
        };
        let (before, after) = (sizes(&before), sizes(&after));
        assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{more:?}: {before:?} {after:?}");
    }
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let most = ["--rate", "100000000", "--flows", "10000000", "--held", "100000000000", "--known-flows", "100000000"];
    json(&[&most[..], &["--event-bytes", "1048576", "--drain-within", "1s", "--replication-factor", "3"]].concat());
    json(&["--rate", "1", "--flows", "0", "--held", "0", "--broker-count", "1"]);
}

#[test]
fn one_gate_more_than_the_load_takes() {
    let document = json(&["--rate", "1", "--flows", "1", "--held", "0"]);
    assert_eq!(document["gates"]["gates"], 2);
    let document = json(&["--rate", "200000", "--flows", "1", "--held", "0"]);
    assert_eq!(document["gates"]["gates"], 5);
    // 60,000,000 in ten minutes are 100,000 a second.
    let drained = ["--rate", "200000", "--flows", "1", "--held", "60000000", "--drain-within", "10m"];
    assert_eq!(json(&drained)["gates"]["gates"], 7);
}

#[test]
fn where_live_events_leave_no_room_a_drain_never_ends() {
    let needs = of(&Load { rate: 50_000, mean_rate: 50_000, ..LOAD });
    assert_eq!(needs.times.drain, None);
    let needs = of(&Load { rate: 50_000, mean_rate: 25_000, held: 25_000_000, ..LOAD });
    assert_eq!(needs.times.drain.map(|time| time.as_secs()), Some(1_000));
}

#[test]
fn numbers_that_contradict_each_other_are_refused() {
    let load = ["--rate", "10", "--flows", "5", "--held", "1"];
    for (more, said) in [
        (["--broker-count", "2", "--replication-factor", "3"].as_slice(), "--replication-factor 3"),
        (&["--mean-rate", "11"], "--mean-rate 11"),
        (&["--known-flows", "4"], "--known-flows 4"),
    ] {
        let failure = run(&[&load[..], more].concat()).unwrap_err();
        assert_eq!(failure.code, 2);
        assert!(failure.to_string().contains(said), "{failure}");
    }
}

/// What docs/capacity.md shows is what the command prints.
#[test]
fn the_document_shows_what_it_prints() {
    let document = include_str!("../../../docs/capacity.md");
    let example = document.split("```").find(|block| block.contains("$ flowgate capacity")).unwrap();
    let (line, shown) = example.split_once("$ flowgate capacity ").unwrap().1.split_once('\n').unwrap();
    let args: Vec<&str> = line.split(' ').collect();
    assert_eq!(run(&args).unwrap().trim(), shown.trim());
}
