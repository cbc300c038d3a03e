//! Commands: their order, their answers, and those that cannot be done.

use std::time::Duration;

use serde_json::json;

use super::rig::{DAY, Rig, header};

/// Goal: the same command twice is the same as once and gets the same answer, also out of turn.
#[test]
fn a_repeated_command_changes_nothing() {
    let mut rig = Rig::new();
    let first = rig.command("welcome", "pause", json!({}));
    rig.settle();
    rig.order("welcome", "resume", json!({}));
    rig.send_all("welcome", "a");
    rig.settle();
    rig.command_again(&first, "welcome", "pause", json!({}));
    rig.settle();
    rig.send_all("welcome", "b");
    rig.settle();
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b"));
    let answers: Vec<_> = rig.answers().into_iter().filter(|(id, ..)| *id == first).collect();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
}

/// Goal: the memory for that survives a crash, and a repeat within one turn counts too.
#[test]
fn a_repeated_command_is_known_after_a_crash_and_within_a_turn() {
    let mut rig = Rig::new();
    let id = rig.command("welcome", "pause", json!({"for_seconds": 100}));
    rig.command_again(&id, "welcome", "pause", json!({"for_seconds": 500}));
    rig.settle();
    let deadline = rig.flow("welcome").deadline();
    rig.restart("b");
    rig.command_again(&id, "welcome", "pause", json!({"for_seconds": 900}));
    rig.settle();
    assert_eq!(rig.flow("welcome").deadline(), deadline);
    assert_eq!(rig.answers().len(), 3);
}

/// Goal: an unknown flow is not made by a resume, whose repetition gets the same answer, after a restart too.
#[test]
fn a_command_for_an_unknown_flow_is_answered() {
    let mut rig = Rig::new();
    let id = rig.command("tpyo", "resume", json!({}));
    rig.settle();
    rig.restart("a");
    rig.command_again(&id, "tpyo", "resume", json!({}));
    rig.settle();
    assert!(rig.known("tpyo").is_none());
    let answers = rig.answers();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].2.contains("no flow `tpyo` is known"), "{answers:?}");
}

/// Goal: what cannot be done is rejected with the limit, and changes nothing.
#[test]
fn impossible_commands_are_rejected() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    for (flow, action, rest, text) in [
        ("welcome", "pause", json!({"until": "2001-01-01T00:00:00Z"}), "expired: `until`"),
        (
            "welcome",
            "pause",
            json!({"for_seconds": 1_209_601}),
            "14 days at most: the latest possible time is 2025-06-29T",
        ),
        ("welcome", "pause", json!({"until": "2031-01-01T00:00:00Z"}), "the latest possible time is"),
        ("welcome", "release", json!({"count": 3}), "the flow is live"),
        ("welcome", "release", json!({}), "count and record_ids are both missing"),
        ("welcome", "purge", json!({}), "the flow is live"),
        ("nobody", "purge", json!({}), "no flow `nobody` is known"),
        ("welcome", "delete", json!({}), "action `delete` is unknown"),
        ("welcome", "pause", json!({"keep": "some"}), "keep `some` is unknown"),
        ("welcome", "resume", json!({"max_rate": 0}), "max_rate"),
        ("nobody", "pause", json!({"for_seconds": 99_999_999}), "14 days at most"),
        ("*", "purge", json!({}), "purge is for one flow at a time"),
        ("*", "pause", json!({"expect": {"next_entry": 1}}), "expect: every flow stands elsewhere"),
    ] {
        let answer = rig.order(flow, action, rest);
        assert!(answer.starts_with("rejected: ") && answer.contains(text), "{flow} {action}: {answer}");
    }
    assert_eq!(rig.state("welcome"), "live");
    assert!(rig.known("nobody").is_none());
}

