//! Faults of queue topics: compacted, deleted while idle, robbed of what is held.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use flowgate::broker::{Action, Admin, Broker, Code, Error, Isolation, PollLimit, Reader, Record};
use flowgate::flow::Flow;
use flowgate::schema::entry;
use serde_json::json;

use crate::PATIENCE;
use crate::alter::{Settings, alter};
use crate::company::{Gate, is_live, is_resuming};
use crate::inject::Chaos;

/// How the cleaner is made to run at once. What a queue topic must have besides is kept. Not `delete.retention.ms`: for that
/// long a marker that ends a transaction has to stay, or a node that was down takes the transaction for open when it
/// leads, and nothing behind it is ever stable again.
const CLEAN_NOW: [(&str, &str); 3] =
    [("segment.ms", "500"), ("min.cleanable.dirty.ratio", "0.001"), ("max.compaction.lag.ms", "500")];
const KEPT: [&str; 7] = [
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "message.timestamp.type",
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
    "max.message.bytes",
];

impl Chaos {
    /// It counts if something was cleaned away that was held, before the drain reads what is left.
    pub fn compact(&mut self) -> bool {
        let flow = "compacted";
        let before = self.flow(flow).map_or(0, |flow| flow.counts.queued.total());
        self.pause(flow);
        // 400 records, each twice.
        self.client.burst(flow, 800);
        self.until("held", flow, |flow| flow.counts.queued.total() >= before + 700);
        let Some(topic) = self.flow(flow).and_then(|flow| flow.queue.topic) else { return false };
        let held = self.offsets(&topic);
        let settings = self.cleaner_settings();
        self.alter(&settings, &CLEAN_NOW);
        let began = Instant::now();
        let mut cleaned = false;
        while !cleaned && began.elapsed() < Duration::from_secs(40) {
            // A segment is closed by the first record that comes too late for it.
            self.client.burst(flow, 5);
            self.fleet.within(Duration::from_millis(600), |_| false);
            let left = self.offsets(&topic);
            cleaned = held.iter().any(|offset| !left.contains(offset));
        }
        // Small segments everywhere are a fault of their own: the brokers would do little else in the end.
        self.alter(&settings, &[]);
        self.company.command(flow, "resume", &json!({}));
        self.until("live", flow, is_live);
        cleaned
    }

    /// The offsets that a reader of a queue topic sees.
    fn offsets(&self, topic: &str) -> BTreeSet<i64> {
        self.entries(topic).iter().map(|record| record.offset).collect()
    }

    fn entries(&self, topic: &str) -> Vec<Record> {
        const LIMIT: PollLimit = PollLimit { records: 10_000, bytes: 1 << 24, wait: Duration::from_millis(50) };
        let read = || -> flowgate::broker::Result<Vec<Record>> {
            let mut reader = self.company.kafka.reader(Isolation::ReadCommitted)?;
            let ends = reader.watermarks(topic, 0)?;
            reader.assign(topic, 0, ends.low)?;
            let (mut records, began) = (Vec::new(), Instant::now());
            while reader.position(topic, 0)?.is_some_and(|position| position < ends.end) {
                reader.poll(LIMIT, &mut records)?;
                if began.elapsed() > Duration::from_secs(20) {
                    return Err(Error::new(Action::Retry, Code::TimedOut, "reading the queue topic"));
                }
            }
            Ok(records)
        };
        self.company.patiently(read)
    }

    /// The settings that the cleaner goes by, of every queue topic there is.
    fn cleaner_settings(&self) -> Settings {
        let topics = self.company.patiently(|| self.company.kafka.admin()?.topics(&self.company.topics.queue_prefix()));
        let mut admin = self.company.patiently(|| self.company.kafka.admin());
        let is_of_it = |name: &str| KEPT.contains(&name) || CLEAN_NOW.iter().any(|(of, _)| *of == name);
        let settings = topics.into_iter().filter_map(|topic| {
            // One that was retired meanwhile has none any more.
            let mut settings = admin.topic_config(&topic).ok()?;
            settings.retain(|name, _| is_of_it(name));
            Some((topic, settings))
        });
        settings.collect()
    }

    fn alter(&self, settings: &Settings, also: &[(&str, &str)]) {
        alter(&self.cluster.brokers(), settings, also);
    }

    /// It counts if the topic went while its flow was live and had nothing in it. What is held next needs another one.
    pub fn delete_idle_queue(&mut self) -> bool {
        let flow = "idle";
        self.hold_some(flow, 20);
        self.company.command(flow, "resume", &json!({}));
        self.until("live", flow, is_live);
        let Some(topic) = self.flow(flow).and_then(|flow| flow.queue.topic) else { return false };
        let deleted = self.delete_topic(&topic);
        let idle = self.flow(flow).is_some_and(|flow| is_live(&flow) && flow.queue.topic.as_ref() == Some(&topic));
        self.hold_some(flow, 20);
        self.company.command(flow, "resume", &json!({}));
        self.until("live again", flow, is_live);
        deleted && idle
    }

