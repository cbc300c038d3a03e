//! Goal: every command that looks through topics tells how far it is, and only where people can see it. Method: what the meter
//! of each was told last.

use super::flows::hold;
use super::{Place, eventually};
use crate::cli::Screen;

/// What was looked through, and whether that was all of it.
#[track_caller]
fn looked(place: &Place, args: &[&str]) -> (String, bool) {
    let (screen, mut out) = (Screen::default(), Vec::new());
    place.run_on(&screen, args, &mut out).unwrap_or_else(|failure| panic!("{args:?}: {failure}"));
    assert_eq!(screen.noted(), "", "{args:?}: nothing is told beside the output where nobody sees it");
    let part = screen.part().unwrap_or_else(|| panic!("{args:?}: nobody was told how far it is"));
    (part.what.to_string(), part.total > 0 && part.done == part.total)
}

#[test]
fn every_look_tells_how_far_it_is() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", 3);
    let queue = place.settings.topics.prefix.clone() + ".queue.welcome.1";
    assert_eq!(looked(&place, &["queue", "welcome"]), (queue, true));
    place.good(&["purge", "welcome", "--yes"]);
    eventually("discarded", || place.count("flow.discarded") == 3);
    gate.stop().unwrap();
    for (args, what) in [
        (&["audit", "--limit", "100"][..], "flow.audit"),
        (&["letters", "discarded", "--limit", "100", "-o", "name"], "flow.discarded"),
        // Whether they were redriven is looked for behind them.
        (&["letters", "discarded", "--limit", "100"], "flow.audit"),
        (&["redrive", "discarded", "--flow", "welcome", "--dry-run"], "flow.discarded"),
        (&["redrive", "discarded", "--flow", "welcome", "--yes"], "redriven letters"),
    ] {
        assert_eq!(looked(&place, args), (what.to_owned(), true), "{args:?}");
    }
}
