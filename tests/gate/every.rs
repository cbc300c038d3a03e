//! Commands for every flow: each partition applies them in one transaction, or in several as of one moment, answers for itself, and
//! keeps a pause as the default of flows that are first seen later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowgate::broker::memory::{Call, Fault, Operation};
use flowgate::broker::{Action, Code, Error};
use flowgate::worker::Options;
use serde_json::{Value, json};

use super::rig::{DAY, PARTITIONS, Rig, words};

const HOUR: Duration = Duration::from_secs(3_600);

/// The answers to a command for every flow, by partition.
fn answers(rig: &Rig, id: &str) -> Vec<String> {
    let audit = rig.read(&rig.topics.audit).into_iter();
    let events = audit.filter_map(|record| serde_json::from_slice::<Value>(record.value.as_deref()?).ok());
    let ours = events.filter(|event| event["event"] == "answer" && event["command"]["command_id"] == id);
    let mut answers: Vec<(i64, String)> = ours
        .map(|event| {
            assert_eq!(event["flow_id"], Value::Null);
            let text = |field: &str| event[field].as_str().unwrap().to_owned();
            (event["partition"].as_i64().unwrap(), format!("{}: {}", text("outcome"), text("detail")))
        })
        .collect();
    answers.sort();
    let partitions: Vec<i64> = answers.iter().map(|(partition, _)| *partition).collect();
    assert_eq!(partitions, (0..i64::from(PARTITIONS)).collect::<Vec<_>>(), "each partition answers once");
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// So many flows, each with one event that was delivered.
fn known_flows(rig: &mut Rig, count: u32) -> Vec<String> {
    let flows: Vec<String> = (0..count).map(|number| format!("flow-{number:02}")).collect();
    flows.iter().for_each(|flow| rig.send_all(flow, "a"));
    rig.settle();
    flows
}

/// Goal: flows of all partitions, known or not, are paused by one command and resumed by another, and what was held of each
/// comes out in order; a flow with a pause of its own stays paused.
#[test]
fn every_flow_is_paused_and_resumed() {
    let mut rig = Rig::new();
    let flows: Vec<String> = (0..20).map(|number| format!("flow-{number}")).collect();
    let (known, new) = flows.split_at(12);
    known.iter().for_each(|flow| rig.send_all(flow, "a"));
    rig.order("mine", "pause", json!({}));
    rig.order("*", "pause", json!({"for_seconds": 86_400}));
    let id = format!("c{}", rig.commands());
    let paused = answers(&rig, &id);
    assert!(paused.iter().all(|answer| answer.starts_with("applied: paused ")), "{paused:?}");
    assert_eq!(paused.iter().filter(|answer| answer.ends_with("which stays as it is")).count(), 1);
    for flow in &flows {
        rig.send_all(flow, "b c +b -c");
    }
    rig.send_all("mine", "m");
    rig.settle();
    for flow in known {
        assert_eq!((rig.state(flow), rig.delivered(flow).as_str()), ("paused", "a -c"), "{flow}");
    }
    for flow in new {
        assert_eq!((rig.state(flow), rig.delivered(flow).as_str()), ("paused", "-c"), "{flow}");
        assert_eq!(words(&rig, flow), "seen paused");
        assert!(rig.flow(flow).pause().unwrap().by_all);
    }
    rig.restart("b");
    rig.send_all("newest", "z");
    rig.order("*", "resume", json!({}));
    for flow in &flows {
        rig.run_until_live(flow);
        assert!(rig.delivered(flow).ends_with("-c b +b"), "{flow}: {}", rig.delivered(flow));
    }
    rig.run_until_live("newest");
    assert_eq!((rig.state("mine"), rig.delivered("mine").as_str()), ("paused", ""));
    // It is lifted: what is first seen now is live.
    rig.send_all("later", "a");
    rig.settle();
    assert_eq!((rig.state("later"), rig.delivered("later").as_str()), ("live", "a"));
    rig.order("mine", "resume", json!({}));
}

/// Goal: whoever pauses every flow has the answer before the queue topics of all of them are made; they are made all the same.
#[test]
fn a_pause_of_every_flow_waits_for_few_queue_topics() {
    let mut rig = Rig::new();
    let flows = known_flows(&mut rig, 100);
    rig.command("*", "pause", json!({}));
    flows.iter().for_each(|flow| rig.send_all(flow, "b"));
    while rig.answers().is_empty() {
        assert!(!rig.step(0).unwrap(), "nothing is left to do, and nothing is answered");
    }
    let made = rig.queue_topics().len();
    assert!(made < 20, "{made} topics were made before the answer");
    rig.settle();
    assert_eq!(rig.queue_topics().len(), flows.len());
    rig.order("*", "resume", json!({}));
    for flow in &flows {
        rig.run_until_live(flow);
        assert_eq!(rig.delivered(flow), "a b", "{flow}");
    }
}

/// Goal: the default ends at its deadline, as the pauses that it made do; who takes over knows it.
#[test]
fn a_default_ends_at_its_deadline() {
    let mut rig = Rig::new();
    rig.order("*", "pause", json!({"for_seconds": 7_200}));
    rig.pass(HOUR);
    rig.restart("b");
    rig.send_all("early", "a");
    rig.settle();
    let pause = rig.flow("early").pause().unwrap().clone();
    assert_eq!((rig.state("early"), pause.id.as_str()), ("paused", "pause-0"));
    rig.pass(HOUR);
    rig.send_all("late", "a");
    rig.settle();
    assert_eq!((rig.state("late"), rig.delivered("late").as_str()), ("live", "a"));
    rig.run_until_live("early");
    assert_eq!(words(&rig, "early"), "seen paused expired live");
}

/// Goal: a flow that is resumed by name stays live, though every flow is paused; one that is named in a pause stays paused, though
/// every flow is resumed.
#[test]
fn whoever_names_a_flow_is_obeyed() {
    let mut rig = Rig::new();
    rig.send_all("known", "a");
    rig.order("*", "pause", json!({}));
    rig.order("known", "resume", json!({}));
    rig.order("never-seen", "resume", json!({}));
    rig.order("kept", "pause", json!({"for_seconds": 3_600}));
    for flow in ["known", "never-seen", "kept"] {
        rig.send_all(flow, "b");
    }
    rig.settle();
    assert_eq!((rig.delivered("known").as_str(), rig.delivered("never-seen").as_str()), ("a b", "b"));
    assert_eq!(words(&rig, "never-seen"), "seen paused resumed live");
    assert_eq!(words(&rig, "kept"), "seen paused updated");
    rig.order("*", "resume", json!({}));
    assert_eq!((rig.state("kept"), rig.delivered("kept").as_str()), ("paused", ""));
    rig.order("kept", "resume", json!({}));
    rig.run_until_live("kept");
}

/// Goal: a second pause changes what the first one paused, and the default; a flow that was live meanwhile is paused anew.
#[test]
fn a_second_pause_changes_the_first() {
    let mut rig = Rig::new();
    rig.send_all("first", "a");
    rig.send_all("out", "a");
    rig.order("*", "pause", json!({"for_seconds": 86_400}));
    rig.order("out", "resume", json!({}));
    rig.run_until_live("out");
    rig.pass(HOUR);
    rig.order("*", "pause", json!({"new_records": "discard"}));
    for flow in ["first", "out", "new"] {
        rig.send_all(flow, "b +c");
    }
    rig.settle();
    for flow in ["first", "out", "new"] {
        assert_eq!(rig.discarded(flow), "b", "{flow}");
        assert_eq!(rig.flow(flow).counts.held().total(), 1, "{flow}");
    }
    let until = |flow: &str| rig.flow(flow).deadline();
    assert_eq!((until("first"), until("first")), (until("out"), until("new")));
    rig.pass(DAY);
    for flow in ["first", "out", "new"] {
        rig.run_until_live(flow);
    }
}

/// Goal: the same command again is the same as once, whoever owns the partitions by then.
#[test]
fn the_same_command_again_gets_the_same_answers() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.order("*", "pause", json!({}));
    rig.order("*", "resume", json!({}));
    rig.run_until_live("welcome");
    rig.restart("b");
    rig.command_again("c1", "*", "pause", json!({}));
    rig.settle();
    assert_eq!(rig.state("welcome"), "live");
    let repeated = rig.read(&rig.topics.audit).into_iter().filter(|record| {
        let event: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        event["repeated"] == true && event["command"]["command_id"] == "c1"
    });
    assert_eq!(repeated.count(), usize::try_from(PARTITIONS).unwrap());
}

