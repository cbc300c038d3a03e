//! Many pauses whose deadlines come within one second.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use flowgate::broker::Broker;
use flowgate::client::states::{Change, States};
use flowgate::clock;
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use serde_json::json;

use crate::case::Case;
use crate::contestant::{Contestant, directory};
use crate::figures::{Figures, Latency};
use crate::fill::Upstream;
use crate::gate::Gate;
use crate::meter::Meter;
use crate::operator::order;
use crate::outputs::{delivered, until_counted};
use crate::site::Site;
use crate::watch::Watcher;
use crate::{Result, backlog, event};

/// Within so long come all deadlines.
const SPREAD: Duration = Duration::from_secs(1);

/// From the orders to the first deadline: some, and more for each flow.
const LEAD: Duration = Duration::from_secs(5);
const LEAD_OF_EACH: Duration = Duration::from_millis(3);

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(300);

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = event::flows(case.flows);
    let upstream = Upstream::new(&site.brokers, topics, flows.clone())?;
    let mut waiting = backlog::write(site, topics, &watcher, upstream, case.records - case.flows)?;
    waiting.upstream.commit()?;
    let mut gate = contestant.gate("bench", directory.path(), &site.brokers, topics)?;
    watcher.until_committed(&topics.enrollments, &waiting.ends, &mut gate.contender)?;
    site.settle(gate.pid())?;

    let first = clock::now().after(LEAD + LEAD_OF_EACH * case.flows);
    let due = |at: u32| first.after(SPREAD * at / case.flows);
    order(site, topics, &flows, "pause", |at| vec![("until", json!(due(at).to_string()))])?;
    let deadlines: HashMap<&str, Timestamp> = (0..).zip(&flows).map(|(at, flow)| (flow.as_str(), due(at))).collect();
    let mut seen = Seen { deadlines, found: HashMap::new(), live: HashMap::new() };
    let mut states = States::open(&site.kafka, topics)?;
    seen.until_ordered(&mut states, &mut gate, first)?;

    let (meter, before) = (Meter::start(site, gate.pid())?, watcher.readable(&topics.records)?);
    let gun = Instant::now() + first.since(clock::now());
    let passed = |watcher: &Watcher| Ok(watcher.readable(&topics.records)? - before);
    let (wanted, contender) = (u64::from(case.records), &mut gate.contender);
    let (progress, looked) = thread::scope(|scope| {
        let onlooker = scope.spawn(|| seen.until_all_are_live(&mut states));
        let rest = Duration::from_secs(1);
        let progress = watcher.follow(gun, wanted, rest, contender, passed, || meter.read());
        (progress, onlooker.join())
    });
    let (progress, late) = (progress?, looked.map_err(|_| "the onlooker has panicked")??);
    until_counted(site, &delivered(topics), wanted)
        .map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    gate.until_all_is_live()?;
    let last_live = seen.live.values().max().ok_or("no flow is live")?.since(first).as_secs_f64();
    let latest = late.iter().copied().fold(0.0, f64::max);
    let more = [("last_state_late_seconds", latest / 1e3), ("all_live_seconds", last_live)];
    // How late each flow's state changed.
    Ok(Figures { latency: Latency::of(late), ..Figures::of(wanted, &progress) }.with(more))
}

/// What the state topic has said, and when it could be read there.
struct Seen<'a> {
    deadlines: HashMap<&'a str, Timestamp>,
    /// Flows whose pause is over.
    found: HashMap<String, Timestamp>,
    live: HashMap<String, Timestamp>,
}

impl Seen<'_> {
    /// Until all flows are paused up to the deadlines that they were given, with all events held: before the first deadline.
    fn until_ordered<B: Broker>(&self, states: &mut States<B>, gate: &mut Gate, first: Timestamp) -> Result<()> {
        loop {
            states.poll()?;
            let ordered = states.flows.iter().filter(|(id, known)| {
                known.flow.deadline().is_some() && known.flow.deadline() == self.deadlines.get(id.as_str()).copied()
            });
            if ordered.count() == self.deadlines.len() {
                break;
            }
            gate.contender.check()?;
            if clock::now() >= first {
                return Err("the deadlines have come before all were ordered".into());
            }
        }
        if clock::now() >= first {
            return Err("the deadlines have come while the states were read".into());
        }
        Ok(())
    }

    /// Until all flows are live; how late each pause was seen to be over, in milliseconds.
    fn until_all_are_live<B: Broker>(&mut self, states: &mut States<B>) -> Result<Vec<f64>> {
        let began = Instant::now();
        while self.live.len() < self.deadlines.len() {
            let changes = states.read()?;
            let now = clock::now();
            for change in changes {
                let Change::Flow(known) = change else { continue };
                let id = known.flow.id.to_string();
                if known.flow.state_word() != "paused" {
                    self.found.entry(id.clone()).or_insert(now);
                }
                if known.flow.state_word() == "live" {
                    self.live.entry(id).or_insert(now);
                }
            }
            if began.elapsed() > LIMIT {
                return Err(format!("{} flows of {} are live", self.live.len(), self.deadlines.len()).into());
            }
        }
        let mut late = Vec::new();
        for (id, at) in &self.found {
            let due = self.deadlines.get(id.as_str()).ok_or("a flow that nobody knows")?;
            if at < due {
                return Err(format!("{id} was resumed before its time").into());
            }
            late.push(at.since(*due).as_secs_f64() * 1e3);
        }
        Ok(late)
    }
}
