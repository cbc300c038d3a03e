//! Which flows a command is for, and what is asked about before it is sent.

use serde_json::Value;

use super::flows::{hold, live, paused_now, write};
use super::schemas::printed;
use super::{Place, eventually};
use crate::broker::Isolation;
use crate::cli::exit;

/// Goal: a pattern that was meant is not taken for a name. Method: no terminal is there, so what would be asked about is
/// refused, and nothing is sent.
#[test]
fn an_id_that_is_a_pattern_of_known_flows_is_asked_about() {
    let place = Place::new();
    let gate = place.gate();
    for flow in ["welcome", "welcome-2", "we,l*"] {
        place.event(flow, "r1");
        eventually("seen", || place.run(&["flow", flow]).0.is_ok());
    }
    for command in ["pause", "resume"] {
        let refused = place.run(&[command, "wel*"]).0.unwrap_err();
        assert_eq!(refused.code, exit::CONFIGURATION);
        assert_eq!(
            refused.to_string(),
            "`wel*` is taken for the id of one flow, and no flow of that name is known. 2 known flows fit it as a pattern: \
             welcome, welcome-2. This is asked about, and there is no terminal to ask on\n  hint: write `--select \
             'match=wel*'` for these, or --yes if a flow has this very name"
        );
        let refused = place.run(&[command, "we,?*"]).0.unwrap_err();
        assert!(refused.hint.as_ref().unwrap().contains("`--select 'match=we\\,?*'`"), "{refused}");
    }
    assert_eq!(place.count("flow.control"), 0, "nothing was sent");
    // One that fits nothing is a name, and so is one that a flow has.
    for flow in ["promo*", "we,l*"] {
        place.good(&["pause", flow]);
        assert!(place.good(&["flow", flow]).contains("state        paused"));
    }
    place.good(&["pause", "wel*", "--yes"]);
    assert!(place.good(&["flow", "wel*"]).contains("state        paused"));
    assert!(place.good(&["flow", "welcome"]).contains("state        live"));
    gate.stop().unwrap();
}

#[test]
fn several_flows_are_asked_about_with_a_preview() {
    let place = Place::new();
    let gate = place.gate();
    for (flow, records) in [("promo-1", 3), ("promo-2", 9)] {
        place.good(&["pause", flow]);
        hold(&place, flow, records);
    }
    place.event("welcome", "r1");
    eventually("seen", || place.run(&["flow", "welcome"]).0.is_ok());
    let sent = place.count("flow.control");
    let asked = ". This is asked about, and there is no terminal to ask on\n  hint: give --yes if it shall happen";
    for (args, preview) in [
        (
            &["pause", "promo-1", "welcome", "wellcome", "welcome"][..],
            "This pauses 3 flows, which hold 3 events now: promo-1, welcome, wellcome. 1 of them is paused already. \
             1 of them is not known so far: wellcome",
        ),
        (
            &["pause", "--select", "match=*-1"],
            "This pauses 1 flow, which holds 3 events now: promo-1. 1 of them is paused already",
        ),
        (&["pause", "--select", "held=0"], "This pauses 1 flow, which holds 0 events now: welcome"),
        (
            &["resume", "promo-1", "welcome"],
            "This resumes 2 flows, which hold 3 events now: promo-1, welcome. 1 of them is live already",
        ),
        // Live flows are none to be resumed.
        (&["resume", "--select", "match=*"], "This resumes 2 flows, which hold 12 events now: promo-1, promo-2"),
    ] {
        let refused = place.run(args).0.unwrap_err();
        assert_eq!((refused.code, refused.to_string()), (exit::CONFIGURATION, format!("{preview}{asked}")), "{args:?}");
    }
    for (args, told) in [
        (["pause", "--select", "match=nobody*"], "none of 3 known flows is like that: nothing was sent"),
        (["resume", "--select", "match=welcome"], "the flow is live: nothing was sent"),
    ] {
        let refused = place.run(&args).0.unwrap_err();
        assert_eq!((refused.code, refused.what.as_str()), (exit::OTHER, told));
    }
    assert_eq!(place.count("flow.control"), sent, "nothing was sent");

    place.good(&["pause", "--select", "match=welcome", "--yes"]);
    assert!(place.good(&["flow", "welcome"]).contains("state        paused"));
    let told = place.good(&["resume", "--select", "match=promo*", "--yes", "--wait"]);
    assert!(told.contains("\npromo-1 is live: 3 released, 0 replaced, 0 removed\n"), "{told}");
    assert!(told.contains("\npromo-2 is live: 9 released, 0 replaced, 0 removed\n"), "{told}");
    assert!(place.good(&["flow", "welcome"]).contains("state        paused"));
    gate.stop().unwrap();
}

