//! Every pair of state and command, and every arrival in every state, with its outcome written out.

use std::num::NonZeroU64;

use super::*;
use crate::flow::{Cause, Done, Keep, Loss, NewRecords, PerKind, State, Transition};

const STATES: [&str; 4] = ["unknown", "live", "paused", "resuming"];
const COMMANDS: [&str; 19] = [
    "pause",
    "pause for 3d",
    "pause until past",
    "pause for 15d",
    "resume",
    "resume all",
    "resume none",
    "resume rate",
    "resume age",
    "release",
    "release records",
    "purge",
    "purge through 1",
    "accept loss",
    "accept a loss of 1",
    "forget",
    "expect elsewhere",
    "invalid",
    "repeated",
];

/// Paused at [`T0`], then `a` and `b` were held; it is an hour later now.
fn desk(state: &str) -> Desk {
    let mut desk = match state {
        "unknown" => Desk::unknown(),
        "live" => Desk::live(),
        "paused" | "resuming" => {
            let mut desk = Desk::paused();
            desk.enroll("a");
            desk.enroll("b");
            if state == "resuming" {
                desk.order("setup-resume", resume());
            }
            desk
        }
        other => panic!("no state {other}"),
    };
    desk.now = T0.after(HOUR);
    // Found when something was to be read.
    desk.gone =
        matches!(state, "paused" | "resuming").then_some(Watermark { entry: 2, enrolls: 2, advances: 0, offset: 5 });
    desk
}

fn action(command: &str) -> Action {
    let now = T0.after(HOUR);
    match command {
        "pause" | "expect elsewhere" => pause(),
        "pause for 3d" => pause_for(3 * DAY),
        "pause until past" => pause_until(now.before(MS)),
        "pause for 15d" => pause_for(15 * DAY),
        "resume" => resume(),
        "resume all" => resume_releasing(Release::All),
        "resume none" => resume_releasing(Release::None),
        "resume rate" => Action::Resume(ResumeOrder { max_rate: rate(5), ..ResumeOrder::default() }),
        "resume age" => Action::Resume(ResumeOrder { max_age: Some(DAY), ..ResumeOrder::default() }),
        "release" => sample(3),
        "release records" => named(&["a"]),
        "purge" => purge(),
        "purge through 1" => Action::Purge(PurgeOrder { through_entry: NonZeroU64::new(1) }),
        "accept loss" => accept_loss(2),
        "accept a loss of 1" => accept_loss(1),
        "forget" => Action::Forget,
        "invalid" | "repeated" => {
            Action::Invalid { word: "pauze".to_owned(), why: "`action` is `pauze`; give pause or resume".to_owned() }
        }
        other => panic!("no command {other}"),
    }
}

