//! Goal: commands for `*` that keep docs/contract.md are green, and each way to break it is red. Method: the toy gate plays each
//! case out; then one place of the log is broken.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use flowgate_checker::{Log, PerKind, Report, check, home, replay};
use gate::breaking::nth;
use gate::telling::{broken, change, conceal, is, new_gate, tell};
use gate::{Gate, PARTITIONS};
use serde_json::{Value, json};

fn green(gate: &Gate) -> (Log, Report) {
    let log = gate.finish();
    let report = check(&log);
    assert_eq!(report.anomalies, []);
    assert_eq!(report.flows, gate.sums());
    assert_eq!(replay(&log).differences, []);
    (log, report)
}

fn enrolls(enroll: u64) -> PerKind {
    PerKind { enroll, advance: 0 }
}

/// What the partition of `welcome` answers to a command.
fn answer(offset: i64) -> impl Fn(&Value) -> bool {
    let home = home("welcome", PARTITIONS);
    move |told| told["event"] == "answer" && told["command_offset"] == offset && told["partition"] == home
}

/// The transitions of a flow, as words.
fn words(log: &Log, flow: &str) -> Vec<String> {
    let read = |record: &flowgate_checker::Record| {
        let told: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        (told["flow_id"] == flow).then(|| told["transition"].as_str().map(str::to_owned))?
    };
    log.audit.iter().filter_map(read).collect()
}

/// `welcome` is live and `abcde`, of the same home, paused on its own. All are paused (command 2), paused again (3), and resumed
/// (5); `win-back` comes to be known under the default.
fn everything() -> Gate {
    let mut gate = new_gate();
    gate.enroll("welcome", "a");
    gate.enroll("abcde", "a");
    gate.pause("abcde", json!({"keep": "all"}));
    gate.pause_all(json!({"for_seconds": 864_000}));
    gate.enroll("welcome", "b");
    gate.event("welcome", "x", "withdraw");
    gate.enroll("abcde", "b");
    gate.pause_all(json!({"keep": "all"}));
    gate.enroll("welcome", "b");
    gate.enroll("welcome", "b");
    gate.enroll("win-back", "a");
    gate.resume_all(json!({}));
    gate.drain_all("welcome");
    gate.drain_all("win-back");
    gate.enroll("welcome", "c");
    gate.resume("abcde", json!({}));
    gate.drain_all("abcde");
    gate
}

#[test]
fn a_pause_of_all_holds_every_flow() {
    let (log, report) = green(&everything());
    assert_eq!((report.flows["welcome"].released, report.flows["welcome"].replaced), (enrolls(3), enrolls(0)));
    assert_eq!((report.flows["win-back"].released, report.flows["abcde"].released), (enrolls(1), enrolls(1)));
    assert_eq!(words(&log, "welcome"), ["seen", "paused", "updated", "resumed", "live"]);
    assert_eq!(words(&log, "abcde"), ["seen", "paused", "resumed", "live"]);
    assert_eq!(words(&log, "win-back"), ["seen", "paused", "resumed", "live"]);
}

