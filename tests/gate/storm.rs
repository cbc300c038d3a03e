//! Everything at once, in an order that a seed decides: events of all kinds, commands of all kinds, workers that come,
//! go, crash, hang and wake up, calls that fail, a cleaner at any moment. The checker has the last word.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowgate::broker::memory::{Call, Fault, Operation};
use flowgate::broker::{Action, Code, Error, Publication};
use flowgate::time::Timestamp;
use flowgate::worker::{Stop, Worker};
use flowgate_checker::{Replay, Report};
use serde_json::{Value, json};

use super::rig::{Rig, SESSION, publication};

/// Knuth's: enough to choose by.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

const FLOWS: [&str; 5] = ["welcome", "b", "f", "cart", "naïve 流"];

struct Storm {
    rig: Rig,
    dice: Dice,
    /// Names of the workers of the rig, in its order.
    names: Vec<String>,
    frozen: Vec<(String, Worker<flowgate::broker::memory::Memory>)>,
    events: u32,
    last_command: Option<(String, &'static str, &'static str, Value)>,
    faults: Arc<Mutex<Dice>>,
}

fn fault(dice: &mut Dice, operation: Operation) -> Option<Fault> {
    let fail = |action, code| Some(Fault::Fail(Error::new(action, code, "a storm")));
    match operation {
        Operation::Commit if dice.one_in(8) => match dice.below(5) {
            0 => Some(Fault::CommitUnknown { happened: true }),
            1 => Some(Fault::CommitUnknown { happened: false }),
            2 => Some(Fault::Replace),
            3 => fail(Action::Abort, Code::Other),
            _ => fail(Action::Retry, Code::TimedOut),
        },
        Operation::Abort if dice.one_in(4) => Some(Fault::Replace),
        Operation::Send if dice.one_in(200) => fail(Action::Abort, Code::Other),
        Operation::SendOffsets if dice.one_in(30) => fail(Action::Abort, Code::StaleGeneration),
        Operation::CreateTopics if dice.one_in(6) => fail(Action::Retry, Code::TimedOut),
        Operation::Poll | Operation::ReaderPoll | Operation::Watermarks if dice.one_in(300) => {
            fail(Action::Retry, Code::Busy)
        }
        Operation::Poll | Operation::ReaderPoll | Operation::Assign if dice.one_in(2_000) => {
            fail(Action::Rebuild, Code::Other)
        }
        Operation::Committed | Operation::FetchFrom | Operation::Initialise | Operation::LeadersKnown
            if dice.one_in(20) =>
        {
            fail(Action::Retry, Code::Busy)
        }
        Operation::DeleteRecords | Operation::DeleteTopics if dice.one_in(2) => fail(Action::Retry, Code::TimedOut),
        _ => None,
    }
}

impl Storm {
    fn new(seed: u64) -> Self {
        let rig = Rig::with(|options| {
            options.turn.records = 9;
            options.turn.backlog = 5;
            options.turn.topics = 2;
            options.index_bytes = 1_500;
            options.queue_ttl = Duration::from_secs(40);
        });
        // Some records fit only if they are compressed.
        rig.memory.configure(&rig.topics.records, "max.message.bytes", "2000").unwrap();
        let faults = Arc::new(Mutex::new(Dice(seed ^ 0xfa17)));
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        Self { rig, dice, names: vec!["a".into()], frozen: Vec::new(), events: 0, last_command: None, faults }
    }

    fn event(&mut self) {
        let flow = self.dice.of(&FLOWS);
        self.events += 1;
        let kind = self.dice.of(&["enroll", "enroll", "enroll", "advance", "advance", "withdraw"]);
        let record = self.dice.below(25).to_string();
        let padding = if self.dice.one_in(30) { "x".repeat(3_000) } else { String::new() };
        let value = json!({"flow_id": flow, "record_id": record, "kind": kind, "n": self.events, "x": padding});
        let value = value.to_string();
        let partition = if self.dice.one_in(10) { Some(self.dice.below(3) as i32) } else { None };
        let value = if self.dice.one_in(40) { value.replace("record_id", "record") } else { value };
        let timestamp = self.dice.one_in(50).then_some(Timestamp(7));
        let topic = self.rig.topics.enrollments.clone();
        let (key, value) = (Some(flow.as_bytes()), Some(value.as_bytes()));
        self.rig.publish(&Publication { timestamp, ..publication(&topic, partition, key, value) });
    }

    fn command(&mut self) {
        if self.dice.one_in(6)
            && let Some((id, flow, action, rest)) = &self.last_command
        {
            return self.rig.command_again(id, flow, action, rest.clone());
        }
        let flow = self.dice.of(&FLOWS);
        let (action, rest) = match self.dice.below(12) {
            0 => ("pause", json!({})),
            1 => ("pause", json!({"keep": "all"})),
            2 => ("pause", json!({"new_records": "discard", "for_seconds": 20})),
            3 => ("pause", json!({"for_seconds": 5, "on_expiry": "discard"})),
            4 => ("pause", json!({"for_seconds": 9, "expiry_rate": 30, "keep": "latest"})),
            5 | 6 => ("resume", json!({})),
            7 => ("resume", json!({"max_rate": 40})),
            8 => ("resume", json!({"release": "none"})),
            9 => ("resume", json!({"release": "all", "max_rate": 3})),
            10 => ("pause", json!({"for_seconds": 99_999_999})),
            _ => ("purge", json!({})),
        };
        let id = self.rig.command(flow, action, rest.clone());
        self.last_command = Some((id, flow, action, rest));
    }

