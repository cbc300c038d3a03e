//! Seeded schedules of the toy gate.

use flowgate_checker::Log;
use serde_json::json;

use super::{Gate, State};

/// Chooses by a seed.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides` (xorshift).
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// A few flows and records, and everything that can happen to them.
pub fn play(seed: u64, gates_reading: bool) -> Gate {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut gate = Gate { gates_reading, ..Gate::new() };
    let flows = &["welcome", "win-back", "流れ"][..1 + dice.roll(3)];
    for _ in 0..20 + dice.roll(120) {
        let flow = dice.one(flows);
        match (dice.roll(20), gate.state(flow)) {
            (0, _) => {
                let options = [
                    json!({}),
                    json!({"keep": "all"}),
                    json!({"keep": "latest", "new_records": "queue"}),
                    json!({"new_records": "discard"}),
                    json!({"on_expiry": "discard"}),
                ];
                gate.pause(flow, options[dice.roll(5)].clone());
            }
            (1, State::Paused | State::Resuming) => {
                let options = [
                    json!({}),
                    json!({"release": "none"}),
                    json!({"release": "all"}),
                    json!({"max_age_seconds": 20}),
                    json!({"max_rate": 1}),
                ];
                let fitting = options[dice.roll(5)].clone();
                gate.resume(flow, fitting);
            }
            (2, State::Paused) => gate.expire(flow),
            (3..6, State::Resuming) => {
                let count = 1 + dice.roll(4);
                gate.drain(flow, count);
            }
            (6, State::Resuming) => gate.drain_all(flow),
            (7, _) => gate.stray(flow, dice.one(&["a", "b", "c"]), dice.one(&["enroll", "advance"])),
            (8, _) => gate.broken(0, Some("?"), None),
            (9, _) if dice.roll(10) == 0 => gate.clock_ms += 86_400_000,
            _ => {
                let kind = dice.one(&["enroll", "enroll", "enroll", "advance", "advance", "withdraw"]);
                gate.event(flow, dice.one(&["a", "b", "c", "d", "e"]), kind);
            }
        }
    }
    gate
}

/// Breaks a log in one place; `None`: there is nothing to break that way.
pub fn break_it(dice: &mut Dice, log: &mut Log) -> Option<&'static str> {
    let count = log.records.len();
    if count == 0 {
        return None;
    }
    let at = dice.roll(count);
    match dice.roll(5) {
        0 => {
            log.records.remove(at);
            Some("loss")
        }
        1 => {
            let mut copy = log.records[at].clone();
            copy.offset = 100_000;
            log.records.push(copy);
            Some("double")
        }
        2 => {
            // Two neighbours that are no withdraws: for those the order is left to timing in a drain.
            let withdraw =
                |at: usize| String::from_utf8_lossy(log.records[at].value.as_ref().unwrap()).contains("withdraw");
            let flow = |at: usize| {
                let value: serde_json::Value = serde_json::from_slice(log.records[at].value.as_ref().unwrap()).unwrap();
                value["flow_id"].to_string()
            };
            let other = (at + 1..count).find(|other| flow(*other) == flow(at))?;
            if withdraw(at) || withdraw(other) {
                return None;
            }
            let (one, two) = (log.records[at].offset, log.records[other].offset);
            (log.records[at].offset, log.records[other].offset) = (two, one);
            Some("swap")
        }
        3 => {
            log.records[at].headers[0].1 = None;
            Some("header")
        }
        _ => {
            log.discarded.pop()?;
            Some("discarded lost")
        }
    }
}