    /// It counts if the flow is blocked, says how many are lost, goes on holding, and its neighbour in the
    /// partition goes on. The loss is accepted then, or at the end: so blocked flows meet the other faults too.
    pub fn delete_held_events(&mut self) -> bool {
        const EVENTS: u32 = 300;
        let (times, flow) = (self.deleted.len(), self.new_flow("robbed"));
        self.hold_some(&flow, EVENTS);
        let all = |flow: &Flow| flow.counts.queued.total() + flow.withdrawn == u64::from(EVENTS);
        self.until("nothing of it is on its way", &flow, all);
        let queue = self.flow(&flow).unwrap().queue;
        let topic = queue.topic.clone().unwrap();
        let newest = match times % 2 {
            0 => {
                self.delete_topic(&topic);
                queue.last_entry()
            }
            _ => self.delete_half(&topic, queue.next_entry.cast_signed() / 2),
        };
        self.deleted.insert(flow.clone(), newest);
        self.company.command(&flow, "resume", &json!({}));
        let (of_flow, mut told) = (format!("\"flow\":\"{flow}\""), None);
        self.fleet.until("what is blocked is told", |fleet| {
            let logs = fleet.gates.iter().map(Gate::log);
            told = logs.flat_map(|log| lost(&log, &of_flow)).next();
            told.is_some()
        });
        let (told, now) = (told.unwrap(), self.flow(&flow).unwrap());
        let entries = now.queue.next_entry;
        assert!((queue.next_entry / 3..=entries).contains(&told), "{flow}: {told} of {entries} entries lost");
        let held = now.counts.queued.total();
        self.prometheus.sees("FlowgateHeldEventsDeleted", "");
        // It goes on holding, and hurts nobody.
        self.client.burst(&flow, 10);
        self.until("it goes on holding", &flow, |flow| is_resuming(flow) && flow.counts.queued.total() > held);
        let home = flowgate_checker::home(&flow, crate::PARTITIONS.cast_signed());
        let beside = loop {
            let beside = self.new_flow("beside");
            if flowgate_checker::home(&beside, crate::PARTITIONS.cast_signed()) == home {
                break beside;
            }
        };
        self.hold_some(&beside, 20);
        self.company.command(&beside, "resume", &json!({}));
        self.until("the neighbour is live", &beside, is_live);
        if times % 4 == 1 || times % 4 == 2 {
            self.accept_loss(&flow);
        }
        true
    }

    /// Deletes the entries below an offset; the number of the newest of them.
    fn delete_half(&mut self, topic: &str, below: i64) -> u64 {
        let entries = self.entries(topic);
        let gone = entries.iter().filter(|record| record.offset < below).filter_map(entry::indexed);
        let newest = gone.map(|entry| entry.number).max().unwrap();
        self.company.patiently(|| {
            let answers = self.company.kafka.admin()?.delete_records(&[(topic.to_owned(), below)])?;
            answers.into_iter().collect::<flowgate::broker::Result<Vec<()>>>()
        });
        newest
    }

    /// Has a loss accepted, and sees the flow live behind it.
    pub fn accept_loss(&mut self, flow: &str) {
        let began = Instant::now();
        // More is gone than that.
        let mut most = 1;
        while !self.is_live_within(flow, Duration::from_secs(2)) {
            assert!(began.elapsed() < PATIENCE, "{flow}: a loss that is accepted stays{}", self.fleet.tails());
            // Again: whoever has just taken the flow over may not know yet that it is blocked.
            self.company.command(flow, "accept_loss", &json!({"at_most": most}));
            most = self.flow(flow).unwrap().queue.last_entry();
        }
    }

    /// Pauses a flow and sends it events until some are held.
    fn hold_some(&mut self, flow: &str, events: u32) {
        let before = self.flow(flow).map_or(0, |flow| flow.counts.queued.total());
        self.pause(flow);
        self.client.burst(flow, events);
        let some = u64::from(events) * 3 / 4;
        self.until("held", flow, |flow| flow.counts.queued.total() >= before + some);
    }

    /// `false`: it was not there.
    fn delete_topic(&mut self, topic: &str) -> bool {
        let deleted = self.company.patiently(|| {
            let answers = self.company.kafka.admin()?.delete_topics(&[topic.to_owned()])?;
            match answers.into_iter().collect::<flowgate::broker::Result<Vec<()>>>() {
                Err(error) if error.code == Code::UnknownTopic => Ok(false),
                answer => answer.map(|_| true),
            }
        });
        let kafka = self.company.kafka.clone();
        self.fleet.until("the topic is gone", |_| {
            kafka.admin().and_then(|mut admin| admin.partitions(topic)).is_ok_and(|known| known.is_none())
        });
        deleted
    }
}

/// How many events a gate has said to be lost of a flow: at most so many or, where it knows what is left, exactly.
fn lost(log: &str, of_flow: &str) -> Option<u64> {
    let line = log.lines().find(|line| line.contains("a flow is blocked") && line.contains(of_flow))?;
    let (_, number) = line.split_once("; ")?;
    number.trim_start_matches("at most ").split(' ').next()?.parse().ok()
}
