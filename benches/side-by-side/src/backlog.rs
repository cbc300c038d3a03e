//! Events that are held, and later drained: what many cases begin with, and end with.

use std::time::{Duration, Instant};

use flowgate::schema::topics::Topics;

use crate::Result;
use crate::child::Contender;
use crate::fill::Upstream;
use crate::meter::{Meter, Used};
use crate::operator::{command, resume};
use crate::site::Site;
use crate::watch::{Progress, Watcher};

/// Events that wait in an open transaction.
pub struct Waiting {
    pub upstream: Upstream,
    /// Where the partitions end behind the first event of each flow, which all may see.
    pub introduced: Vec<i64>,
    pub ends: Vec<i64>,
}

/// Pauses all flows of an upstream, and has it write so many events.
pub fn write(site: &Site, topics: &Topics, watcher: &Watcher, upstream: Upstream, events: u32) -> Result<Waiting> {
    command(site, topics, upstream.flows(), "pause")?;
    live(watcher, upstream, events)
}

/// The same of flows that nobody pauses.
pub fn live(watcher: &Watcher, mut upstream: Upstream, events: u32) -> Result<Waiting> {
    let introduced = upstream.introduce(watcher)?;
    let ends = upstream.write(events, watcher)?;
    Ok(Waiting { upstream, introduced, ends })
}

impl Waiting {
    /// The gun: from here on all events may be read. Looks on until they have been.
    pub fn fire(
        &mut self,
        topics: &Topics,
        watcher: &Watcher,
        events: u32,
        contender: &mut Contender,
        meter: &Meter,
    ) -> Result<Progress<Used>> {
        let gun = Instant::now();
        self.upstream.commit()?;
        let passed = |watcher: &Watcher| watcher.passed(&topics.enrollments, &self.introduced, &self.ends);
        watcher.follow(gun, u64::from(events), Duration::ZERO, contender, passed, || meter.read())
    }
}

/// Resumes the flows, and looks on until so many records are delivered. `note` is taken down when the last one is there.
pub fn drain(
    site: &Site,
    topics: &Topics,
    watcher: &Watcher,
    flows: &[String],
    records: u64,
    contender: &mut Contender,
    note: impl FnMut() -> Result<Used>,
) -> Result<Progress<Used>> {
    let before = watcher.readable(&topics.records)?;
    let gun = resume(site, topics, flows)?;
    // The ends of transactions are counted too: it is over when no more comes.
    let passed = |watcher: &Watcher| Ok(watcher.readable(&topics.records)? - before);
    watcher.follow(gun, records, Duration::from_secs(1), contender, passed, note)
}