/// Goal: whatever moment a worker dies at, every partition has applied the command once.
#[test]
fn a_crash_at_any_moment_of_it() {
    crash_at_any_moment(|_| {});
}

/// Goal: the same where it takes several turns.
#[test]
fn a_crash_between_its_turns() {
    crash_at_any_moment(|options| options.turn.every = 1);
}

fn crash_at_any_moment(adjust: fn(&mut Options)) {
    let mut finished = false;
    for steps in 0.. {
        let mut rig = Rig::with(adjust);
        ["a", "b", "c", "d", "e"].into_iter().for_each(|flow| rig.send_all(flow, "1"));
        rig.settle();
        rig.command("*", "pause", json!({}));
        ["a", "b", "c", "d", "e", "f"].into_iter().for_each(|flow| rig.send_all(flow, "2"));
        for _ in 0..steps {
            finished |= rig.step(0).unwrap();
        }
        rig.restart("b");
        let _ = answers(&rig, "c1");
        for flow in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(rig.state(flow), "paused", "{flow}, after {steps} steps");
            assert_eq!(rig.flow(flow).counts.held().total(), 1);
        }
        if finished {
            break;
        }
    }
}

/// Goal: however many flows a partition knows, one command pauses and one resumes all of them as of one moment, and in between nothing
/// comes before the rest of it: no event, no timer, no later command.
#[test]
fn it_takes_several_turns_where_one_has_no_room() {
    let mut rig = Rig::with(|options| options.turn.every = 3);
    let flows = known_flows(&mut rig, 40);
    rig.order(&flows[7], "pause", json!({"for_seconds": 600}));
    let paused = rig.command("*", "pause", json!({"for_seconds": 3_600}));
    rig.command(&flows[39], "resume", json!({}));
    flows.iter().for_each(|flow| rig.send_all(flow, "b"));
    // A turn takes a while.
    while !rig.step(0).unwrap() {
        rig.wait(Duration::from_millis(10));
    }
    rig.settle();
    let numbers = |answers: &[String]| -> u64 {
        let number = |answer: &String| answer.split(' ').nth(2).unwrap().parse::<u64>().unwrap();
        answers.iter().map(number).sum()
    };
    let said = answers(&rig, &paused);
    assert_eq!(numbers(&said), 39, "{said:?}");
    assert_eq!(
        said.iter().filter(|answer| answer.ends_with("1 flow has a pause of its own, which stays as it is")).count(),
        1
    );
    assert!(under_way(&rig) > 0, "every partition was done in one turn");
    for flow in &flows[..39] {
        assert_eq!((rig.state(flow), rig.delivered(flow).as_str()), ("paused", "a"), "{flow}");
    }
    assert_eq!((rig.state(&flows[39]), rig.delivered(&flows[39]).as_str()), ("live", "a b"));
    for partition in 0..PARTITIONS {
        let home =
            flows.iter().filter(|flow| rig.home(flow) == partition && !["flow-07", "flow-39"].contains(&flow.as_str()));
        let pauses = home.map(|flow| rig.flow(flow).pause().unwrap().clone());
        let moments: BTreeSet<_> = pauses.map(|pause| (pause.paused_at, pause.resumes_at)).collect();
        assert!(moments.len() <= 1, "{partition}: {moments:?}");
    }
    let before = under_way(&rig);
    rig.order("*", "resume", json!({}));
    assert_eq!(numbers(&answers(&rig, &format!("c{}", rig.commands()))), 38);
    assert!(under_way(&rig) > before, "every partition was done in one turn");
    for flow in flows.iter().filter(|flow| *flow != "flow-07") {
        rig.run_until_live(flow);
        assert_eq!(rig.delivered(flow), "a b", "{flow}");
    }
    assert_eq!(rig.state("flow-07"), "paused");
    rig.check();
}