/// Goal: what a dry run shows is what would be sent, and nothing is sent. Method: the documents are judged by the schema of
/// commands, and compared with what is sent then.
#[test]
fn a_dry_run_shows_the_commands_and_sends_none() {
    let place = Place::new();
    write(&place, &[paused_now("promo-1", 100), paused_now("promo-2", 300), live("welcome")]);
    let resume = ["resume", "--select", "match=*", "--rate", "500", "--max-age", "7d", "--by", "ops"];
    let shown = place.good(&[&resume[..], &["--dry-run"]].concat());
    assert_eq!(
        shown,
        "FLOW     STATE   HELD  ACTION  RATE\npromo-1  paused  100   resume  125/s\npromo-2  paused  300   resume  375/s\n\
         nothing was sent: leave --dry-run away to send it\n"
    );
    let documents = printed(&place, &[&resume[..], &["--dry-run"]].concat(), "cli/commands", "command");
    assert_eq!(place.count("flow.control"), 0);
    let (outcome, _) = place.run(&[&resume[..], &["--yes", "--timeout", "1ms"]].concat());
    assert_eq!(outcome.unwrap_err().code, exit::NO_ANSWER);
    let sent = place.memory.dump("flow.control", 0, Isolation::ReadCommitted).unwrap();
    let sent: Vec<Value> =
        sent.iter().map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()).collect();
    let same = |document: &Value| {
        let mut document = document.clone();
        let fields = document.as_object_mut().unwrap();
        assert!(fields.remove("command_id").is_some() && fields.remove("issued_at").is_some());
        document
    };
    let documents: Vec<Value> = documents.as_array().unwrap().iter().map(same).collect();
    assert_eq!(sent.iter().map(same).collect::<Vec<_>>(), documents);
    assert_eq!(documents[0]["expect"]["pause_id"], "pause-of-promo-1");
    let pause = place.good(&["pause", "welcome", "nobody", "--dry-run"]);
    assert!(pause.contains("nobody   not known  0     pause   -\n"), "{pause}");
}

#[test]
fn a_pause_that_came_after_the_look_is_not_ended() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "promo"]);
    // The look sees an earlier pause: the state is of somebody who wrote it by hand.
    write(&place, &[paused_now("promo", 3)]);
    let (outcome, told) = place.run(&["resume", "--select", "match=promo", "--yes"]);
    assert_eq!(outcome.unwrap_err().code, exit::REJECTED, "{told}");
    assert!(told.contains("changed meanwhile"), "{told}");
    gate.stop().unwrap();
}

#[test]
fn a_rate_that_is_too_little_for_so_many_is_refused() {
    let place = Place::new();
    write(&place, &[paused_now("a", 1), paused_now("b", 1), paused_now("c", 1)]);
    let refused = place.run(&["resume", "a", "b", "c", "--rate", "0.002", "--yes"]).0.unwrap_err();
    assert_eq!(refused.code, exit::CONFIGURATION);
    assert_eq!(
        refused.to_string(),
        "`--rate 0.002` is too little for 3 flows: each of them needs 0.001 at least\n  hint: give 0.003 or more, or \
         fewer flows"
    );
    assert_eq!(place.count("flow.control"), 0);
}
