//! How old events are when they can be read downstream, at a steady pace.

use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use flowgate::schema::topics::Topics;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::Result;
use crate::case::Case;
use crate::contestant::Contestant;
use crate::event;
use crate::fill::{self, Upstream};
use crate::round::{Figures, Latency};
use crate::site::Site;
use crate::usage;
use crate::watch::Watcher;

const PER_SECOND: u32 = 20_000;

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = tempfile::Builder::new().prefix("flowgate-side-by-side-").tempdir()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = event::flows(case.flows);
    let introduced = Upstream::new(&site.brokers, topics, flows.clone())?.introduce(&watcher)?;
    let mut contender = contestant.start(case, directory.path(), &site.brokers, topics)?;
    let pid = contender.pid();
    watcher.until_committed(&topics.enrollments, &introduced, &mut contender)?;
    site.settle(pid)?;
    let executor = executor(site, topics, &watcher)?;

    usage::forget_peak(pid)?;
    let (own, broker, began) = (usage::cpu(pid)?, usage::cpu(site.broker())?, Instant::now());
    let (topic, records) = (topics.enrollments.clone(), case.records);
    let brokers = site.brokers.clone();
    let upstream = thread::spawn(move || send(&brokers, &topic, &flows, records));
    let (mut ages, mut first, mut heard) = (Vec::with_capacity(records as usize), None, began);
    while ages.len() < records as usize {
        let Some(message) = executor.poll(Duration::from_millis(100)).transpose()? else {
            contender.check()?;
            if heard.elapsed() > Duration::from_secs(60) {
                if upstream.is_finished()
                    && let Ok(Err(error)) = upstream.join()
                {
                    return Err(error);
                }
                return Err(format!("{} of {records} events:\n{}", ages.len(), contender.last_words()).into());
            }
            continue;
        };
        heard = Instant::now();
        first = first.or(Some(began.elapsed()));
        let sent = message.payload().and_then(event::sent).ok_or("an event that nobody sent")?;
        let now = UNIX_EPOCH.elapsed()?.as_micros() as u64;
        ages.push(now.saturating_sub(sent) as f64 / 1e3);
    }
    upstream.join().map_err(|_| "the upstream has panicked")??;
    let (seconds, millions) = (began.elapsed().as_secs_f64(), f64::from(records) / 1e6);
    Ok(Figures {
        records_per_second: f64::from(records) / seconds,
        first_seconds: first.unwrap_or_default().as_secs_f64(),
        seconds,
        cpu_seconds_per_million: (usage::cpu(pid)? - own).as_secs_f64() / millions,
        broker_cpu_seconds_per_million: (usage::cpu(site.broker())? - broker).as_secs_f64() / millions,
        peak_mib: usage::peak(pid)? as f64 / f64::from(1 << 20),
        // Without the first second, or half of all: until everything is in its stride.
        latency: Latency::of(ages.split_off(ages.len().min(2 * PER_SECOND as usize) / 2)),
    })
}

/// Reads what is delivered from here on.
fn executor(site: &Site, topics: &Topics, watcher: &Watcher) -> Result<BaseConsumer> {
    let executor: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &site.brokers)
        .set("group.id", "executor")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()?;
    let mut assigned = TopicPartitionList::new();
    for (partition, end) in (0..).zip(watcher.stable_ends(&topics.records)?) {
        assigned.add_partition_offset(&topics.records, partition, Offset::Offset(end))?;
    }
    executor.assign(&assigned)?;
    Ok(executor)
}

/// Sends at the pace.
fn send(brokers: &str, topic: &str, flows: &[String], records: u32) -> Result<()> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "1")
        .set("partitioner", "murmur2_random")
        .create()?;
    let (began, mut value) = (Instant::now(), Vec::new());
    for (number, flow) in (0..records).zip(flows.iter().cycle()) {
        let due = Duration::from_secs(1) * number / PER_SECOND;
        while began.elapsed() < due {
            thread::sleep(Duration::from_millis(1));
        }
        if number % 20 == 0 {
            producer.poll(Duration::ZERO);
        }
        event::write(&mut value, flow, number);
        fill::send(&producer, topic, flow.as_bytes(), &value)?;
    }
    Ok(producer.flush(Duration::from_secs(30))?)
}
