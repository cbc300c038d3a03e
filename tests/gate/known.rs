//! Flows that are known: each is recorded at its first event, up to a number of them, and any of them can be paused.

use serde_json::json;

use super::rig::Rig;

const FLOWS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn recorded(rig: &Rig) -> Vec<&'static str> {
    FLOWS.into_iter().filter(|flow| rig.known(flow).is_some()).collect()
}

/// Goal: beyond the limit events pass all the same, their flows are not recorded, and a pause stops them at once.
#[test]
fn flows_beyond_the_limit_pass_unrecorded_and_can_be_paused() {
    for together in [true, false] {
        let mut rig = Rig::with(|options| options.max_known_flows = 3);
        for flow in FLOWS {
            rig.send_all(flow, "r1 r2");
            if !together {
                rig.settle();
            }
        }
        rig.settle();
        assert_eq!(recorded(&rig).len(), 3);
        assert!(FLOWS.iter().all(|flow| rig.delivered(flow) == "r1 r2"));
        assert_eq!(rig.workers[0].stats().unrecorded, 4);
        let other = FLOWS.into_iter().find(|flow| !recorded(&rig).contains(flow)).unwrap();
        rig.command(other, "pause", json!({}));
        rig.send_all(other, "r3");
        rig.settle();
        assert_eq!((rig.delivered(other).as_str(), rig.state(other)), ("r1 r2", "paused"));
        rig.restart("b");
        rig.send_all(other, "r4");
        rig.order(other, "resume", json!({}));
        rig.settle();
        assert_eq!((rig.delivered(other).as_str(), rig.state(other)), ("r1 r2 r3 r4", "live"));
        assert_eq!(recorded(&rig).len(), 4);
    }
}

/// Goal: what a take-over finds is known, however much it is, and nothing more is recorded.
#[test]
fn a_take_over_knows_what_was_recorded() {
    let mut rig = Rig::new();
    for flow in &FLOWS[..4] {
        rig.send_all(flow, "r1");
    }
    rig.settle();
    rig.adjust = |options| options.max_known_flows = 2;
    rig.restart("b");
    for flow in FLOWS {
        rig.send_all(flow, "r2");
    }
    rig.settle();
    assert_eq!(recorded(&rig), FLOWS[..4]);
    assert_eq!(rig.workers[0].snapshot().live, 4);
    assert_eq!(rig.workers[0].stats().unrecorded, 1);
}
