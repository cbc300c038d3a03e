//! Who reads what is delivered, and judges whether a pause was total.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use flowgate::schema::topics::Topics;
use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;

use crate::count::scan;
use crate::site::{PARTITIONS, Site};
use crate::stream::{Age, now};
use crate::{Result, event};

/// An event of the load, delivered.
pub struct Delivery {
    /// The event's.
    number: u32,
    partition: i32,
    offset: i64,
    /// In microseconds since 1970.
    at: u64,
}

/// An event of the load as it stands in the input.
struct Sent {
    number: u32,
    offset: i64,
}

/// What was held of each flow: when each event was delivered, in order.
pub type Held = HashMap<String, Vec<u64>>;

/// What became of the load.
pub struct Fates {
    /// Events that lay before the pause.
    pub before: usize,
    pub held: Held,
    /// Every event that was delivered at the wrong side of the pause, not once, or out of order.
    pub violations: usize,
}

/// Reads until nothing has come for a while after the end. `delivered` counts what was sent since `began`.
pub fn read(consumer: &BaseConsumer, began: u64, delivered: &AtomicU32, stop: &AtomicBool) -> Result<Vec<Delivery>> {
    const REST: Duration = Duration::from_secs(2);
    let (mut deliveries, mut heard) = (Vec::new(), Instant::now());
    while !stop.load(Ordering::Relaxed) || heard.elapsed() < REST {
        let Some(message) = consumer.poll(Duration::from_millis(50)).transpose()? else {
            // The clock of the end runs from there.
            heard = if stop.load(Ordering::Relaxed) { heard } else { Instant::now() };
            continue;
        };
        heard = Instant::now();
        if Age::of(&message)?.sent < began {
            continue;
        }
        let number = message.payload().and_then(event::number).ok_or("an event without a number")?;
        let (partition, offset) = (message.partition(), message.offset());
        deliveries.push(Delivery { number, partition, offset, at: now() });
        delivered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(deliveries)
}

/// Judges every event that was sent since `began`: what lies below its flow's position was to be delivered below `resumed_from`, where
/// the delivered records ended before the resume, and all else beyond it.
pub fn judge(
    site: &Site,
    topics: &Topics,
    began: u64,
    deliveries: &[Delivery],
    positions: &HashMap<String, i64>,
    resumed_from: &[i64],
) -> Result<Fates> {
    let mut of_each: HashMap<u32, Vec<&Delivery>> = HashMap::new();
    for delivery in deliveries {
        of_each.entry(delivery.number).or_default().push(delivery);
    }
    let mut fates = Fates { before: 0, held: Held::new(), violations: 0 };
    for (flow, events) in sent(site, topics, began)? {
        let position = positions.get(&flow).ok_or_else(|| format!("{flow} was never paused"))?;
        let (mut last, mut held) = (None, Vec::new());
        for event in events {
            let is_held = event.offset >= *position;
            let found = of_each.remove(&event.number).unwrap_or_default();
            let [delivery] = found.as_slice() else {
                fates.violations += 1;
                continue;
            };
            let is_late = resumed_from.get(delivery.partition as usize).is_some_and(|from| delivery.offset >= *from);
            let is_in_order = last.is_none_or(|last| last < delivery.offset);
            fates.violations += usize::from(is_late != is_held || !is_in_order);
            last = Some(delivery.offset);
            if is_held {
                held.push(delivery.at);
            } else {
                fates.before += 1;
            }
        }
        fates.held.insert(flow, held);
    }
    // What nobody has sent.
    fates.violations += of_each.len();
    Ok(fates)
}

/// Of each flow, in the order of its home partition.
fn sent(site: &Site, topics: &Topics, began: u64) -> Result<HashMap<String, Vec<Sent>>> {
    let mut sent: HashMap<String, Vec<Sent>> = HashMap::new();
    let input: Vec<(String, i32)> = (0..PARTITIONS).map(|partition| (topics.enrollments.clone(), partition)).collect();
    scan(&site.brokers, &input, |record| {
        let value = record.payload().unwrap_or_default();
        let number = event::number(value).filter(|_| event::sent(value).is_some_and(|sent| sent >= began));
        if let Some(number) = number {
            let flow = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
            sent.entry(flow).or_default().push(Sent { number, offset: record.offset() });
        }
    })?;
    Ok(sent)
}
