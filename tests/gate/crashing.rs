//! Whatever goes wrong between two calls, the topics end as if nothing had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowgate::broker::memory::{Call, Fault, Operation};
use flowgate::broker::{Action, Code, Error};
use flowgate::worker::{Options, Stop};
use serde_json::json;

use super::rig::{Rig, SESSION};

/// What became of each flow: delivered, discarded, state, counts.
type Ends = BTreeMap<&'static str, (String, String, &'static str, String)>;

const FLOWS: [&str; 3] = ["welcome", "win-back", "other"];

fn small_turns(options: &mut Options) {
    options.turn.records = 4;
    options.turn.backlog = 3;
    options.idle = Duration::ZERO;
}

/// Holding, draining, rate-limited, `release: none`, keep all, a withdraw, a re-pause, a timer. Each stage settles by
/// `settle`, which is told its name.
fn workload(rig: &mut Rig, settle: &mut dyn FnMut(&mut Rig, &'static str)) -> Ends {
    rig.send_all("welcome", "a b +a");
    rig.send_all("other", "o1 o2");
    settle(rig, "live");
    rig.command("welcome", "pause", json!({}));
    rig.command("win-back", "pause", json!({"keep": "all", "for_seconds": 86_400, "expiry_rate": 50}));
    settle(rig, "pausing");
    rig.send_all("welcome", "c d e c f g h -d i j c +a k l");
    rig.send_all("win-back", "w1 w2 w1 w3 w1 +w1 w4");
    rig.send_all("other", "o3 o4 o5");
    settle(rig, "holding");
    rig.command("welcome", "resume", json!({}));
    settle(rig, "draining");
    rig.send_all("welcome", "m n");
    settle(rig, "live again");
    rig.command("welcome", "pause", json!({"keep": "all"}));
    settle(rig, "pausing again");
    rig.send_all("welcome", "p q r p s t");
    settle(rig, "holding again");
    rig.command("welcome", "resume", json!({"max_rate": 2}));
    settle(rig, "rate-limited");
    rig.command("welcome", "pause", json!({"keep": "latest"}));
    settle(rig, "re-pausing");
    rig.send_all("welcome", "u v u");
    settle(rig, "holding more");
    rig.command("welcome", "resume", json!({"max_rate": 100}));
    settle(rig, "draining more");
    until_live(rig, "welcome", settle);
    rig.command("welcome", "pause", json!({}));
    settle(rig, "pausing once more");
    rig.send_all("welcome", "x y z x");
    settle(rig, "holding once more");
    rig.command("welcome", "resume", json!({"release": "none"}));
    settle(rig, "release none");
    rig.send_all("welcome", "last");
    rig.send_all("other", "o6");
    settle(rig, "end");
    rig.memory.advance_to(rig.now().after(Duration::from_secs(90_000)));
    settle(rig, "timer");
    until_live(rig, "win-back", settle);
    let end = |flow| {
        let state = rig.flow(flow);
        let counts = format!("{:?} {:?}", state.counts.queued, state.counts.removed);
        (flow, (rig.delivered(flow), rig.discarded(flow), state.state_word(), counts))
    };
    FLOWS.into_iter().map(end).collect()
}

fn until_live(rig: &mut Rig, flow: &str, settle: &mut dyn FnMut(&mut Rig, &'static str)) {
    for _ in 0..1_000 {
        if rig.state(flow) == "live" {
            return;
        }
        rig.wait(Duration::from_millis(250));
        settle(rig, "waiting");
    }
    panic!("{flow} does not get live");
}

fn undisturbed() -> Ends {
    workload(&mut Rig::with(small_turns), &mut |rig, _| rig.settle())
}

/// Goal: a crash at any named phase of any stage, once or again and again, changes nothing of what comes out.
#[test]
fn crashes_at_every_phase() {
    let expected = undisturbed();
    assert_eq!(expected["welcome"].1, "y z x");
    assert!(expected["welcome"].0.starts_with("a b +a -d e f g h i j c +a k l m n p q r p s t"), "{expected:?}");
    const STAGES: [&str; 11] = [
        "live",
        "pausing",
        "holding",
        "draining",
        "pausing again",
        "holding again",
        "rate-limited",
        "re-pausing",
        "draining more",
        "release none",
        "timer",
    ];
    const PHASES: [&str; 11] =
        ["start", "replace", "enter", "chores", "gather", "create", "leaders", "send", "acks", "offsets", "commit"];
    let mut crashes: BTreeMap<&str, u32> = BTreeMap::new();
    for stage in STAGES {
        for phase in PHASES {
            // The process comes back under its name, or another takes over.
            let instance = if phase.len() % 2 == 0 { "a" } else { "b" };
            let ends = workload(&mut Rig::with(small_turns), &mut |rig, now| {
                // The first two times that this phase is come to, and once behind each.
                for time in 0..2 {
                    if now == stage && rig.step_to(0, phase) {
                        if time == 1 {
                            rig.step(0).unwrap();
                        }
                        *crashes.entry(phase).or_default() += 1;
                        rig.crash(instance);
                    }
                }
                rig.settle();
            });
            assert_eq!(ends, expected, "crash at {phase} while {stage}");
        }
    }
    println!("crashes: {crashes:?}");
    for phase in ["chores", "gather", "create", "leaders", "send", "acks", "offsets", "commit"] {
        assert!(crashes[phase] >= if phase == "create" { 2 } else { 20 }, "{crashes:?}");
    }
}

/// Goal: the same for crashes after so many steps, each after some more than the one before.
#[test]
fn crashes_again_and_again() {
    let expected = undisturbed();
    for first in [97, 131, 173, 211] {
        let (mut steps, mut life) = (0, first);
        let ends = workload(&mut Rig::with(small_turns), &mut |rig, _| {
            let mut quiet = 0;
            while quiet < 3 {
                steps += 1;
                if steps == life {
                    (steps, life) = (0, life + 17);
                    rig.crash("a");
                }
                quiet = if rig.step(0).unwrap() { quiet + 1 } else { quiet.min(2) };
            }
            rig.settle();
        });
        assert_eq!(ends, expected, "first after {first} steps");
    }
}

/// Settles; a worker that stopped is started again, as a supervisor would.
fn settle_restarting(rig: &mut Rig, stops: &mut Vec<Stop>) {
    for _ in 0..50 {
        match rig.try_settle() {
            Ok(()) if rig.workers[0].is_ready() && rig.workers[0].obstacles().is_empty() => return,
            // It has begun anew, and the group waits for the member that it was; or it waits before it tries again.
            Ok(()) => rig.wait(SESSION),
            Err(stop) => {
                stops.push(stop);
                rig.crash("a");
            }
        }
    }
    panic!("it does not recover: {stops:?} {:?}", rig.workers[0].stats());
}

const OPERATIONS: [Operation; 21] = [
    Operation::Join,
    Operation::Poll,
    Operation::Acknowledge,
    Operation::FetchFrom,
    Operation::Committed,
    Operation::Standing,
    Operation::Leave,
    Operation::Assign,
    Operation::ReaderPoll,
    Operation::Watermarks,
    Operation::Initialise,
    Operation::LeadersKnown,
    Operation::Begin,
    Operation::Send,
    Operation::SendOffsets,
    Operation::Commit,
    Operation::Abort,
    Operation::CreateTopics,
    Operation::DeleteRecords,
    Operation::DeleteTopics,
    Operation::Partitions,
];

/// Goal: a failure of any call, with any advice about it, early, late, or every so often, changes nothing of what comes
/// out; only `stop` ends the process.
#[test]
fn every_call_may_fail() {
    let expected = undisturbed();
    let mut met: BTreeSet<Operation> = BTreeSet::new();
    for operation in OPERATIONS {
        for action in [Action::Retry, Action::Abort, Action::Rebuild, Action::Stop] {
            for every in [3, 10] {
                if action == Action::Stop && every == 3 {
                    continue;
                }
                let calls = Arc::new(Mutex::new((0_u32, 0_u32)));
                let counted = Arc::clone(&calls);
                let mut rig = Rig::with(small_turns);
                rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
                    if operation == Operation::Standing && call.operation == Operation::Commit {
                        // Whoever needs no other producer does not ask.
                        return Some(Fault::Replace);
                    }
                    let mut counts = counted.lock().unwrap();
                    counts.0 += u32::from(call.operation == operation);
                    let due = call.operation == operation
                        && (counts.0 == 1 || counts.0.is_multiple_of(every))
                        && counts.1 < 12;
                    due.then(|| {
                        counts.1 += 1;
                        Fault::Fail(Error::new(action, Code::Other, "a test"))
                    })
                })));
                let mut stops = Vec::new();
                let ends = workload(&mut rig, &mut |rig, _| settle_restarting(rig, &mut stops));
                rig.memory.set_fault_hook(None);
                assert_eq!(ends, expected, "{operation:?} {action:?} {every}");
                assert!(stops.is_empty() || action == Action::Stop, "{operation:?} {action:?}: {stops:?}");
                if calls.lock().unwrap().1 > 0 {
                    met.insert(operation);
                }
            }
        }
    }
    let never = [Operation::Leave, Operation::Abort, Operation::DeleteTopics];
    let missing: Vec<_> = OPERATIONS.iter().filter(|of| !met.contains(of) && !never.contains(of)).collect();
    assert!(missing.is_empty(), "never failed: {missing:?}");
}

