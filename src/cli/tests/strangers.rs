//! What strangers have written reaches no terminal as they wrote it.

use serde_json::Value;

use super::Place;
use crate::cli::exit;

/// Clears the screen, forges a row, and turns the direction round.
const EVIL: &str = "evil\n\u{1b}[2J\u{9b}\u{202e}\u{200b}id";
const LEGIBLE: &str = "evil\\n\\u{1b}[2J\\u{9b}\\u{202e}\\u{200b}id";

#[track_caller]
fn harmless(text: &str) {
    let evil = |c: char| c.is_control() && c != '\n' || ['\u{202e}', '\u{200b}'].contains(&c);
    assert!(!text.contains(evil), "{text:?}");
}

/// Goal: a flow id, a reason, a name and a command id with newlines and escapes in them forge nothing, in any output for
/// people; and a document for scripts has them exactly. Method: a flow of such a name, through every command that shows it.
#[test]
fn ids_reasons_and_names_with_escapes_are_shown_as_signs() {
    let place = Place::new();
    let gate = place.gate();
    let pause = ["pause", EVIL, "--reason", EVIL, "--by", EVIL, "--command-id", EVIL];
    // The first one also says that the flow was not known.
    for (output, lines) in [("table", 3), ("wide", 2)] {
        let out = place.good(&[&pause[..], &["-o", output]].concat());
        harmless(&out);
        assert!(out.contains(LEGIBLE) && out.lines().count() == lines, "{out}");
    }
    place.event(EVIL, "r1");
    gate.is("held_events", 1.0);
    let flows = place.good(&["flows", "-o", "wide"]);
    harmless(&flows);
    assert!(flows.matches(LEGIBLE).count() == 3 && flows.lines().count() == 2, "{flows}");
    let flow = place.good(&["flow", EVIL]);
    harmless(&flow);
    for line in
        [format!("flow         {LEGIBLE}"), format!("reason       {LEGIBLE}"), format!("command      {LEGIBLE}: ")]
    {
        assert!(flow.lines().any(|shown| shown.starts_with(&line)), "{line}: {flow}");
    }
    for output in ["json", "yaml"] {
        harmless(&place.good(&["flow", EVIL, "-o", output]));
    }
    let document: Value = serde_json::from_str(&place.good(&["flow", EVIL, "-o", "json"])).unwrap();
    assert_eq!((document["flow_id"].as_str(), document["pause"]["reason"].as_str()), (Some(EVIL), Some(EVIL)));
    let resumed = place.good(&["resume", EVIL, "--wait"]);
    harmless(&resumed);
    assert!(resumed.contains(&format!("\n{LEGIBLE} is live: ")), "{resumed}");
    gate.stop().unwrap();

    let nobody = place.run(&["flow", &format!("{EVIL}2")]).0.unwrap_err();
    harmless(&nobody.to_string());
    assert!(nobody.to_string().starts_with(&format!("no flow `{LEGIBLE}2` is known")), "{nobody}");
    assert_eq!((nobody.code, nobody.to_string().lines().count()), (exit::OTHER, 2));
}