/// Goal: a command that cannot be read is a dead letter, once, made by partition 0, whoever owns what.
#[test]
fn unreadable_commands_are_dead_letters() {
    let mut rig = Rig::new();
    rig.start("b");
    rig.settle();
    for bytes in
        [b"pause welcome".as_slice(), b"{\"command_id\": 1}", b"\xff", b"{\"flow_id\":\"a\",\"action\":\"pause\"}"]
    {
        rig.control(bytes);
    }
    rig.settle();
    let letters = rig.dead_letters();
    let reasons: Vec<_> = letters.iter().map(|of| header(of, "flowgate-reason").unwrap()).collect();
    assert_eq!(reasons, ["not_json", "wrong_type", "not_utf8", "missing_field"]);
    assert!(letters.iter().all(|of| of.partition == 0));
    assert_eq!(header(&letters[0], "flowgate-source").unwrap(), "flow.control/0/0");
    rig.workers.clear();
    rig.restart("c");
    assert_eq!(rig.dead_letters().len(), 4, "not again after a restart");
}

/// Goal: an unreadable command that is too large for the dead letters does not stop the gate.
#[test]
fn a_command_beyond_all_limits_is_a_dead_letter_without_its_value() {
    let mut rig = Rig::new();
    rig.memory.configure(&rig.topics.control, "max.message.bytes", "5000000").unwrap();
    rig.control(&vec![b'x'; 3_000_000]);
    rig.command("welcome", "pause", json!({}));
    rig.settle();
    assert_eq!(rig.state("welcome"), "paused");
    let letter = rig.dead_letters().pop().unwrap();
    assert_eq!((letter.value.as_ref(), header(&letter, "flowgate-reason").unwrap().as_str()), (None, "not_json"));
}

/// Goal: commands of monstrous length for flows that nobody knows cannot fill a partition record beyond what its topic
/// takes.
#[test]
fn monstrous_commands_do_not_stop_a_partition() {
    let mut rig = Rig::new();
    let monster = "\u{1}".repeat(1000);
    for number in 0..1_100 {
        rig.command(&format!("no-{number}"), "resume", json!({"invalid": monster}));
    }
    rig.send_all("welcome", "a");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "a");
    assert_eq!(rig.answers().len(), 1_100);
}

/// Goal: a gate that was down applies every command that waits before it touches one event.
#[test]
fn commands_that_waited_come_before_events() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    rig.workers.clear();
    rig.send_all("welcome", "b");
    for flow in ["welcome", "x", "y", "z"] {
        rig.send_all(flow, "c");
        rig.command(flow, "pause", json!({}));
    }
    rig.restart("b");
    assert_eq!(rig.delivered("welcome"), "a");
    for flow in ["x", "y", "z"] {
        assert_eq!((rig.state(flow), rig.delivered(flow).as_str()), ("paused", ""));
    }
    for flow in ["welcome", "x", "y", "z"] {
        rig.order(flow, "resume", json!({}));
    }
    assert_eq!((rig.delivered("welcome").as_str(), rig.delivered("y").as_str()), ("a b c", "c"));
}

/// Goal: the longest pause may be configured lower; a pause in force comes under it at the next start.
#[test]
fn a_lowered_limit_holds_for_pauses_in_force() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "a");
    rig.settle();
    rig.adjust = |options| options.limits.max_pause = Duration::from_secs(3_600);
    rig.restart("a");
    rig.pass(Duration::from_secs(3_600));
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a"));
}

/// Goal: commands older than the control topic keeps are gone without harm to the ones that are left.
#[test]
fn commands_that_retention_took_do_not_stop_the_gate() {
    let mut rig = Rig::new();
    rig.settle();
    rig.workers.clear();
    rig.whole = false;
    rig.command("lost", "pause", json!({}));
    rig.memory.advance_to(rig.now().after(DAY * 100));
    rig.command("welcome", "pause", json!({}));
    rig.memory.retain(&rig.topics.control).unwrap();
    rig.restart("a");
    assert!(rig.known("lost").is_none());
    assert_eq!(rig.state("welcome"), "paused");
}
