//! Change without a gap: three gates are restarted one after the other, as an upgrade does it; then there is one, and three again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flowgate::broker::{Broker as _, Isolation, PollLimit, Reader as _};

use crate::company::{Company, Gate, happened, is_live};
use crate::process::eventually;
use crate::upstream::{Partitioner, Upstream};

const PARTITIONS: i32 = 6;
const NAMES: [&str; 3] = ["a", "b", "c"];
/// As it is by default: a gate that is back under its name within that has kept its partitions.
const SETTINGS: &[&str] = &["session_timeout=10s"];

/// Goal: nothing is lost, doubled or out of order, and how long a flow is silent is told. Method: under load, with a flow
/// that is paused all the while, each gate is stopped in good order and started again under its name; then two leave for good,
/// and come again.
#[test]
fn one_gate_after_the_other() {
    let company = Company::new("rolling", PARTITIONS as u32);
    let flows: Vec<String> = (0..12).map(|flow| format!("flow-{flow}")).collect();
    let flows: Vec<&str> = flows.iter().map(String::as_str).chain(["held"]).collect();
    let mut gates: Vec<Gate> = NAMES.iter().map(|name| company.gate(name, SETTINGS)).map(Gate::restored).collect();
    company.order(&["pause", "held", "--keep", "all"]);
    let upstream = Upstream::start(company.client(Partitioner::Java), &flows, Duration::from_millis(2));
    eventually("load", || upstream.sent() > 1_000);
    let listener = Listener::start(&company);
    for name in NAMES {
        gates.remove(0).stop();
        gates.push(company.gate(name, SETTINGS).restored());
        let sent = upstream.sent();
        eventually("more load", || upstream.sent() > sent + 1_000);
    }
    let silence = listener.stop();
    // One gate is left, and takes over when the others' sessions have ended; then they come again.
    gates.drain(1..).for_each(|gate| drop(gate.stop()));
    let of_all = company.log().records.len();
    company.until_log("one gate delivers", |log| log.records.len() > of_all + 2_000);
    gates.extend(NAMES[1..].iter().map(|name| company.gate(name, SETTINGS)).map(Gate::restored));
    upstream.stop();
    company.order(&["resume", "held", "--wait"]);
    company.until("live", "held", is_live);
    company.until_all_is_read();
    gates.into_iter().for_each(|gate| drop(gate.stop()));
    let report = company.check();
    happened(&format!("a gate restarted in good order, the longest silence of a flow {silence:?}"), 3, 3, &report);
}

/// Notes when events of each flow are delivered.
struct Listener {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Listener {
    /// From now on.
    fn start(company: &Company) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let topic = company.topics.records.clone();
        let mut reader = company.kafka.reader(Isolation::ReadCommitted).unwrap();
        for partition in 0..PARTITIONS {
            let end = company.patiently(|| reader.watermarks(&topic, partition)).end;
            company.patiently(|| reader.assign(&topic, partition, end));
        }
        let thread = std::thread::spawn(move || {
            let limit = PollLimit { records: 10_000, bytes: 10_000_000, wait: Duration::from_millis(20) };
            let (mut last, mut longest) = (HashMap::new(), Duration::ZERO);
            while !asked.load(Ordering::Relaxed) {
                let mut records = Vec::new();
                // What passes is asked for again.
                let _ = reader.poll(limit, &mut records);
                let now = Instant::now();
                for record in records {
                    let before = last.insert(record.key.clone(), now).unwrap_or(now);
                    longest = longest.max(now - before);
                }
            }
            longest
        });
        Self { stop, thread }
    }

    /// The longest time between two deliveries of one flow.
    fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
