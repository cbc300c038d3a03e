//! The bare loop: copies records exactly once, as anybody would write it with rdkafka, and does nothing else.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use flowgate::flow::FlowId;
use flowgate::schema::topics::Topics;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde::Deserialize;

use crate::Result;
use crate::event;
use crate::fill::send;
use crate::handles::Handles;
use crate::site::PARTITIONS;

const LIMIT: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Args {
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    prefix: String,
    /// Into a topic each, as the gate would hold them
    #[arg(long)]
    flows: Option<u32>,
    /// The most records of a transaction
    #[arg(long)]
    records: u32,
    /// The longest time it is open
    #[arg(long)]
    millis: u64,
    /// With all that makes it faster, and a look into each record as a gate needs it
    #[arg(long)]
    limit: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    flow_id: &'a str,
    record_id: &'a str,
    kind: Option<&'a str>,
}

pub fn run(args: &Args) -> Result<()> {
    let topics = Topics::new(&args.prefix)?;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &args.brokers)
        .set("group.id", &topics.group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        // By default a consumer with a full queue rests for a second.
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &args.brokers)
        .set("transactional.id", &topics.group)
        .set("linger.ms", "5")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "1000000")
        // A transaction with a record that was refused cannot be committed: nobody has to hear of the others.
        .set("delivery.report.only.error", if args.limit { "true" } else { "false" })
        .create()?;
    producer.init_transactions(LIMIT)?;
    let out = Output::new(args, &topics, &producer)?;
    consumer.subscribe(&[&topics.enrollments])?;
    loop {
        turn(args, &consumer, &producer, &out, &topics)?;
    }
}

/// One transaction.
fn turn(
    args: &Args,
    consumer: &BaseConsumer,
    producer: &BaseProducer,
    out: &Output<'_>,
    topics: &Topics,
) -> Result<()> {
    let Some(mut message) = consumer.poll(Duration::from_millis(100)).transpose()? else { return Ok(()) };
    producer.begin_transaction()?;
    let (began, limit) = (Instant::now(), Duration::from_millis(args.millis));
    // It ends early when nothing has come for so long: at the end of the input, not where a fetch is slow.
    let dry = (limit / 5).max(Duration::from_millis(20));
    let mut next = [None; PARTITIONS as usize];
    let mut records = 0;
    loop {
        out.send(&message)?;
        records += 1;
        if let Some(next) = next.get_mut(message.partition().unsigned_abs() as usize) {
            *next = Some(message.offset() + 1);
        }
        if records % 1000 == 0 {
            producer.poll(Duration::ZERO);
        }
        // The clock is not looked at for each record.
        if records == args.records || (records % 64 == 0 && began.elapsed() >= limit) {
            break;
        }
        match consumer.poll(dry).transpose()? {
            Some(another) => message = another,
            None => break,
        }
    }
    // `flush` of rdkafka rests for 100 ms.
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
    }
    let mut offsets = TopicPartitionList::new();
    for (partition, next) in (0..).zip(next) {
        if let Some(next) = next {
            offsets.add_partition_offset(&topics.enrollments, partition, Offset::Offset(next))?;
        }
    }
    let group = consumer.group_metadata().ok_or("no group")?;
    producer.send_offsets_to_transaction(&offsets, &group, LIMIT)?;
    Ok(producer.commit_transaction(LIMIT)?)
}

/// Where records go.
enum Output<'a> {
    /// To a topic by its name, as most programs send.
    Named { producer: &'a BaseProducer, topic: String },
    /// To the same partition of a topic by its handle.
    One { handles: Handles<'a>, topic: usize },
    /// To the topic of the flow.
    Many { handles: Handles<'a>, by_flow: HashMap<String, usize>, look: bool },
}

impl<'a> Output<'a> {
    fn new(args: &Args, topics: &Topics, producer: &'a BaseProducer) -> Result<Self> {
        let mut handles = Handles::new(producer);
        match args.flows {
            None if !args.limit => Ok(Self::Named { producer, topic: topics.records.clone() }),
            None => {
                let topic = handles.add(&topics.records)?;
                Ok(Self::One { handles, topic })
            }
            Some(flows) => {
                let mut by_flow = HashMap::new();
                for number in 0..flows {
                    let flow = event::flow(number);
                    let topic = topics.queue(&FlowId::new(&flow)?, 1);
                    by_flow.insert(flow, handles.add(&topic)?);
                }
                handles.find_leaders(LIMIT)?;
                Ok(Self::Many { handles, by_flow, look: args.limit })
            }
        }
    }

    fn send(&self, message: &BorrowedMessage<'_>) -> Result<()> {
        let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        match self {
            Self::Named { producer, topic } => send(producer, topic, key, value),
            Self::One { handles, topic } => {
                look(value)?;
                handles.send(*topic, message.partition(), key, value)
            }
            Self::Many { handles, by_flow, look: looks } => {
                let flow = if *looks { look(value)?.flow_id } else { std::str::from_utf8(key)? };
                handles.send(*by_flow.get(flow).ok_or("an unknown flow")?, 0, key, value)
            }
        }
    }
}

/// Reads what a gate has to know of an event.
fn look(value: &[u8]) -> Result<Event<'_>> {
    let event: Event<'_> = serde_json::from_slice(value)?;
    if event.record_id.is_empty() || !matches!(event.kind, None | Some("enroll" | "advance" | "withdraw")) {
        return Err("no event".into());
    }
    Ok(event)
}
