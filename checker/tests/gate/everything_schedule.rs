//! Seeded schedules with every command there is.

use serde_json::json;

use super::Gate;
use super::errands_schedule::step_errands;
use super::schedule::Dice;

/// Two of them share a home, and two more are first seen late, if at all.
const FLOWS: [&str; 5] = ["welcome", "win-back", "abcde", "流れ", "🙂"];

/// A few flows and records, and everything that can happen to them.
pub fn play_everything(seed: u64, gates_reading: bool) -> Gate {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut gate = Gate { gates_reading, cleaner_comes: dice.roll(2) == 0, ..Gate::new() };
    let mut flows = &FLOWS[..1 + dice.roll(3)];
    for _ in 0..20 + dice.roll(150) {
        match dice.roll(30) {
            0 => flows = &FLOWS[..(flows.len() + 1).min(FLOWS.len())],
            1 | 2 => for_all(&mut dice, &mut gate),
            3 if dice.roll(8) == 0 => gate.clock_ms += 86_400_000,
            4 if dice.roll(2) == 0 => gate.delete(dice.one(flows), 1 + dice.roll(12)),
            7 | 8 => {
                let ids: Vec<&str> = (0..1 + dice.roll(3)).map(|_| dice.one(&["a", "b", "c", "d", "e"])).collect();
                gate.release(dice.one(flows), json!({"record_ids": ids}));
            }
            9 | 10 => {
                let flow = dice.one(flows);
                if gate.is_known(flow) {
                    gate.search(flow, 1 + dice.roll(8));
                }
            }
            4..7 => gate.accept_loss(dice.one(flows), json!({"at_most": 1 + dice.roll(12)})),
            _ => step_errands(&mut dice, &mut gate, flows),
        }
    }
    gate
}

fn for_all(dice: &mut Dice, gate: &mut Gate) {
    let pauses = [
        json!({}),
        json!({"keep": "all"}),
        json!({"new_records": "discard"}),
        json!({"new_records": "queue", "keep": "latest"}),
        json!({"on_expiry": "discard", "for_seconds": 3600}),
    ];
    let resumes = [json!({}), json!({"release": "none"}), json!({"release": "all"}), json!({"max_rate": 2})];
    match dice.roll(8) {
        0..4 => gate.pause_all(pauses[dice.roll(5)].clone()),
        4..7 => gate.resume_all(resumes[dice.roll(4)].clone()),
        _ => gate.reject_all("purge", json!({})),
    }
}