/// The outcome, the transitions, the state afterwards.
fn expected(state: &str, command: &str) -> (&'static str, Vec<Transition>, &'static str) {
    use Transition::{Paused, Redirected, Repaused, Resumed, Seen, Updated};
    let resumed = || vec![Resumed(Cause::Resume)];
    let (answer, transitions, after) = match (state, command) {
        ("unknown", "pause") => ("applied: paused until 2024-01-15T01:00:00Z", vec![Seen, Paused], "paused"),
        ("unknown", "pause for 3d") => ("applied: paused until 2024-01-04T01:00:00Z", vec![Seen, Paused], "paused"),
        ("unknown", "resume" | "resume all" | "resume none" | "resume rate" | "resume age") => {
            ("unchanged: no flow `welcome` is known: nothing to resume", vec![], "unknown")
        }

        ("live", "pause") => ("applied: paused until 2024-01-15T01:00:00Z", vec![Paused], "paused"),
        ("live", "pause for 3d") => ("applied: paused until 2024-01-04T01:00:00Z", vec![Paused], "paused"),
        ("live", "resume" | "resume all" | "resume none" | "resume rate" | "resume age") => {
            ("unchanged: the flow is live: nothing to resume", vec![], "live")
        }

        ("paused", "pause") => ("applied: pause updated, until 2024-01-15T00:00:00Z", vec![Updated], "paused"),
        ("paused", "pause for 3d") => ("applied: pause updated, until 2024-01-04T01:00:00Z", vec![Updated], "paused"),
        // The cap of the pause in force, not one from now on.
        ("paused", "pause for 15d") => (
            "rejected: `for_seconds` asks for 2024-01-16T01:00:00Z, but a pause lasts 14 days at most: the latest \
             possible time is 2024-01-15T00:00:00Z",
            vec![],
            "paused",
        ),
        ("paused", "resume" | "resume all" | "resume age") => ("applied: resuming: 2 held", resumed(), "resuming"),
        ("paused", "resume none") => ("applied: resuming: 2 held are discarded", resumed(), "resuming"),
        ("paused", "resume rate") => ("applied: resuming: 2 held, at 5 records/s at most", resumed(), "resuming"),

        ("resuming", "pause") => {
            ("applied: drain stopped, paused until 2024-01-15T01:00:00Z", vec![Repaused], "paused")
        }
        ("resuming", "pause for 3d") => {
            ("applied: drain stopped, paused until 2024-01-04T01:00:00Z", vec![Repaused], "paused")
        }
        ("resuming", "resume") => ("unchanged: the flow is resuming already", vec![], "resuming"),
        ("resuming", "resume all" | "resume age") => ("applied: resuming: 2 held", vec![Redirected], "resuming"),
        ("resuming", "resume none") => ("applied: resuming: 2 held are discarded", vec![Redirected], "resuming"),
        ("resuming", "resume rate") => {
            ("applied: resuming: 2 held, at 5 records/s at most", vec![Redirected], "resuming")
        }

        (_, "pause until past") => (
            "rejected: expired: `until` asks for 2024-01-01T00:59:59.999Z, which passed before the command took effect \
             at 2024-01-01T01:00:00Z; give a later time",
            vec![],
            state_after(state),
        ),
        (_, "pause for 15d") => (
            "rejected: `for_seconds` asks for 2024-01-16T01:00:00Z, but a pause lasts 14 days at most: the latest \
             possible time is 2024-01-15T01:00:00Z",
            vec![],
            state_after(state),
        ),
        ("unknown", "release" | "release records") => {
            ("rejected: no flow `welcome` is known: nothing to release", vec![], "unknown")
        }
        ("live", "release" | "release records") => {
            ("rejected: the flow is live: nothing is held that could be released", vec![], "live")
        }
        ("paused", "release") => {
            ("applied: releasing 3 of 2 events held; the flow stays paused", vec![Transition::Sampling], "paused")
        }
        ("paused", "release records") => (
            "applied: looking for 1 record among 2 events held; the flow stays paused",
            vec![Transition::Sampling],
            "paused",
        ),
        ("resuming", "release" | "release records") => {
            ("rejected: the flow is resuming: everything held is being released", vec![], "resuming")
        }

        ("unknown", "purge" | "purge through 1") => {
            ("rejected: no flow `welcome` is known: nothing to purge", vec![], "unknown")
        }
        ("live", "purge" | "purge through 1") => {
            ("rejected: the flow is live: nothing is held that could be purged; pause it first", vec![], "live")
        }
        ("paused", "purge") => (
            "applied: purging what is held, 2 events at most; the flow stays paused",
            vec![Transition::Purging],
            "paused",
        ),
        ("paused", "purge through 1") => (
            "applied: purging what is held up to entry 1, of 2 events held; the flow stays paused",
            vec![Transition::Purging],
            "paused",
        ),
        ("resuming", "purge" | "purge through 1") => (
            "rejected: the flow is resuming: pause it first, or order `resume` with `release: none`",
            vec![],
            "resuming",
        ),

        ("unknown", "accept loss" | "accept a loss of 1") => {
            ("rejected: no flow `welcome` is known: nothing to lose", vec![], "unknown")
        }
        ("live", "accept loss" | "accept a loss of 1") => {
            ("rejected: the flow is live: nothing is held that could be lost", vec![], "live")
        }
        (_, "accept loss") => {
            let done = Done { command: CommandId::new("command").unwrap(), count: PerKind { enroll: 2, advance: 0 } };
            let lost = Transition::LossAccepted(Loss { done, first_entry: 1 });
            let (transitions, after) = match state {
                "resuming" => (vec![lost, Transition::WentLive], "live"),
                _ => (vec![lost], state_after(state)),
            };
            ("applied: 2 held events are lost, entries 1 to 2; 0 are held", transitions, after)
        }
        (_, "accept a loss of 1") => {
            ("rejected: 2 held events are gone, more than the 1 of `at_most`", vec![], state_after(state))
        }

        ("unknown", "forget") => ("unchanged: no flow `welcome` is known: nothing to forget", vec![], "unknown"),
        ("live", "forget") => {
            ("applied: forgotten; its next event makes it known again", vec![Transition::Forgotten], "unknown")
        }
        ("paused", "forget") => ("rejected: the flow is paused: resume it first", vec![], "paused"),
        ("resuming", "forget") => ("rejected: the flow is resuming: wait until it is live", vec![], "resuming"),

        ("unknown", "expect elsewhere") => (
            "rejected: changed meanwhile: the flow is unknown, with `pause_id` null and `next_entry` 1; look again, and \
             order anew",
            vec![],
            "unknown",
        ),
        ("live", "expect elsewhere") => (
            "rejected: changed meanwhile: the flow is live, with `pause_id` null and `next_entry` 1; look again, and \
             order anew",
            vec![],
            "live",
        ),
        ("paused" | "resuming", "expect elsewhere") => (
            if state == "paused" {
                "rejected: changed meanwhile: the flow is paused, with `pause_id` `pause-100` and `next_entry` 3; look \
                 again, and order anew"
            } else {
                "rejected: changed meanwhile: the flow is resuming, with `pause_id` `pause-100` and `next_entry` 3; look \
                 again, and order anew"
            },
            vec![],
            state_after(state),
        ),
        (_, "invalid" | "repeated") => {
            ("rejected: `action` is `pauze`; give pause or resume", vec![], state_after(state))
        }
        (state, command) => panic!("no outcome for {command} while {state}"),
    };
    (answer, transitions, after)
}

