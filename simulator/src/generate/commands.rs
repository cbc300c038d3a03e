//! Commands: what an operator orders, sensible or not.

use serde_json::{Value, json};

use super::Generator;
use crate::plan::Op;

impl Generator {
    /// Of a command that was not sent yet.
    pub(super) fn next_id(&mut self) -> String {
        self.last_id += 1;
        format!("c{}", self.last_id)
    }

    /// A new command for this flow.
    pub(super) fn order(&mut self, flow: &str, action: &'static str, more: Value) -> Op {
        Op::Command { id: self.next_id(), flow: flow.to_owned(), action, more }
    }

    pub(super) fn command(&mut self) -> Op {
        if !self.commands.is_empty() && self.dice.one_in(6) {
            // The very same once more.
            let back = 1 + self.dice.below(self.commands.len().min(5) as u64) as usize;
            return self.commands[self.commands.len() - back].clone();
        }
        if self.every && self.dice.one_in(9) {
            return self.command_for_every();
        }
        let (action, more) = match self.dice.below(26) {
            0 | 1 => ("pause", json!({})),
            2 => ("pause", json!({"keep": "all"})),
            3 => ("pause", json!({"keep": "latest"})),
            4 => ("pause", json!({"new_records": "discard", "for_seconds": 7})),
            5 => ("pause", json!({"for_seconds": 5, "on_expiry": "discard"})),
            6 => ("pause", json!({"for_seconds": 6, "expiry_rate": self.dice.of(&[1, 30, 900]), "keep": "latest"})),
            7..=9 => ("resume", json!({})),
            10 => ("resume", json!({"max_rate": self.dice.of(&[1, 3, 40, 5_000])})),
            11 => ("resume", json!({"release": "none"})),
            12 => ("resume", json!({"release": "all", "max_rate": 3})),
            13 => ("resume", json!({"max_age_seconds": self.dice.of(&[1, 200, 90_000])})),
            14 => ("pause", json!({"for_seconds": 99_999_999})),
            15 | 16 => ("purge", json!({})),
            17 => ("purge", json!({"through_entry": self.dice.of(&[1, 3, 20])})),
            18 | 19 => ("release", json!({"count": self.dice.of(&[1, 2, 5, 400])})),
            20 => ("release", self.named()),
            23 => ("accept_loss", json!({"at_most": self.dice.of(&[1, 1_000])})),
            24 => ("release", self.named()),
            21 => ("resume", json!({"max_rate": self.dice.of(&[0.5, 2.5])})),
            22 => (self.dice.of(&["pause", "purge", "resume"]), json!({"expect": self.expectation()})),
            _ => ("forget", json!({})),
        };
        let id = self.next_id();
        let flow = if self.dice.one_in(30) { "nobody" } else { self.dice.of(&self.flows.clone()) };
        let op = Op::Command { id, flow: flow.to_owned(), action, more };
        self.commands.push(op.clone());
        op
    }

    /// An order for every flow.
    fn command_for_every(&mut self) -> Op {
        let (action, more) = match self.dice.below(12) {
            0 | 1 => ("pause", json!({})),
            2 => ("pause", json!({"for_seconds": self.dice.of(&[5, 400, 90_000])})),
            3 => ("pause", json!({"new_records": "discard", "keep": "all"})),
            4 => ("pause", json!({"for_seconds": 6, "on_expiry": "discard", "expiry_rate": 30})),
            5 => ("pause", json!({"new_records": "queue", "keep": "latest"})),
            6..=8 => ("resume", json!({})),
            9 => ("resume", json!({"max_rate": self.dice.of(&[2, 900])})),
            10 => ("resume", json!({"release": "none"})),
            _ => (self.dice.of(&["purge", "pause"]), json!({"expect": {"next_entry": 1}})),
        };
        let op = self.order("*", action, more);
        self.commands.push(op.clone());
        op
    }

    /// Some records, of which events may be held.
    fn named(&mut self) -> Value {
        let ids: Vec<String> = (0..1 + self.dice.below(5)).map(|_| self.dice.below(14).to_string()).collect();
        json!({"record_ids": ids})
    }

    /// Where a flow may stand, or not.
    fn expectation(&mut self) -> Value {
        let next_entry = self.dice.of(&[1, 2, 4]);
        match self.dice.below(4) {
            0 => json!({"pause_id": null}),
            1 => json!({"pause_id": "pause-0"}),
            2 => json!({"next_entry": next_entry}),
            _ => json!({"pause_id": null, "next_entry": next_entry}),
        }
    }

