//! Where the gate is in its input.

use std::sync::atomic::Ordering;

use super::{Place, eventually};
use crate::broker::memory::Memory;
use crate::cli::exit;
use crate::clock;
use crate::worker::{Step, Worker};

/// A worker that is dropped instead of stopped, as a kill would.
fn crash_after_a_turn(place: &Place) {
    let mut worker = Worker::new(place.memory.clone(), place.settings.worker(0, "crash"));
    let mut until = |what: &str, holds: &dyn Fn(&Worker<Memory>) -> bool| {
        eventually(what, || {
            let _: Step = worker.step(clock::now()).unwrap();
            holds(&worker)
        });
    };
    until("ready", &Worker::is_ready);
    place.event("welcome", "r0");
    until("a turn", &|_| place.count("flow.records") > 0);
    drop(worker);
    place.shift.fetch_add(60_000, Ordering::SeqCst);
    eventually("the group has noticed", || place.memory.now().0 > clock::now().0 + 50_000);
}

#[test]
fn positions_are_shown_and_restored_after_they_were_lost() {
    let place = Place::new();
    let fresh = place.good(&["positions"]);
    assert_eq!(fresh.matches("starts at 0").count(), 3, "{fresh}");
    let needless = place.run(&["positions", "restore", "--partition", "0", "--offset", "0"]).0.unwrap_err();
    assert!(needless.what.contains("nothing to restore"), "{needless}");
    crash_after_a_turn(&place);
    assert!(place.good(&["positions"]).contains("goes on from 1"));
    place.memory.forget_offsets("flowgate-flow");
    let (outcome, out) = place.run(&["positions"]);
    assert_eq!(outcome.unwrap_err().code, exit::POSITIONS);
    assert!(out.contains("stops: no offset is committed, and the last stop was not a clean one"), "{out}");

    let refused = place.run(&["positions", "restore", "--partition", "0", "--offset", "99", "--yes"]).0.unwrap_err();
    assert!(refused.what.contains("is not in the log"), "{refused}");
    for partition in ["0", "1", "2"] {
        let dry = place.good(&["positions", "restore", "--partition", partition, "--to-record"]);
        assert!(dry.contains("nothing was changed"), "{dry}");
        place.good(&["positions", "restore", "--partition", partition, "--to-record", "--yes"]);
    }
    place.good(&["positions"]);
    let gate = place.gate();
    let busy = place.run(&["positions", "restore", "--partition", "0", "--to-record", "--yes"]).0.unwrap_err();
    assert!(busy.what.contains("members"), "{busy}");
    gate.stop().unwrap();
    assert!(place.good(&["positions"]).contains("yes"), "the stop was a clean one");
}
