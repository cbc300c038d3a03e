//! The toy gate's topics at the end, with what it says publicly.

use flowgate_checker::{Log, Record, home};
use serde_json::json;

use super::{Gate, PARTITIONS, State, append};

impl Gate {
    /// The topics, with the public states in them.
    pub fn finish(&self) -> Log {
        let mut log = self.log.clone();
        self.show_defaults(&mut log);
        for (name, sums) in self.sums() {
            let flow = &self.flows[&name];
            let before = match flow.forgotten {
                Some(_) if !self.is_known(&name) => {
                    let key = Some(name.as_bytes().to_vec());
                    append(&mut log.state, home(&name, PARTITIONS), Record { key, ..Record::default() });
                    continue;
                }
                Some(before) => before.turned_away,
                None => flowgate_checker::PerKind::default(),
            };
            let state = match flow.state {
                State::Live => "live",
                State::Paused => "paused",
                State::Resuming => "resuming",
            };
            let pair = |count: flowgate_checker::PerKind| json!({"enroll": count.enroll, "advance": count.advance});
            let turned_away = json!({"enroll": sums.turned_away.enroll - before.enroll, "advance": 0});
            let value = json!({"version": 1, "flow_id": name, "state": state, "pause": self.pause_of(&name),
                "counts": {"queued": pair(sums.queued), "released": pair(sums.released),
                    "replaced": pair(sums.replaced), "removed": pair(sums.removed),
                    "turned_away": turned_away, "lost": pair(sums.lost)},
                "queue": {"next_entry": flow.entries.len() + 1, "watermark": {"entry": flow.watermark},
                    "taken": flow.told_as_taken()}});
            let record = Record {
                key: Some(name.as_bytes().to_vec()),
                value: Some(value.to_string().into_bytes()),
                ..Record::default()
            };
            append(&mut log.state, home(&name, PARTITIONS), record);
            let gone = log.deleted.get(&name).map_or(0, |deleted| usize::try_from(*deleted).unwrap());
            for entry in &flow.entries[flow.watermark.max(gone)..] {
                let topic = log.queues.entry(format!("flow.queue.{name}.1")).or_default();
                append(topic, 0, entry.source.clone());
            }
        }
        log
    }
}
