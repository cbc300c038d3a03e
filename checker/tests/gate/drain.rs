//! How the toy gate gives entries their fates.

use flowgate_checker::{Log, Record, home};

use super::{Entry, Gate, RECORDS_PARTITIONS, State, append, header};

impl Gate {
    /// Passes entries of a resuming flow; with the last one it goes live.
    pub fn drain(&mut self, name: &str, count: usize) {
        let input = self.next_input(name);
        let flow = &self.flows[name];
        for _ in 0..count.min(flow.entries.len() - flow.watermark) {
            if self.is_blocked(name) {
                return;
            }
            self.pass_one(name);
            self.end_purge_at_its_line(name, input);
        }
        let flow = self.flows.get_mut(name).unwrap();
        if flow.watermark == flow.entries.len() {
            flow.state = State::Live;
            self.transition(name, "live", None, input);
        }
    }

    /// Gives the next entry its fate.
    pub(super) fn pass_one(&mut self, name: &str) {
        let flow = self.flows.get_mut(name).unwrap();
        let at = flow.watermark;
        flow.watermark += 1;
        if flow.taken.remove(&at) {
            return;
        }
        let is_replaced = flow.is_replaced(at);
        let entry = &flow.entries[at];
        if entry.kind == "withdraw" {
            return;
        }
        let too_old = flow.max_age_ms.is_some_and(|limit| flow.as_of - entry.held_at > limit);
        let drains = flow.state == State::Resuming;
        let reason = match () {
            () if at < flow.errands.line() => Some("purge"),
            () if drains && at < flow.line => Some(flow.line_reason),
            () if drains && too_old => Some("max_age"),
            () => None,
        };
        if is_replaced {
            add(&mut flow.sums.replaced, &entry.kind);
        } else if let Some(reason) = reason {
            add(&mut flow.sums.removed, &entry.kind);
            if reason == "purge" {
                flow.errands.removed(&entry.kind);
            }
            discard(&mut self.log, &entry.source, reason);
        } else {
            add(&mut flow.sums.released, &entry.kind);
            let cause = if drains { flow.cause } else { "sample" };
            if !drains {
                flow.errands.released(&entry.kind);
            }
            deliver(&mut self.log, name, entry, (cause, self.clock_ms));
        }
    }

    pub fn drain_all(&mut self, name: &str) {
        self.drain(name, usize::MAX);
    }
}

pub fn add(count: &mut flowgate_checker::PerKind, kind: &str) {
    match kind {
        "enroll" => count.enroll += 1,
        "advance" => count.advance += 1,
        _ => {}
    }
}

pub fn deliver(log: &mut Log, name: &str, entry: &Entry, (cause, clock_ms): (&str, i64)) {
    let mut record = entry.source.clone();
    record.headers.push(header("flowgate-release", cause));
    record.headers.push(header("flowgate-pause-id", &entry.pause_id));
    record.headers.push(header("flowgate-held-ms", clock_ms - entry.held_at));
    append(&mut log.records, home(name, RECORDS_PARTITIONS), record);
}

pub fn discard(log: &mut Log, source: &Record, reason: &str) {
    let mut record = source.clone();
    record.headers.push(header("flowgate-reason", reason));
    let place = format!("flow.enrollments/{}/{}", source.partition, source.offset);
    record.headers.push(header("flowgate-source", place));
    record.headers.push(header("flowgate-timestamp", source.timestamp_ms));
    append(&mut log.discarded, 0, record);
}
