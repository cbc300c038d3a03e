//! Faults of queue topics: compacted, deleted while idle, robbed of what is held.

use std::collections::BTreeSet;
use std::time::Duration;

use flowgate::broker::{Admin, Broker, Isolation, PollLimit, Reader, Record};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::json;

use crate::company::{is_live, is_paused};
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
        self.company.command(flow, "pause", &json!({}));
        self.until("paused", flow, is_paused);
        // 400 records, each twice.
        self.client.burst(flow, 800);
        self.until("held", flow, |flow| flow.counts.queued.total() >= before + 700);
        let Some(topic) = self.flow(flow).and_then(|flow| flow.queue.topic) else { return false };
        let held = self.entries(&topic);
        self.clean_now();
        let began = std::time::Instant::now();
        let mut cleaned = false;
        while !cleaned && began.elapsed() < Duration::from_secs(40) {
            // A segment is closed by the first record that comes too late for it.
            self.client.burst(flow, 5);
            self.fleet.within(Duration::from_millis(600), |_| false);
            let left = self.entries(&topic);
            cleaned = held.iter().any(|offset| !left.contains(offset));
        }
        self.company.command(flow, "resume", &json!({}));
        self.until("live", flow, is_live);
        cleaned
    }

    /// The offsets that a reader of a queue topic sees.
    fn entries(&self, topic: &str) -> BTreeSet<i64> {
        const LIMIT: PollLimit = PollLimit { records: 10_000, bytes: 1 << 24, wait: Duration::from_millis(50) };
        let read = || -> flowgate::broker::Result<Vec<Record>> {
            let mut reader = self.company.kafka.reader(Isolation::ReadCommitted)?;
            let ends = reader.watermarks(topic, 0)?;
            reader.assign(topic, 0, ends.low)?;
            let mut records = Vec::new();
            while reader.position(topic, 0)?.is_some_and(|position| position < ends.end) {
                reader.poll(LIMIT, &mut records)?;
            }
            Ok(records)
        };
        loop {
            match read() {
                Ok(records) => return records.iter().map(|record| record.offset).collect(),
                Err(error) => assert_eq!(error.action, flowgate::broker::Action::Retry, "{error}"),
            }
        }
    }

    /// Alters the settings of every queue topic there is.
    fn clean_now(&self) {
        let mut admin = self.company.kafka.admin().unwrap();
        let topics = admin.topics(&self.company.topics.queue_prefix()).unwrap();
        // One that was retired meanwhile has none any more.
        let settings: Vec<_> =
            topics.iter().filter_map(|topic| Some((topic, admin.topic_config(topic).ok()?))).collect();
        let configs: Vec<AlterConfig<'_>> = settings
            .iter()
            .map(|(topic, settings)| {
                let kept = settings.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
                let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
                kept.chain(CLEAN_NOW)
                    .fold(AlterConfig::new(ResourceSpecifier::Topic(topic)), |config, (name, value)| {
                        config.set(name, value)
                    })
            })
            .collect();
        let client: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.cluster.brokers()).create().unwrap();
        let altered = client.alter_configs(&configs, &AdminOptions::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let altered = runtime.block_on(altered).unwrap();
        assert!(altered.iter().any(Result::is_ok), "{altered:?}");
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

    /// It counts if the flow is blocked, says how many are lost at most, and its neighbour in the partition goes on.
    pub fn delete_held_events(&mut self) -> bool {
        let flow = self.new_flow("doomed");
        self.doomed.push(flow.clone());
        self.hold_some(&flow, 300);
        let queue = self.flow(&flow).unwrap().queue;
        let topic = queue.topic.unwrap();
        let deleted = match self.doomed.len() % 2 {
            0 => self.delete_topic(&topic),
            _ => {
                let half = queue.next_entry.cast_signed() / 2;
                let mut admin = self.company.kafka.admin().unwrap();
                admin.delete_records(&[(topic, half)]).is_ok_and(|answers| answers.iter().all(Result::is_ok))
            }
        };
        self.company.command(&flow, "resume", &json!({}));
        let blocked = format!("\"flow\":\"{flow}\"");
        self.fleet.until("what is blocked is told", |fleet| {
            fleet.gates.iter().any(|gate| {
                gate.log().lines().any(|line| {
                    line.contains("a flow is blocked") && line.contains(&blocked) && line.contains("at most")
                })
            })
        });
        self.fleet.until("what is blocked is metered", |fleet| {
            fleet.gates.iter().any(|gate| {
                gate.metrics().is_some_and(|text| {
                    let line =
                        text.lines().find(|line| line.starts_with(r#"flowgate_blocked{reason="held_events_deleted"}"#));
                    line.is_some_and(|line| !line.ends_with(" 0"))
                })
            })
        });
        // It goes on holding, and hurts nobody.
        self.client.burst(&flow, 10);
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
        deleted
    }

    /// Pauses a flow and sends it events until some are held.
    fn hold_some(&mut self, flow: &str, events: u32) {
        let before = self.flow(flow).map_or(0, |flow| flow.counts.queued.total());
        self.company.command(flow, "pause", &json!({}));
        self.until("paused", flow, is_paused);
        self.client.burst(flow, events);
        let some = u64::from(events) * 3 / 4;
        self.until("held", flow, |flow| flow.counts.queued.total() >= before + some);
    }

    fn delete_topic(&mut self, topic: &str) -> bool {
        let mut admin = self.company.kafka.admin().unwrap();
        let answers = admin.delete_topics(&[topic.to_owned()]);
        let deleted = answers.is_ok_and(|answers| answers.iter().all(Result::is_ok));
        if deleted {
            let kafka = self.company.kafka.clone();
            self.fleet.until("the topic is gone", |_| {
                kafka.admin().and_then(|mut admin| admin.partitions(topic)).is_ok_and(|known| known.is_none())
            });
        }
        deleted
    }
}
