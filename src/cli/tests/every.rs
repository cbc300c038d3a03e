//! Orders for every flow, for named records, and the acceptance of a loss.

use serde_json::Value;

use super::flows::hold;
use super::schemas::printed;
use super::{Place, eventually};
use crate::broker::{Admin, Broker};
use crate::cli::exit;

/// Goal: one command pauses what is known and what comes later, says so by partition, and another one resumes it.
#[test]
fn every_flow_is_paused_and_resumed() {
    let place = Place::new();
    let gate = place.gate();
    place.event("welcome", "r1");
    eventually("seen", || place.run(&["flow", "welcome"]).0.is_ok());
    place.good(&["pause", "mine"]);
    let refused = place.run(&["pause", "--all"]).0.unwrap_err();
    assert_eq!(refused.code, exit::CONFIGURATION);
    assert_eq!(
        refused.to_string(),
        "This pauses every flow: 2 are known, which hold 0 events now. 1 of them is paused on its own, and stays as it \
         is. This is asked about, and there is no terminal to ask on\n  hint: give --yes if it shall happen"
    );
    let dry = place.good(&["pause", "--all", "--dry-run"]);
    assert!(dry.contains("\n*     2 known  0     pause   -\n"), "{dry}");
    let paused = place.good(&["pause", "--all", "--for", "2h", "--yes"]);
    assert!(paused.starts_with("FLOW  OUTCOME  DETAIL") && paused.contains("applied"), "{paused}");
    assert!(paused.contains("paused 1 flow, and every new one, until 20"), "{paused}");
    assert!(!paused.contains("\\n"), "each line is one: {paused}");
    place.event("later", "r1");
    eventually("held", || place.good(&["flows", "--select", "held>0"]).contains("later"));
    hold(&place, "welcome", 3);
    let answers = printed(&place, &["resume", "--all", "--rate", "1000", "--yes"], "cli/answers", "cli/answer");
    let every = answers.as_array().unwrap().iter().find(|answer| answer["flow_id"] == "*").unwrap();
    assert_eq!(every["outcome"], "applied");
    assert!(every["partitions"].as_array().unwrap().iter().all(|of| of["outcome"] != "rejected"), "{every}");
    eventually("live", || place.good(&["flow", "later"]).contains("state        live"));
    eventually("live", || place.good(&["flow", "welcome"]).contains("state        live"));
    assert!(place.good(&["flow", "mine"]).contains("state        paused"));
    let again = place.good(&["resume", "--all", "--yes"]);
    assert!(again.contains("unchanged") && again.contains("no pause of `*` is in force"), "{again}");
    gate.stop().unwrap();
}

/// Goal: without a gate the partitions that are silent are named.
#[test]
fn silent_partitions_are_named() {
    let place = Place::new();
    let failed = place.run(&["pause", "--all", "--yes", "--timeout", "100ms"]).0.unwrap_err();
    assert_eq!(failed.code, exit::NO_ANSWER);
    assert!(failed.to_string().starts_with("no answer within 100ms to 1 of 1 commands"), "{failed}");
}

#[test]
fn named_records_are_let_through() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", 3);
    let told = place.good(&["release", "welcome", "--record", "r1", "--record", "nobody"]);
    assert!(told.contains("looking for 2 records among 3 events held"), "{told}");
    assert!(
        told.ends_with("welcome: 1 released (1 enroll, 0 advance); it stays paused unless it was resumed meanwhile\n"),
        "{told}"
    );
    let told = place.good(&["release", "welcome", "--record", "nobody"]);
    assert!(
        told.contains("welcome: 0 released") && told.contains("`flowgate queue welcome --record nobody`"),
        "{told}"
    );
    gate.stop().unwrap();
}

#[test]
fn a_loss_is_accepted() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", 3);
    let state: Value = serde_json::from_str(&place.good(&["flow", "welcome", "-o", "json"])).unwrap();
    let topic = state["queue"]["topic"].as_str().unwrap().to_owned();
    place.memory.admin().unwrap().delete_records(&[(topic, 1)]).unwrap().remove(0).unwrap();
    let refused = place.run(&["flow", "welcome", "--accept-loss", "3"]).0.unwrap_err();
    assert_eq!(refused.code, exit::REJECTED);
    place.good(&["resume", "welcome"]);
    eventually("found", || place.run(&["flow", "welcome", "--accept-loss", "2"]).0.is_ok());
    eventually("live", || place.good(&["flow", "welcome"]).contains("state        live"));
    assert!(place.good(&["flow", "welcome"]).contains("lost"), "it is told");
    gate.stop().unwrap();
}

/// Goal: whoever pauses a name that is a mistake learns it, and nobody else is told so.
#[test]
fn a_pause_of_a_flow_that_was_not_known_says_so() {
    let place = Place::new();
    let gate = place.gate();
    place.event("welcome", "r1");
    eventually("seen", || place.run(&["flow", "welcome"]).0.is_ok());
    assert!(!place.good(&["pause", "welcome"]).contains("not known"));
    let told = place.good(&["pause", "wellcome"]);
    assert!(told.contains("\n`wellcome` was not known: no event of it has come so far"), "{told}");
    assert!(!place.good(&["pause", "wellcome", "--for", "2h"]).contains("not known"));
    gate.stop().unwrap();
}
