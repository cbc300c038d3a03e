//! Events and commands that never stop: upstreams that send to the same flows all the time, and an operator who pauses and
//! resumes them in every way there is, one by one and all at once, purges and samples what they hold, forgets what was a
//! typing error, and now and then sends a command twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::company::{Company, Dice};
use crate::upstream::Partitioner;

/// A prime number: every flow gets events of every kind.
const FLOWS: usize = 17;

/// Flows whose upstream sends them to other partitions than their own.
const STRAYS: usize = 2;

/// So many events are sent before another name is mistyped.
const TYPING: u64 = 2_000;

pub struct Load {
    stop: Arc<AtomicBool>,
    hurry: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    commands: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// What the load is about, but for typing errors.
fn flows() -> Vec<String> {
    let steady = (0..FLOWS).map(|flow| format!("flow-{flow}"));
    steady.chain((0..STRAYS).map(|flow| format!("stray-{flow}"))).collect()
}

impl Load {
    pub fn start(company: &Arc<Company>, partitions: u32, events_a_second: u64, seed: u64) -> Self {
        let (stop, hurry) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let (sent, commands) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let upstream = {
            let mut client = company.client(Partitioner::Java);
            let mut other = company.client(Partitioner::Crc32 { partitions });
            let (stop, hurry, sent) = (Arc::clone(&stop), Arc::clone(&hurry), Arc::clone(&sent));
            let mut steady = flows();
            let strays = steady.split_off(FLOWS);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    (0..4).for_each(|_| steady.iter().for_each(|flow| client.next(flow)));
                    strays.iter().for_each(|flow| other.next(flow));
                    client.next(&typo(sent.load(Ordering::Relaxed)));
                    client.flush();
                    other.flush();
                    let round = (4 * FLOWS + STRAYS + 1) as u64;
                    sent.fetch_add(round, Ordering::Relaxed);
                    if !hurry.load(Ordering::Relaxed) {
                        let time = Duration::from_micros(1_000_000 * round / events_a_second);
                        std::thread::sleep(time.saturating_sub(began.elapsed()));
                    }
                }
            })
        };
        let operator = {
            let (company, stop, commands) = (Arc::clone(company), Arc::clone(&stop), Arc::clone(&commands));
            let sent = Arc::clone(&sent);
            let (flows, mut dice) = (flows(), Dice::of(seed));
            std::thread::spawn(move || {
                let mut last: Option<(String, &str, Value)> = None;
                while !stop.load(Ordering::Relaxed) {
                    let again = last.take().filter(|_| dice.below(8) == 0);
                    let (flow, action, options) = again.unwrap_or_else(|| {
                        let (flow, action, mut options) = order(&mut dice, &flows, sent.load(Ordering::Relaxed));
                        let number = commands.load(Ordering::Relaxed);
                        options["command_id"] = format!("operator-{number}").into();
                        (flow, action, options)
                    });
                    company.command(&flow, action, &options);
                    last = Some((flow, action, options));
                    commands.fetch_add(1, Ordering::Relaxed);
                    dice.moment(Duration::from_millis(300));
                }
            })
        };
        Self { stop, hurry, sent, commands, threads: vec![upstream, operator] }
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends as fast as it can from now on.
    pub fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// How many commands were sent.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.commands.load(Ordering::Relaxed)
    }
}

/// Whom events go to by mistake when so many were sent.
fn typo(sent: u64) -> String {
    format!("typo-{}", sent / TYPING)
}

/// Whom it is for, and what it says.
fn order(dice: &mut Dice, flows: &[String], sent: u64) -> (String, &'static str, Value) {
    match dice.below(60) {
        0 => ("*".to_owned(), "pause", pause_of_every(dice)),
        1 => ("*".to_owned(), "resume", [json!({}), json!({"max_rate": 200})][dice.below(2) as usize].clone()),
        2 | 3 => (typo(sent.saturating_sub(dice.below(2 * TYPING))), "forget", json!({})),
        _ => {
            let (action, options) = order_for_one(dice);
            (flows[dice.below(flows.len() as u64) as usize].clone(), action, options)
        }
    }
}

/// Always short: the faults wait for flows to be live.
fn pause_of_every(dice: &mut Dice) -> Value {
    let seconds = 1 + dice.below(3);
    match dice.below(3) {
        0 => json!({"for_seconds": seconds}),
        1 => json!({"for_seconds": seconds, "keep": "all"}),
        _ => json!({
            "for_seconds": seconds, "new_records": "discard", "on_expiry": "discard", "expiry_rate": 500,
        }),
    }
}

fn order_for_one(dice: &mut Dice) -> (&'static str, Value) {
    match dice.below(17) {
        0 | 1 => ("pause", json!({})),
        2 | 3 => ("pause", json!({"keep": "all"})),
        4 => ("pause", json!({"new_records": "discard"})),
        5 => ("pause", json!({"for_seconds": 1 + dice.below(5)})),
        6 => ("pause", json!({"for_seconds": 1 + dice.below(5), "on_expiry": "discard", "expiry_rate": 500})),
        7 | 8 => ("resume", json!({})),
        9 => ("resume", json!({"max_rate": 20 + dice.below(500)})),
        10 => ("resume", json!({"max_age_seconds": 3600})),
        11 => ("resume", json!({"release": "none"})),
        // Most flows are not paused just then, and reject it.
        12 | 13 => ("release", json!({"count": 1 + dice.below(200)})),
        14 | 15 => {
            let first = dice.below(400);
            let records: Vec<String> = (first..=first + dice.below(100)).map(|record| format!("r{record}")).collect();
            ("release", json!({"record_ids": records}))
        }
        _ => ("purge", json!({})),
    }
}