#[test]
fn a_pause_of_all_that_leaves_a_flow_out() {
    let (log, _) = green(&everything());
    let is_of = |flow: &'static str, word: &'static str| move |told: &Value| told["flow_id"] == flow && is(word)(told);
    let left_out = "a pause of `*` makes nothing of a flow that is live";
    broken(&log, left_out, "is for `*`, and the flow is not", |log| conceal(log, is_of("welcome", "paused")));
    let left_out = "a pause of `*` makes nothing of a flow that is paused by `*`";
    broken(&log, left_out, "is for `*`, and the flow is not", |log| conceal(log, is_of("welcome", "updated")));
    let left_out = "a resume of `*` makes nothing of a flow that is paused by `*`";
    broken(&log, left_out, "nothing that the list knows", |log| conceal(log, is_of("welcome", "resumed")));
    let left_out = "is not paused by the default of command 3";
    broken(&log, left_out, "is not followed by the pause of the default", |log| {
        conceal(log, is_of("win-back", "paused"))
    });
    let unseen = |log: &mut Log| {
        conceal(log, is_of("win-back", "paused"));
        conceal(log, is_of("win-back", "seen"));
    };
    broken(&log, "does not pause the flow at its event at 0", "finds the flow neither seen nor paused", unseen);
    let twice = |log: &mut Log| {
        let that = |told: &Value| is_of("welcome", "updated")(told);
        let at = log.audit.iter().position(|told| that(&serde_json::from_slice(told.value.as_ref().unwrap()).unwrap()));
        let copy = log.audit[at.unwrap()].clone();
        log.audit.iter_mut().filter(|told| told.offset > copy.offset).for_each(|told| told.offset += 10);
        log.audit.push(flowgate_checker::Record { offset: copy.offset + 5, ..copy });
    };
    broken(&log, "is the second thing that a command for `*` makes", "a command for `*` makes there", twice);
}

#[test]
fn an_event_that_passes_a_pause_of_all() {
    let (log, _) = green(&everything());
    let delivered = |log: &mut Log| {
        let (at, before) = (nth(&log.records, "b", 0), nth(&log.records, "x", 0));
        gate::breaking::move_to(log, at, before);
    };
    broken(&log, "although the flow was paused", "but the list", delivered);
    let as_it_came = |log: &mut Log| {
        let at = nth(&log.records, "b", 0);
        let own = log.records[at].headers.len() - 3;
        log.records[at].headers.truncate(own);
    };
    broken(&log, "although the flow was paused", "", as_it_came);
    let options = |log: &mut Log| {
        change(
            &mut log.control,
            |command| command["keep"] == "all" && command["flow_id"] == "*",
            |command| {
                command["keep"] = json!("latest");
            },
        );
    };
    broken(&log, "had replaced it", "but the list", options);
}

#[test]
fn a_flow_whose_pause_is_its_own() {
    let (log, _) = green(&everything());
    let resumed = |log: &mut Log| {
        change(
            &mut log.audit,
            |told| told["flow_id"] == "abcde" && is("resumed")(told),
            |told| {
                told["command_offset"] = json!(5);
            },
        );
    };
    broken(
        &log,
        "is not what a resume of `*` makes of a flow that is paused on its own",
        "but changed nothing",
        resumed,
    );
    let mut gate = new_gate();
    gate.enroll("welcome", "a");
    gate.pause_all(json!({}));
    gate.pause("welcome", json!({"keep": "all"}));
    gate.pause_all(json!({"new_records": "discard"}));
    gate.resume_all(json!({}));
    gate.enroll("welcome", "b");
    let (log, _) = green(&gate);
    assert_eq!(words(&log, "welcome"), ["seen", "paused", "updated"]);
    let still_of_all = |log: &mut Log| {
        tell(log, "updated", |told| told["command_offset"] = json!(3));
        change(&mut log.audit, answer(2), |told| told["outcome"] = json!("unchanged"));
    };
    broken(&log, "is not where its partition answers", "", |log| {
        change(
            &mut log.audit,
            |told| is("paused")(told) || is("updated")(told),
            |told| told["position"]["input"] = json!(2),
        );
    });
    broken(
        &log,
        "a resume of `*` makes nothing of a flow that is paused by `*`",
        "is for `*`, and the flow is not",
        still_of_all,
    );
}

