//! What a resume says that it has released.

use std::time::Duration;

use serde_json::{Value, json};

use super::flows::hold;
use super::{Place, eventually};
use crate::cli::exit;

/// Goal: every event that the resume released is in its sentence, and none of those that a sample had released before.
/// Method: so few are held that the turn which applies the resume passes all of them; and so many that it does not.
#[test]
fn a_resume_counts_what_it_released_from_the_first_event_on() {
    let place = Place::new();
    let gate = place.gate();
    for records in [2, 2_000] {
        place.good(&["pause", "welcome"]);
        hold(&place, "welcome", records);
        place.good(&["release", "welcome", "--count", "1"]);
        let told = place.good(&["resume", "welcome", "--wait"]);
        let sentence = format!("\nwelcome is live: {} released, 0 replaced, 0 removed\n", records - 1);
        assert!(told.ends_with(&sentence), "{told}");
    }
    assert_eq!(place.count("flow.records"), 2_002);
    // It is live: there is nothing to wait for, and nothing was done.
    let told = place.good(&["resume", "welcome", "--wait"]);
    assert!(told.ends_with("\nwelcome is live: 0 released, 0 replaced, 0 removed\n"), "{told}");
    assert!(place.good(&["resume", "nobody", "--wait"]).ends_with("\nnobody: not known\n"));
    gate.stop().unwrap();
}

#[test]
fn scripts_get_one_document_with_what_each_resume_has_done() {
    let place = Place::new();
    let gate = place.gate();
    for flow in ["welcome", "other"] {
        place.good(&["pause", flow]);
        hold(&place, flow, 3);
    }
    place.event("welcome", "r1");
    eventually("held", || place.good(&["flow", "welcome"]).contains("held         4 ("));
    let resume = ["resume", "welcome", "--wait", "--command-id", "c1", "-o", "json"];
    let none = json!({"enroll": 0, "advance": 0});
    let drained = json!({
        "state": "live",
        "released": {"enroll": 3, "advance": 0},
        "replaced": {"enroll": 1, "advance": 0},
        "removed": none,
        "lost": none
    });
    // Sent again it does nothing more, and tells of the same pause.
    for _ in 0..2 {
        let told: Value = serde_json::from_str(&place.good(&resume)).unwrap();
        assert_eq!(told[0]["drained"], drained, "{told}");
    }
    let told = place.good(&["resume", "other", "--release", "none", "--wait"]);
    assert!(told.ends_with("\nother is live: 0 released, 0 replaced, 3 removed\n"), "{told}");
    gate.stop().unwrap();
}

#[test]
fn a_flow_that_is_paused_again_is_exit_1() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", 100);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| place.run(&["resume", "welcome", "--rate", "0.5", "--wait"]));
        eventually("resuming", || place.good(&["flow", "welcome"]).contains("state        resuming"));
        std::thread::sleep(Duration::from_millis(100));
        place.good(&["pause", "welcome", "--by", "ops"]);
        let (outcome, told) = waiting.join().unwrap();
        let failure = outcome.unwrap_err();
        assert_eq!(failure.code, exit::OTHER, "{told}");
        assert!(failure.what.starts_with("welcome was paused again by ops, "), "{failure}");
    });
    gate.stop().unwrap();
}