/// Goal: no transaction gets larger than a turn has room for, also where all flows become live at once.
#[test]
fn no_transaction_of_it_gets_large() {
    let mut rig = Rig::with(|options| options.turn.every = 3);
    let flows = known_flows(&mut rig, 60);
    let largest = largest_transaction(&rig);
    rig.order("*", "pause", json!({"for_seconds": 86_400}));
    rig.order("*", "resume", json!({}));
    flows.iter().for_each(|flow| assert_eq!(rig.state(flow), "live", "{flow}"));
    rig.order("*", "pause", json!({"for_seconds": 3_600}));
    rig.pass(HOUR);
    flows.iter().for_each(|flow| rig.run_until_live(flow));
    // Three states with two or three transitions each; the records of three partitions, and their answers.
    let largest = largest.load(Ordering::Relaxed);
    assert!((6..=20).contains(&largest), "{largest} records in one transaction");
    rig.check();
}

/// How many records the largest transaction has had since.
fn largest_transaction(rig: &Rig) -> Arc<AtomicU64> {
    let (sent, largest) = <(AtomicU64, Arc<AtomicU64>)>::default();
    let most = Arc::clone(&largest);
    rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
        match call.operation {
            Operation::Send => drop(sent.fetch_add(1, Ordering::Relaxed)),
            Operation::Commit => drop(most.fetch_max(sent.swap(0, Ordering::Relaxed), Ordering::Relaxed)),
            _ => {}
        }
        None
    })));
    largest
}

