//! Two gates, started again by a supervisor when they end by themselves, as a service manager would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::company::{Company, Gate};

/// Sessions that a busy machine keeps, and a frozen gate outlives within seconds; small turns, so that a fault meets one;
/// queue topics that retire.
const SETTINGS: &[&str] = &[
    "session_timeout=4s",
    "transaction_timeout=4s",
    "turn.records=200",
    "turn.backlog=100",
    "queue.topic_ttl=20s",
    // Every failed call, for when a run fails.
    "log.level=info,flowgate::worker::table=debug",
];

/// The watchdog's exit code: a call into librdkafka hangs now and then when a broker dies, and the process is the remedy.
const WATCHDOG: i32 = 5;

pub struct Fleet {
    company: Arc<Company>,
    pub gates: Vec<Gate>,
    names: Vec<String>,
    started: u32,
    /// How often gates ended by themselves, by exit code.
    pub ended: BTreeMap<i32, u32>,
}

impl Fleet {
    pub fn start(company: &Arc<Company>) -> Self {
        let names = vec!["a0".to_owned(), "b0".to_owned()];
        let gates = names.iter().map(|name| company.gate(name, SETTINGS)).collect();
        Self { company: Arc::clone(company), gates, names, started: 0, ended: BTreeMap::new() }
    }

    pub fn name(&self, slot: usize) -> &str {
        &self.names[slot]
    }

    /// Another process in place of this one, which is killed if it still runs.
    pub fn replace(&mut self, slot: usize, more: &[&str]) {
        let gate = self.company.gate(&self.names[slot], &[SETTINGS, more].concat());
        drop(std::mem::replace(&mut self.gates[slot], gate));
    }

    /// `kill -9`, now. `false`: it had ended by itself.
    pub fn kill(&mut self, slot: usize) -> bool {
        self.gates[slot].signal("KILL")
    }

    /// From now on this slot has another name: its next process fences nobody.
    pub fn rename(&mut self, slot: usize) {
        self.started += 1;
        self.company.forget(&self.names[slot]);
        let letter = self.names[slot].remove(0);
        self.names[slot] = format!("{letter}{}", self.started);
    }

    /// One more gate, which nobody supervises.
    pub fn guest(&mut self) -> (String, Gate) {
        self.started += 1;
        let name = format!("guest{}", self.started);
        let gate = self.company.gate(&name, SETTINGS);
        (name, gate)
    }

    /// Starts those again that have ended by themselves.
    pub fn tend(&mut self) {
        for slot in 0..self.gates.len() {
            let Some(status) = self.gates[slot].ended() else { continue };
            let code = status.code().unwrap_or(-1);
            assert_eq!(code, WATCHDOG, "gate {} has ended by itself: {status}\n{}", self.names[slot], self.tail(slot));
            *self.ended.entry(code).or_default() += 1;
            self.replace(slot, &[]);
        }
    }

    /// Waits until the condition holds, up to a limit, and looks after the gates meanwhile.
    pub fn within(&mut self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let began = Instant::now();
        while !holds(self) {
            if began.elapsed() >= limit {
                return false;
            }
            self.tend();
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// As above, and it must.
    #[track_caller]
    pub fn until(&mut self, what: &str, holds: impl FnMut(&Self) -> bool) {
        let held = self.within(PATIENCE, holds);
        assert!(held, "not within {PATIENCE:?}: {what}{}", self.tails());
    }

    /// How often the log of a gate has this message.
    pub fn said(&self, slot: usize, message: &str) -> usize {
        self.gates[slot].log().matches(&format!("\"message\":\"{message}\"")).count()
    }

    /// What each gate measures of itself just now, histograms and counters apart.
    pub fn gauges(&self) -> String {
        let of = |slot: usize| {
            let text = self.gates[slot].metrics().unwrap_or_else(|| "no metrics".to_owned());
            let gauges = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket{"));
            let gauges = gauges.filter(|line| !line.ends_with(" 0") && !line.contains("_total"));
            format!("\n{}:\n{}\n", self.names[slot], gauges.collect::<Vec<_>>().join("\n"))
        };
        (0..self.gates.len()).map(of).collect()
    }

    fn tail(&self, slot: usize) -> String {
        let log = self.gates[slot].log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    pub fn tails(&self) -> String {
        (0..self.gates.len()).map(|slot| format!("\n{}:\n{}\n", self.names[slot], self.tail(slot))).collect()
    }
}
