//! Seeded schedules with purges, samples, expectations and flows that are forgotten.

use serde_json::{Value, json};

use super::schedule::Dice;
use super::{Gate, State};

/// A few flows and records, and everything that can happen to them.
pub fn play_errands(seed: u64) -> Gate {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut gate = Gate { gates_reading: true, ..Gate::new() };
    let flows = &["welcome", "win-back", "流れ"][..1 + dice.roll(3)];
    for _ in 0..20 + dice.roll(150) {
        step_errands(&mut dice, &mut gate, flows);
    }
    gate
}

/// One thing that happens.
pub fn step_errands(dice: &mut Dice, gate: &mut Gate, flows: &[&'static str]) {
    let flow = dice.one(flows);
    match (dice.roll(26), gate.state(flow)) {
        (0, _) => {
            let options = [
                json!({}),
                json!({"keep": "all"}),
                json!({"new_records": "discard"}),
                json!({"new_records": "queue", "keep": "latest"}),
                json!({"on_expiry": "discard"}),
            ];
            let chosen = options[dice.roll(5)].clone();
            let options = expecting(dice, gate, flow, chosen);
            gate.pause(flow, options);
        }
        (1, State::Paused | State::Resuming) => {
            let options = [json!({}), json!({"release": "none"}), json!({"max_age_seconds": 20})];
            let chosen = options[dice.roll(3)].clone();
            let options = expecting(dice, gate, flow, chosen);
            gate.resume(flow, options);
        }
        (2, State::Paused) if dice.roll(3) == 0 => gate.expire(flow),
        (3, State::Paused) => gate.warn(flow, dice.one(&[3_600, 86_400])),
        (4 | 5, _) => {
            let options = [json!({}), json!({"through_entry": 1 + dice.roll(12)})];
            let chosen = options[dice.roll(2)].clone();
            let options = expecting(dice, gate, flow, chosen);
            gate.purge(flow, options);
        }
        (6 | 7, _) => {
            let count = 1 + dice.roll(5);
            let options = expecting(dice, gate, flow, json!({"count": count}));
            gate.release(flow, options);
        }
        (8..11, State::Paused) => gate.pass(flow, 1 + dice.roll(4)),
        (8..11, State::Resuming) => gate.drain(flow, 1 + dice.roll(4)),
        (11, State::Resuming) => gate.drain_all(flow),
        (12, _) => {
            let options = expecting(dice, gate, flow, json!({}));
            gate.forget(flow, options);
        }
        _ => {
            let kind = dice.one(&["enroll", "enroll", "enroll", "advance", "advance", "withdraw"]);
            gate.event(flow, dice.one(&["a", "b", "c", "d", "e"]), kind);
        }
    }
}

/// Has a command expect what is there, or something else, or nothing.
fn expecting(dice: &mut Dice, gate: &Gate, flow: &str, mut options: Value) -> Value {
    let expect = match dice.roll(6) {
        0 => json!({"pause_id": gate.pause_id(flow)}),
        1 => json!({"pause_id": gate.pause_id(flow), "next_entry": gate.next_entry(flow)}),
        2 => json!({"next_entry": gate.next_entry(flow) + dice.roll(2)}),
        3 => json!({"pause_id": "another"}),
        _ => return options,
    };
    options["expect"] = expect;
    options
}