/// Goal: a commit whose answer never came is found out about, both ways; so are used-up producers, late markers, and
/// aborts of either kind.
#[test]
fn commits_with_every_outcome() {
    let expected = undisturbed();
    let abort = |code| Fault::Fail(Error::new(Action::Abort, code, "a test"));
    let faults: [(&str, Operation, Fault); 6] = [
        ("happened", Operation::Commit, Fault::CommitUnknown { happened: true }),
        ("did not happen", Operation::Commit, Fault::CommitUnknown { happened: false }),
        ("used up", Operation::Commit, Fault::Replace),
        ("must abort", Operation::Commit, abort(Code::Other)),
        ("markers lag", Operation::Commit, Fault::MarkersLag),
        ("stale", Operation::SendOffsets, abort(Code::StaleGeneration)),
    ];
    for (name, operation, fault) in faults {
        for abort in [None, Some(Fault::Replace), Some(Fault::MarkersLag)] {
            for every in [2, 3] {
                let mut rig = Rig::with(small_turns);
                let mut calls = 0;
                let (fault, abort) = (fault.clone(), abort.clone());
                rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
                    if call.operation == Operation::Abort {
                        return abort.clone();
                    }
                    calls += u32::from(call.operation == operation);
                    (call.operation == operation && calls % every == 0).then(|| fault.clone())
                })));
                let ends = workload(&mut rig, &mut |rig, _| {
                    for _ in 0..100 {
                        rig.settle();
                        // The broker gets round to it.
                        rig.memory.release_markers(None);
                        let turns = rig.workers[0].stats().turns;
                        rig.settle();
                        if rig.workers[0].stats().turns == turns {
                            break;
                        }
                    }
                });
                rig.memory.set_fault_hook(None);
                rig.memory.release_markers(None);
                rig.settle();
                assert_eq!(ends, expected, "{name} {every}");
            }
        }
    }
}