    fn happening(&mut self) {
        match self.dice.below(9) {
            0 if self.rig.workers.len() < 3 => {
                let free = ["a", "b", "c"].into_iter().find(|name| {
                    !self.names.iter().any(|of| of == name) && !self.frozen.iter().any(|(of, _)| of == name)
                });
                if let Some(name) = free {
                    self.rig.start(name);
                    self.names.push(name.to_owned());
                }
            }
            1 if !self.names.is_empty() => {
                // A crash; half of the time it comes back at once under its name.
                let index = self.dice.below(self.names.len() as u64) as usize;
                drop(self.rig.workers.remove(index));
                let name = self.names.remove(index);
                if self.dice.one_in(2) {
                    self.rig.start(&name);
                    self.names.push(name);
                }
            }
            2 if !self.names.is_empty() => {
                let index = self.dice.below(self.names.len() as u64) as usize;
                self.rig.workers[index].stop();
            }
            3 if self.names.len() > 1 => {
                let name = self.names.remove(0);
                self.rig.memory.freeze(&format!("{name}-0"));
                self.frozen.push((name, self.rig.workers.remove(0)));
            }
            4 => self.thaw(),
            5 => self.rig.clean(),
            6 => self.rig.wait(Duration::from_secs(12)),
            7 => self.rig.memory.release_markers(None),
            _ => self.rig.wait(Duration::from_secs(2)),
        }
    }

    fn thaw(&mut self) {
        if let Some((name, worker)) = self.frozen.pop() {
            self.rig.memory.thaw(&format!("{name}-0"));
            self.rig.workers.push(worker);
            self.names.push(name);
        }
    }

    fn steps(&mut self) {
        for _ in 0..self.dice.below(60) {
            if self.names.is_empty() {
                return;
            }
            let index = self.dice.below(self.names.len() as u64) as usize;
            let left = self.rig.workers[index].phase() == "left";
            match self.rig.step(index) {
                Ok(_) if !left => {}
                // It has left, or a commit of unknown end made it look as if an equal had fenced it.
                Ok(_) | Err(Stop::FencedByEqual(_)) => {
                    self.rig.workers.remove(index);
                    self.names.remove(index);
                }
                Err(stop) => panic!("{stop}"),
            }
        }
    }

    fn run(mut self) -> (Report, Replay) {
        let faults = Arc::clone(&self.faults);
        self.rig
            .memory
            .set_fault_hook(Some(Box::new(move |call: &Call<'_>| fault(&mut faults.lock().unwrap(), call.operation))));
        for _ in 0..220 {
            for _ in 0..self.dice.below(8) {
                self.event();
            }
            if self.dice.one_in(4) {
                self.command();
            }
            if self.dice.one_in(9) {
                self.happening();
            }
            self.steps();
            self.rig.wait(Duration::from_millis(30));
        }
        self.rig.memory.set_fault_hook(None);
        while !self.frozen.is_empty() {
            self.thaw();
        }
        self.rig.start("z");
        for _ in 0..6 {
            self.rig.wait(SESSION);
            self.rig.settle();
        }
        for flow in FLOWS {
            if self.rig.known(flow).is_some() {
                self.rig.order(flow, "resume", json!({"max_rate": 100_000}));
                self.rig.run_until_live(flow);
            }
        }
        // What comes with the end of this storm is checked here, once.
        self.rig.whole = false;
        self.rig.check()
    }
}

/// Goal: whatever happens in whatever order, every event has its one fate, in order, and every sum is exact; and the
/// rules on an ordinary list deliver the same.
#[test]
fn storms() {
    let seeds = match std::env::var("STORM") {
        Ok(seeds) => {
            let (from, to) = seeds.split_once("..").unwrap();
            from.parse().unwrap()..to.parse().unwrap()
        }
        Err(_) => 0..60,
    };
    let mut total = flowgate_checker::Sums::default();
    let mut replayed = Replay::default();
    for seed in seeds.clone() {
        println!("storm {seed}");
        let (report, replay) = Storm::new(seed).run();
        replayed.deliveries += replay.deliveries;
        replayed.compared += replay.compared;
        report.flows.values().for_each(|sums| total += sums);
    }
    println!("{total:?}");
    let (Replay { deliveries, compared, .. }, share) = (&replayed, replayed.share());
    println!(
        "storms {seeds:?}: {compared} of {deliveries} deliveries compared with the list's: {:.2} %",
        share * 100.0
    );
    assert!(share >= 0.9, "the list was told too much by the topics");
    let fates = [total.turned_away, total.released, total.replaced, total.removed].map(|of| of.enroll);
    let others = [total.delivered_live, total.dead, total.rerouted, total.withdraws];
    assert!(fates.into_iter().chain(others).all(|of| of > 100), "every fate, many times: {total:?}");
}