/// Goal: a limit that is lowered in the middle of it holds for every flow, and no turn gets large by that either.
#[test]
fn a_limit_that_is_lowered_in_the_middle() {
    let mut rig = Rig::with(|options| options.turn.every = 3);
    let flows = known_flows(&mut rig, 30);
    rig.command("*", "pause", json!({}));
    for times in 0.. {
        assert!(times < 1_000 && !rig.step(0).unwrap(), "it was done in one turn");
        if flows.iter().filter(|flow| rig.state(flow) == "paused").count() > 24 {
            break;
        }
    }
    rig.adjust = |options| {
        options.turn.every = 3;
        options.limits.max_pause = DAY;
    };
    let largest = largest_transaction(&rig);
    rig.restart("b");
    let largest = largest.load(Ordering::Relaxed);
    assert!(largest <= 20, "{largest} records in one transaction");
    for flow in &flows {
        let pause = rig.flow(flow).pause().unwrap().clone();
        assert_eq!(pause.resumes_at, pause.paused_at.after(DAY), "{flow}");
    }
    rig.pass(DAY);
    flows.iter().for_each(|flow| rig.run_until_live(flow));
    rig.check();
}

/// How often a partition's record says that a command for every flow was not applied to all of them yet. The last one never does.
fn under_way(rig: &Rig) -> usize {
    let records = rig.read(&rig.topics.state).into_iter().filter(|record| record.key.as_deref() == Some(b""));
    let mut last = [false; PARTITIONS as usize];
    let states = records.map(|record| {
        let state: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        last[record.partition as usize] = state["every_under_way"].is_object();
        usize::from(state["every_under_way"].is_object())
    });
    let all = states.sum();
    assert_eq!(last, [false; PARTITIONS as usize]);
    all
}

/// Goal: an order for every flow that an abort has undone is carried out all the same.
#[test]
fn an_abort_undoes_it_and_it_comes_again() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    let mut times = 0;
    rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
        times += u32::from(call.operation == Operation::Commit);
        (call.operation == Operation::Commit && times == 1)
            .then(|| Fault::Fail(Error::new(Action::Abort, Code::Other, "not now")))
    })));
    rig.order("*", "pause", json!({}));
    rig.memory.set_fault_hook(None);
    assert_eq!((rig.state("welcome"), words(&rig, "welcome").as_str()), ("paused", "seen paused"));
    assert_eq!(rig.flow("welcome").pause().unwrap().id, "pause-0");
}

/// Goal: beyond the number of flows that are recorded, too, everything is paused.
#[test]
fn flows_beyond_the_recorded_ones_are_paused_too() {
    let mut rig = Rig::with(|options| options.max_known_flows = 2);
    ["a", "b", "c", "d"].into_iter().for_each(|flow| rig.send_all(flow, "1"));
    rig.settle();
    assert!(rig.known("d").is_none());
    rig.order("*", "pause", json!({}));
    ["a", "d", "e"].into_iter().for_each(|flow| rig.send_all(flow, "2"));
    rig.settle();
    assert_eq!(["a", "d", "e"].map(|flow| rig.state(flow)), ["paused"; 3]);
    assert_eq!((rig.delivered("d").as_str(), rig.delivered("e").as_str()), ("1", ""));
}