fn state_after(state: &str) -> &'static str {
    STATES.into_iter().find(|known| *known == state).unwrap()
}

#[test]
fn every_command_in_every_state_has_its_outcome() {
    for state in STATES {
        for command in COMMANDS {
            let mut desk = desk(state);
            if command == "repeated" {
                desk.order("command", action(command));
            }
            let before = desk.flow.clone();
            let expect = match command {
                "expect elsewhere" => Expect { pause: Some(Some("another".to_owned())), next_entry: None },
                _ => Expect::default(),
            };
            let applied = desk.order_expecting("command", action(command), expect);
            let after = desk.flow.as_ref().map_or("unknown", Flow::state_word);
            let (answer, transitions, state_after) = expected(state, command);
            let case = format!("{command} while {state}");
            assert_eq!(applied.outcome.to_string(), answer, "{case}");
            assert_eq!(applied.transitions, transitions, "{case}");
            assert_eq!(after, state_after, "{case}");
            assert_eq!(applied.repeated, command == "repeated", "{case}");
            // What did nothing changed nothing but the memory of commands.
            if let (true, Some(before), Some(after)) = (transitions.is_empty(), before, desk.flow.clone()) {
                let silent = Flow { commands: after.commands.clone(), updated_at: after.updated_at, ..before };
                assert_eq!(silent, after, "{case}");
            }
            // Whatever it was, the same once more is the same answer and does nothing.
            let (flow, partition) = (desk.flow.clone(), desk.partition.clone());
            desk.now = desk.now.after(HOUR);
            let again = desk.order("command", action(command));
            assert_eq!((again.outcome, again.repeated), (applied.outcome, true), "{case}, again");
            assert_eq!((again.transitions, &desk.flow, &desk.partition), (vec![], &flow, &partition), "{case}, again");
        }
    }
}

