//! What the toy gate does where somebody has deleted entries.

use flowgate_checker::PerKind;
use serde_json::{Value, json};

use super::{Entry, Gate, State, add};

impl Gate {
    /// Somebody deletes the entries of a queue topic, up to one.
    pub fn delete(&mut self, name: &str, through: usize) {
        let through = through.min(self.flows.get(name).map_or(0, |flow| flow.entries.len()));
        let deleted = self.log.deleted.entry(name.to_owned()).or_default();
        *deleted = (*deleted).max(u64::try_from(through).unwrap());
    }

    fn deleted(&self, name: &str) -> usize {
        self.log.deleted.get(name).map_or(0, |deleted| usize::try_from(*deleted).unwrap())
    }

    /// Whether what passes entries has come to those that were deleted.
    pub(super) fn is_blocked(&self, name: &str) -> bool {
        let flow = &self.flows[name];
        let passes = match flow.state {
            State::Live => false,
            State::Paused => flow.errands.pass(flow.watermark) || flow.errands.sample.is_some(),
            State::Resuming => true,
        };
        passes && flow.watermark < self.deleted(name)
    }

    pub fn accept_loss(&mut self, name: &str, options: Value) {
        let (offset, command) = self.command(name, "accept_loss", options.clone());
        let input = self.next_input(name);
        self.meet(name, input);
        if self.refuses(name, offset, &command) {
            return;
        }
        let most = options.get("at_most").and_then(Value::as_u64).filter(|most| *most > 0);
        let Some(most) = most.filter(|_| self.is_known(name) && self.is_blocked(name)) else {
            return self.answer(name, offset, command, "rejected");
        };
        let flow = &self.flows[name];
        let (first, mut last, mut count) = (flow.watermark, self.deleted(name), PerKind::default());
        // What the cleaner took behind that is gone too.
        while self.cleaner_comes && last < flow.entries.len() && flow.is_replaced(last) {
            last += 1;
        }
        for at in (first..last).filter(|at| !flow.taken.contains(at)) {
            add(&mut count, &flow.entries[at].kind);
        }
        if count.total() > most {
            return self.answer(name, offset, command, "rejected");
        }
        let flow = self.flows.get_mut(name).unwrap();
        flow.watermark = last;
        flow.taken.retain(|at| *at >= last);
        (flow.sums.lost.enroll, flow.sums.lost.advance) =
            (flow.sums.lost.enroll + count.enroll, flow.sums.lost.advance + count.advance);
        let PerKind { enroll, advance } = count;
        let more = json!({"command_id": command["command_id"], "count": {"enroll": enroll, "advance": advance},
            "first_entry": first + 1});
        self.end(name, "loss_accepted", Some(offset), input, &more);
        self.end_purge_at_its_line(name, input);
        self.end_sample_at_its_end(name, input);
        self.answer(name, offset, command, "applied");
        if self.state(name) == State::Resuming {
            self.drain(name, 0);
        }
    }
}

impl super::Flow {
    /// Whether a newer event has taken an entry's place.
    pub(super) fn is_replaced(&self, at: usize) -> bool {
        let entry = &self.entries[at];
        let newer = |later: &Entry| {
            let same = later.record == entry.record;
            same && (later.kind == "withdraw" || (later.kind == entry.kind && !later.all && !entry.all))
        };
        entry.kind != "withdraw" && self.entries[at + 1..].iter().any(newer)
    }
}