#[test]
fn what_a_resume_of_all_finds() {
    let mut gate = new_gate();
    gate.resume_all(json!({}));
    gate.enroll("welcome", "a");
    gate.pause_all(json!({"keep": "all"}));
    gate.enroll("welcome", "a");
    gate.enroll("welcome", "a");
    gate.resume_all(json!({}));
    gate.drain("welcome", 1);
    gate.resume_all(json!({}));
    gate.resume_all(json!({"release": "none"}));
    gate.pause_all(json!({}));
    gate.resume("welcome", json!({}));
    gate.resume_all(json!({"max_rate": 5}));
    gate.drain_all("welcome");
    let (log, report) = green(&gate);
    assert_eq!(
        words(&log, "welcome"),
        ["seen", "paused", "resumed", "redirected", "repaused", "resumed", "redirected", "live"]
    );
    assert_eq!(report.flows["welcome"].released, enrolls(2));
    broken(&log, "there was nothing to resume", "", |log| {
        change(&mut log.audit, answer(0), |told| told["outcome"] = json!("applied"));
    });
    broken(&log, "there was something to resume", "", |log| {
        change(&mut log.audit, answer(3), |told| told["outcome"] = json!("unchanged"));
    });
    broken(&log, "took effect without being answered as applied", "", |log| {
        change(&mut log.audit, answer(3), |told| told["outcome"] = json!("unchanged"));
    });
    let first = |told: &Value| is("redirected")(told) && told["position"]["watermark"] == 1;
    broken(
        &log,
        "a resume of `*` makes nothing of a flow that is resuming from a pause of `*`",
        "is for `*`, and the flow is not",
        |log| conceal(log, first),
    );
    let orders = |log: &mut Log| {
        change(&mut log.control, |command| command["release"] == "none", |command| command["release"] = Value::Null);
    };
    broken(
        &log,
        "is not what a resume of `*` makes of a flow that is resuming from a pause of `*`",
        "a command for `*` makes there",
        orders,
    );
}

#[test]
fn who_answers_a_command_for_all() {
    let mut gate = everything();
    gate.reject_all("purge", json!({}));
    gate.reject_all("pause", json!({"expect": {"pause_id": null}}));
    gate.reject_all("forget", json!({}));
    gate.for_no_flow();
    let (log, report) = green(&gate);
    let partitions = u64::try_from(PARTITIONS).unwrap();
    assert_eq!((report.commands.read, report.commands.rejected), (9, 3 * partitions + 1));
    broken(&log, "partition 1 does not answer it", "a command for `*` makes there", |log| conceal(log, answer(2)));
    broken(&log, "names a flow, although it is for all", "a command for `*` makes there", |log| {
        change(&mut log.audit, answer(2), |told| told["flow_id"] = json!("welcome"));
    });
    broken(&log, "answers it twice", "a command for `*` makes there", |log| {
        change(&mut log.audit, answer(2), |told| told["partition"] = json!(0))
    });
    broken(&log, "which does not exist", "a command for `*` makes there", |log| {
        change(&mut log.audit, answer(2), |told| told["partition"] = json!(9))
    });
    for (action, why) in [("forget", "although it is for one flow"), ("purge", "although it is for one flow")] {
        let that = |told: &Value| told["command"]["action"] == action;
        broken(&log, why, "", |log| change(&mut log.audit, that, |told| told["outcome"] = json!("applied")));
    }
    let expecting = |told: &Value| told["command"]["expect"].is_object();
    broken(&log, "although it expects something of one flow", "is for `*`, and the flow is not", |log| {
        change(&mut log.audit, expecting, |told| told["outcome"] = json!("applied"));
    });
    let that = |told: &Value| told["command"]["flow_id"] == "*" && told["command"]["keep"] == "all";
    broken(&log, "although a pause changes the default", "", |log| {
        change(&mut log.audit, that, |told| told["outcome"] = json!("unchanged"));
    });
    let for_no_flow = |told: &Value| told["command"]["flow_id"] == "";
    broken(&log, "partition 1 answers it, although it is for no flow", "", |log| {
        change(&mut log.audit, for_no_flow, |told| told["partition"] = json!(1));
    });
}