    /// A paused flow that holds something is purged or sampled, and something comes into that.
    pub(super) fn aside(&mut self, machine: usize, ops: &mut Vec<Op>) -> Op {
        if self.dice.one_in(5) {
            return self.cleaned(machine, ops);
        }
        let flow = self.dice.of(&self.flows.clone());
        let mut order = |generator: &mut Self, action: &'static str, more: Value, steps: u64| {
            ops.push(generator.order(flow, action, more));
            ops.push(Op::Step { machine, steps });
            for _ in 0..generator.dice.below(4) {
                ops.push(Op::Send(generator.event()));
            }
        };
        let length = self.dice.of(&[3, 6, 90_000]);
        order(self, "pause", json!({"for_seconds": length, "keep": "latest"}), 60);
        for _ in 0..1 + self.dice.below(3) {
            let (few, some) = (1 + self.dice.below(12), 20 + self.dice.below(60));
            let steps = if self.dice.one_in(2) { few } else { some };
            match self.dice.below(8) {
                0..=2 => order(self, "purge", json!({}), steps),
                3 => {
                    let through = 1 + self.dice.below(9);
                    order(self, "purge", json!({"through_entry": through}), steps);
                }
                4 | 5 => {
                    let named = self.named();
                    order(self, "release", named, steps);
                }
                6 => {
                    let count = self.dice.of(&[1, 2, 3, 9]);
                    order(self, "release", json!({"count": count}), steps);
                }
                _ => order(self, "pause", json!({"keep": "all"}), steps),
            }
        }
        match self.dice.below(4) {
            0 => Op::Wait(self.dice.of(&[2_000, 7_000])),
            1 => Op::Crash { machine },
            2 => {
                let rate = self.dice.of(&[1, 3]);
                order(self, "resume", json!({"max_rate": rate}), 20);
                Op::Step { machine, steps: 20 }
            }
            _ => Op::Step { machine, steps: 60 },
        }
    }

    /// Records are let through by name, newer events of them come, and the cleaner takes what was let through.
    pub(super) fn cleaned(&mut self, machine: usize, ops: &mut Vec<Op>) -> Op {
        let flow = self.dice.of(&self.flows.clone());
        ops.push(self.order(flow, "pause", json!({"for_seconds": 90_000, "keep": "latest", "new_records": "queue"})));
        let ids: Vec<String> = (0..12).map(|record| record.to_string()).collect();
        for _ in 0..1 + self.dice.below(2) {
            (0..8).for_each(|_| ops.push(Op::Send(self.event())));
            ops.push(Op::Step { machine, steps: 80 });
            ops.push(self.order(flow, "release", json!({"record_ids": ids})));
            ops.push(Op::Step { machine, steps: 80 });
        }
        (0..12).for_each(|_| ops.push(Op::Send(self.event())));
        ops.push(Op::Step { machine, steps: 80 });
        ops.push(Op::Clean { quarters: 4, tombstones: true });
        ops.push(self.order(flow, "resume", json!({})));
        Op::Step { machine, steps: 80 }
    }

    /// A drain that is limited, and gets other orders while it is under way.
    pub(super) fn redirect(&mut self, machine: usize, ops: &mut Vec<Op>) -> Op {
        let flow = self.dice.of(&self.flows.clone());
        let mut order = |generator: &mut Self, action, more| {
            ops.push(generator.order(flow, action, more));
            let steps = 20 + generator.dice.below(40);
            ops.push(Op::Step { machine, steps });
            ops.push(Op::Wait(generator.dice.of(&[10, 400, 2_000])));
        };
        if self.dice.one_in(2) {
            let rate = self.dice.of(&[1, 2]);
            order(self, "pause", json!({"for_seconds": 2, "expiry_rate": rate, "keep": "all"}));
        }
        for _ in 0..1 + self.dice.below(3) {
            let rate = self.dice.of(&[1, 2, 7, 60, 10_000]);
            let more = match self.dice.below(4) {
                0 => json!({"max_rate": rate, "release": "none"}),
                1 => json!({"max_rate": rate, "release": "all"}),
                _ => json!({"max_rate": rate}),
            };
            order(self, "resume", more);
        }
        Op::Step { machine, steps: 60 }
    }
}
