//! The audit, looked through and followed.

use std::collections::HashMap;

use bytes::Bytes;

use super::audited::Audited;
use super::scan::{Bound, First, Marks, PAGE_BYTES, Progress, Scan};
use super::{no_topic, read_on, rest};
use crate::broker::murmur2::partition_for;
use crate::broker::{Admin, Broker, Isolation, Reader, Record, Result};
use crate::flow::{CommandId, FlowId, Happening};
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// An event of the audit.
#[derive(Clone, Debug)]
pub struct Told {
    pub partition: i32,
    pub offset: i64,
    pub event: Audited,
    /// As it stands in the topic, with fields that only a newer gate knows.
    pub document: Bytes,
    /// Of a transition that a command caused: whose command that was, if its answer came by, wanted or not.
    pub ordered: Option<Ordered>,
}

/// What an answer says of its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    pub command: CommandId,
    pub by: String,
    pub reason: Option<String>,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub flow: Option<FlowId>,
    /// Who issued the command, or redrove the letter: transitions do not say so.
    pub by: Option<String>,
    /// One of [`Audited::WORDS`].
    pub event: Option<String>,
    /// The command that an event answers, or whose end it tells.
    pub command: Option<String>,
}

impl Told {
    /// `None` for what is no audit event that this version can read.
    fn read(record: &Record) -> Option<Self> {
        let document = record.value.clone()?;
        let event = Audited::read(&document).ok()?;
        Some(Self { partition: record.partition, offset: record.offset, event, document, ordered: None })
    }
}

impl Wanted {
    #[must_use]
    pub fn fits(&self, told: &Told) -> bool {
        let event = &told.event;
        self.flow.as_ref().is_none_or(|flow| event.flow() == Some(flow))
            && self.by.as_ref().is_none_or(|wanted| event.by() == Some(wanted))
            && self.event.as_ref().is_none_or(|word| word == event.word())
            && self.command.as_ref().is_none_or(|id| event.command().is_some_and(|command| command.as_str() == id))
    }

    /// The only partition that can have such events; `None`: any may.
    fn partition<B: Broker>(&self, broker: &B, topics: &Topics) -> Result<Option<i32>> {
        let Some(flow) = &self.flow else { return Ok(None) };
        let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| no_topic(&topics.audit))?;
        Ok(Some(partition_for(flow.as_str().as_bytes(), count)))
    }
}

#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order that was asked for.
    pub events: Vec<Told>,
    pub progress: Progress,
    /// Where to go on; `None`: nothing is left.
    pub next: Option<Marks>,
}

/// Looks through the audit. `since`: what the broker had stored before is left out.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if nothing could be read in time.
pub fn look<B: Broker>(
    broker: &B,
    topics: &Topics,
    wanted: &Wanted,
    (first, limit): (First, usize),
    since: Option<Timestamp>,
    from: Option<&Marks>,
    bound: Bound,
) -> Result<Page> {
    let partition = wanted.partition(broker, topics)?;
    let mut scan = Scan::open(broker, &topics.audit, partition.as_ref().map(std::slice::from_ref), first, bound)?;
    if let Some(since) = since {
        scan.leave_out_until(since)?;
    }
    if let Some(marks) = from {
        scan.go_on_at(marks);
    }
    let (mut events, mut answers, mut bytes) = (Vec::new(), Answers::default(), 0);
    while events.len() < limit && bytes < PAGE_BYTES {
        let Some(found) = scan.next(|record| answers.hear(record, wanted))? else { break };
        bytes += found.what.document.len();
        events.push(found.what);
        // Older answers may push it out before all is read.
        events.last_mut().into_iter().for_each(|told| answers.tell(told));
    }
    events.iter_mut().for_each(|told| answers.tell(told));
    let progress = scan.progress();
    Ok(Page { events, progress, next: (!progress.is_whole).then(|| scan.marks()) })
}

/// Whose commands have been answered, by where these stand in the control topic. The answer to a command stands behind the
/// transition that it caused, in the same partition.
#[derive(Default)]
struct Answers(HashMap<i64, Ordered>);

impl Answers {
    /// How many are remembered: those of the largest step of a scan have room.
    const MOST: usize = 100_000;

    /// The record as an event, if it is wanted.
    fn hear(&mut self, record: &Record, wanted: &Wanted) -> Option<Told> {
        let told = Told::read(record)?;
        if let Some(Happening::Answer { command, offset, .. }) = told.event.happening() {
            if self.0.len() >= Self::MOST {
                self.0.clear();
            }
            let (by, reason) = (command.issued_by.clone(), command.reason.clone());
            self.0.insert(*offset, Ordered { command: command.id.clone(), by, reason });
        }
        wanted.fits(&told).then_some(told)
    }

    fn tell(&self, told: &mut Told) {
        if let Some(Happening::Transition { command: Some(offset), .. }) = told.event.happening()
            && told.ordered.is_none()
        {
            told.ordered = self.0.get(offset).cloned();
        }
    }
}

/// Reads the audit as it is written, from its end on.
pub struct Follower<B: Broker> {
    reader: B::Reader,
    wanted: Wanted,
    began_at: Marks,
    answers: Answers,
}

impl<B: Broker> Follower<B> {
    /// # Errors
    /// Of the broker; [`crate::broker::Code::UnknownTopic`] if there is no audit.
    pub fn from_now_on(broker: &B, topics: &Topics, wanted: Wanted) -> Result<Self> {
        let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| no_topic(&topics.audit))?;
        let only = wanted.partition(broker, topics)?;
        let (mut reader, mut began_at) = (broker.reader(Isolation::ReadCommitted)?, Marks::new());
        for partition in (0..count).filter(|partition| only.is_none_or(|only| only == *partition)) {
            let end = reader.watermarks(&topics.audit, partition)?.end;
            reader.assign(&topics.audit, partition, end)?;
            began_at.insert(partition, end);
        }
        Ok(Self { reader, wanted, began_at, answers: Answers::default() })
    }

    /// Where it has begun: a look from the newest that goes on there ends just before what this brings.
    #[must_use]
    pub fn began_at(&self) -> &Marks {
        &self.began_at
    }

    /// What has come since, in the order of time; waits a moment if that is nothing.
    ///
    /// # Errors
    /// Of the broker, but not those that pass.
    pub fn poll(&mut self) -> Result<Vec<Told>> {
        let mut records = read_on(&mut self.reader)?;
        if records.is_empty() {
            rest();
        }
        records.sort_by_key(|record| record.timestamp);
        let Self { answers, wanted, .. } = self;
        let mut events: Vec<Told> = records.iter().filter_map(|record| answers.hear(record, wanted)).collect();
        events.iter_mut().for_each(|told| answers.tell(told));
        Ok(events)
    }
}