#[test]
fn a_flow_that_a_command_makes_known_under_the_default() {
    for (action, outcome) in
        [("resume", "applied"), ("purge", "unchanged"), ("pause", "applied"), ("forget", "rejected")]
    {
        let mut gate = new_gate();
        gate.enroll("welcome", "z");
        gate.pause_all(json!({}));
        match action {
            "resume" => gate.resume("abcde", json!({})),
            "purge" => gate.purge("abcde", json!({})),
            "pause" => gate.pause("abcde", json!({"expect": {"pause_id": "pause-0", "next_entry": 1}})),
            _ => gate.forget("abcde", json!({})),
        }
        gate.resume_all(json!({}));
        gate.enroll("abcde", "a");
        let (log, _) = green(&gate);
        assert_eq!(words(&log, "abcde")[..2], ["seen", "paused"], "{action}");
        let answers = log.audit.iter().filter(|told| {
            let told: Value = serde_json::from_slice(told.value.as_ref().unwrap()).unwrap();
            told["flow_id"] == "abcde" && told["outcome"] == outcome
        });
        assert_eq!(answers.count(), 1, "{action}");
    }
}

#[test]
fn the_pause_of_a_flow_that_is_first_seen() {
    let (log, _) = green(&everything());
    let its = |told: &Value| told["flow_id"] == "win-back" && is("paused")(told);
    let says = |field: &'static str, value: Value| {
        move |log: &mut Log| change(&mut log.audit, its, |told| told[field] = value.clone())
    };
    broken(
        &log,
        "does not name the pause by the default's first command",
        "does not name its pause",
        says("pause_id", json!("pause-3")),
    );
    broken(
        &log,
        "names another command than the one that made",
        "names another command than the newest",
        says("command_offset", json!(2)),
    );
    let of_all = |told: &Value| told["flow_id"] == "welcome" && is("paused")(told);
    broken(&log, "does not name the pause by its command", "does not name its pause", |log| {
        change(&mut log.audit, of_all, |told| told["pause_id"] = json!("p"));
    });
}

#[test]
fn a_default_that_has_ended() {
    let mut gate = new_gate();
    gate.enroll("welcome", "a");
    gate.pause_all(json!({"for_seconds": 3600}));
    gate.clock_ms += 7_200_000;
    gate.expire("welcome");
    gate.drain_all("welcome");
    gate.enroll("win-back", "a");
    gate.enroll("win-back", "b");
    gate.pause_all(json!({}));
    gate.enroll("流れ", "b");
    let (log, report) = green(&gate);
    assert_eq!(report.flows["win-back"].delivered_live, 2);
    let longer = |log: &mut Log| {
        change(&mut log.control, |_| true, |command| command["for_seconds"] = json!(864_000));
        log.state.clear();
    };
    broken(&log, "is not paused by the default of command 0", "is not followed by the pause of the default", longer);
    let shorter = |log: &mut Log| {
        change(&mut log.control, |_| true, |command| command["for_seconds"] = json!(-3600));
        log.state.clear();
    };
    broken(&log, "is paused by a default that is not in force", "a command for `*` makes there", shorter);
}

/// Goal: when a default ends is told by the gate's clock, however late the audit of its turn was stored. Method: of the commands only
/// the last is public, and whether the one before found the first in force depends on that.
#[test]
fn a_turn_that_was_stored_late() {
    let mut gate = new_gate();
    gate.enroll("welcome", "a");
    gate.pause_all(json!({"for_seconds": 2}));
    gate.clock_ms += 5_000;
    gate.expire("welcome");
    gate.drain_all("welcome");
    gate.pause_all(json!({"new_records": "discard"}));
    gate.pause_all(json!({"keep": "all"}));
    gate.enroll("welcome", "b");
    let (mut log, report) = green(&gate);
    assert_eq!(report.flows["welcome"].turned_away, enrolls(1));
    for record in &mut log.audit {
        record.timestamp_ms += 10_000;
    }
    assert_eq!(check(&log).anomalies, []);
    assert_eq!(replay(&log).differences, []);
}
