//! What paused flows and held events take of a broker: disk, open files, mapped files, memory.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use flowgate::schema::topics::Topics;

use crate::case::Case;
use crate::contestant::{Contestant, directory};
use crate::figures::Figures;
use crate::fill::Upstream;
use crate::meter::Meter;
use crate::outputs::{delivered, held, until_counted};
use crate::site::Site;
use crate::watch::Watcher;
use crate::{Result, backlog, event, usage};

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let upstream = Upstream::new(&site.brokers, topics, event::flows(case.flows))?;
    let after_the_first = case.records - case.flows;
    if after_the_first == 0 {
        return Err("give each flow two events at least".into());
    }
    let mut waiting = backlog::write(site, topics, &watcher, upstream, after_the_first)?;
    let before = Broker::of(site)?;
    let mut gate = contestant.gate("bench", directory.path(), &site.brokers, topics)?;
    watcher.until_committed(&topics.enrollments, &waiting.introduced, &mut gate.contender)?;
    let meter = Meter::start(site, gate.pid())?;
    let progress = waiting.fire(topics, &watcher, after_the_first, &mut gate.contender, &meter)?;
    until_counted(site, &held(site, topics)?, case.records.into())
        .map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    site.settle(gate.pid())?;
    let after = Broker::of(site)?;
    let (flows, events) = (f64::from(case.flows), f64::from(case.records));
    let queues = Logs::of(site, &topics.queue_prefix())?;
    let enrollments = Logs::of(site, &topics.enrollments)?;
    let others = [&topics.state, &topics.audit, &topics.control];
    let others: u64 = others.iter().map(|topic| Ok(Logs::of(site, topic)?.bytes)).sum::<Result<u64>>()?;
    let wanted = case.records.into();
    backlog::drain(site, topics, &watcher, &event::flows(case.flows), wanted, &mut gate.contender, || meter.read())?;
    until_counted(site, &delivered(topics), wanted)
        .map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    gate.until_all_is_live()?;
    let records = Logs::of(site, &topics.records)?;
    let more = [
        ("records_bytes_an_event", records.bytes as f64 / events),
        ("enrollment_bytes_an_event", enrollments.bytes as f64 / events),
        ("queue_bytes_an_event", queues.bytes as f64 / events),
        ("other_topics_bytes_a_flow", others as f64 / flows),
        ("disk_beside_logs_kib_a_flow", queues.beside as f64 / 1024.0 / flows),
        ("broker_files_a_flow", (after.files - before.files) / flows),
        ("broker_maps_a_flow", (after.maps - before.maps) / flows),
        ("broker_resident_kib_a_flow", (after.resident - before.resident) / 1024.0 / flows),
    ];
    Ok(Figures::of(after_the_first.into(), &progress).with(more))
}

/// What the broker's process has.
struct Broker {
    /// Open, sockets among them.
    files: f64,
    /// Regions of its address space: what `vm.max_map_count` limits.
    maps: f64,
    /// Bytes; mapped files that were touched among them.
    resident: f64,
}

impl Broker {
    fn of(site: &Site) -> Result<Self> {
        let process = Path::new("/proc").join(site.broker().to_string());
        Ok(Self {
            files: fs::read_dir(process.join("fd"))?.count() as f64,
            maps: fs::read_to_string(process.join("maps"))?.lines().count() as f64,
            resident: usage::resident(site.broker())? as f64,
        })
    }
}

/// Files of all partitions of some topics.
#[derive(Default)]
struct Logs {
    /// Of records, with the marks of transactions.
    bytes: u64,
    /// What all else takes of the disk: indexes, which are of a fixed length and nearly empty, and small files.
    beside: u64,
}

impl Logs {
    /// Of the topics whose names start so.
    fn of(site: &Site, prefix: &str) -> Result<Self> {
        let mut found = Self::default();
        for partition in fs::read_dir(site.data())? {
            let partition = partition?;
            if !partition.file_name().to_string_lossy().starts_with(prefix) {
                continue;
            }
            for file in fs::read_dir(partition.path())? {
                let (path, about) = file.and_then(|file| Ok((file.path(), file.metadata()?)))?;
                if path.extension().is_some_and(|kind| kind == "log") {
                    found.bytes += about.len();
                } else if !path.to_string_lossy().contains(".log.") {
                    // Else it is a copy that the cleaner makes, or what that replaces.
                    // In units of 512 bytes, whatever the file system counts in.
                    found.beside += about.blocks() * 512;
                }
            }
        }
        Ok(found)
    }
}
