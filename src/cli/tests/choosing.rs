//! Which flows a command is for, and what is asked about before it is sent.

use super::{Place, eventually};
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