/// `enroll, advance, withdraw` of a record that nothing is held of, in each state, with each pair of options.
#[test]
fn every_arrival_in_every_state_has_its_fate() {
    use Keep::{All, Latest};
    use NewRecords::{Discard, Queue};
    let table = [
        ("paused", Queue, Latest, "something", ["hold latest", "hold latest", "withdraw latest"]),
        ("paused", Queue, Latest, "nothing", ["hold latest", "hold latest", "deliver"]),
        ("paused", Queue, All, "something", ["hold all", "hold all", "withdraw all"]),
        ("paused", Queue, All, "nothing", ["hold all", "hold all", "deliver"]),
        ("paused", Discard, Latest, "something", ["turn away", "hold latest", "withdraw latest"]),
        ("paused", Discard, Latest, "nothing", ["turn away", "hold latest", "deliver"]),
        ("paused", Discard, All, "something", ["turn away", "hold all", "withdraw all"]),
        ("paused", Discard, All, "nothing", ["turn away", "hold all", "deliver"]),
        ("resuming", Queue, Latest, "something", ["hold all", "hold all", "withdraw all"]),
        ("resuming", Queue, Latest, "nothing", ["hold all", "hold all", "deliver"]),
        ("resuming", Queue, All, "something", ["hold all", "hold all", "withdraw all"]),
        ("resuming", Queue, All, "nothing", ["hold all", "hold all", "deliver"]),
        ("resuming", Discard, Latest, "something", ["hold all", "hold all", "withdraw all"]),
        ("resuming", Discard, Latest, "nothing", ["hold all", "hold all", "deliver"]),
        ("resuming", Discard, All, "something", ["hold all", "hold all", "withdraw all"]),
        ("resuming", Discard, All, "nothing", ["hold all", "hold all", "deliver"]),
    ];
    for (state, new_records, keep, held, fates) in table {
        for (kind, expected) in Kind::ALL.into_iter().zip(fates) {
            let order = PauseOrder { new_records: Some(new_records), keep: Some(keep), ..PauseOrder::default() };
            let mut desk = Desk::paused_with(order);
            if held == "something" {
                desk.arrive(Kind::Advance, "held");
            }
            if state == "resuming" {
                desk.order("resume", resume());
            }
            let case = format!("{kind:?} while {state}, {new_records:?}, {keep:?}, holding {held}");
            let before = desk.flow.clone().unwrap();
            let fate = desk.arrive(kind, "r");
            assert_eq!(word(&fate), expected, "{case}");
            let after = desk.flow();
            let entered = u64::from(matches!(fate, Fate::Hold(_) | Fate::Withdraw(_)));
            assert_eq!(after.queue.next_entry, before.queue.next_entry + entered, "{case}");
            let turned_away = u64::from(matches!(fate, Fate::TurnAway { .. }));
            assert_eq!(after.counts.turned_away.total(), turned_away, "{case}");
            assert_eq!(after.withdrawn, u64::from(kind == Kind::Withdraw), "{case}");
            let queued = u64::from(matches!(fate, Fate::Hold(_)));
            assert_eq!(after.counts.queued.total(), before.counts.queued.total() + queued, "{case}");
            if let Fate::Hold(entry) | Fate::Withdraw(entry) = fate {
                assert_eq!((entry.number, entry.pause.as_str()), (after.queue.last_entry(), "pause-100"), "{case}");
                assert_eq!((entry.enrolls, entry.advances), (after.queue.enrolls, after.queue.advances), "{case}");
            }
        }
    }
}

/// P9: a live flow is unchanged by what passes.
#[test]
fn a_live_flow_delivers_everything_and_keeps_no_trace() {
    for kind in Kind::ALL {
        let mut desk = Desk::live();
        let before = desk.flow.clone();
        assert_eq!(desk.arrive(kind, "r"), Fate::Deliver);
        assert_eq!(desk.flow, before);
        assert_eq!(desk.flow().state, State::Live);
    }
}

fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Deliver => "deliver",
        Fate::Hold(entry) if entry.latest => "hold latest",
        Fate::Hold(_) => "hold all",
        Fate::TurnAway { .. } => "turn away",
        Fate::Withdraw(entry) if entry.latest => "withdraw latest",
        Fate::Withdraw(_) => "withdraw all",
    }
}
