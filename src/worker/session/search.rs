//! What is looked for in a flow's queue: what is held of the records that a sample names.
//!
//! The queue is read once, from the watermark to the newest entry of when the search began; what is held later is told to it as it
//! is held. So it knows of every newer event and every withdraw of its records that is committed, and needs no index for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::amount::Amount;
use super::backlog::{Reading, Waiting};
use super::fed::Fed;
use super::legible::legible;
use crate::broker::Record;
use crate::flow::{CommandId, Flow, Kind, Queue, RecordId, Wanted};
use crate::mutant::{self, Mutant};
use crate::schema::entry::{self, Held};
use crate::time::Timestamp;
use crate::worker::stop::Stop;

/// A search under way.
pub struct Search {
    pub topic: Arc<str>,
    pub reading: Reading,
    /// Where to go on reading.
    pub offset: i64,
    /// How often in a row the cluster said that its topic does not exist.
    pub missed: u32,
    /// When it was last seen to come on, or looked at.
    pub looked_at: Option<Timestamp>,
    /// Of the sample that it is for.
    command: CommandId,
    records: BTreeSet<RecordId>,
    entries: entry::Reader,
    /// The newest entry of when it began: it is read up to there.
    last: u64,
    done: bool,
    found: BTreeMap<u64, Waiting>,
    bytes: usize,
    /// What is found and waits in memory at most. Where there is more the first of it is released, and the queue is searched again.
    most: Amount,
    /// The first one for which there was no room: it and all behind it are found when the queue is searched again, in order.
    left_behind: Option<u64>,
    /// The newest entry of each key that replaces, and the newest withdraw of each record.
    newest: BTreeMap<(Kind, RecordId), u64>,
}

impl Search {
    /// `None`: nothing is to be looked for.
    pub fn new(flow: &Flow, most: Amount) -> Option<Self> {
        let sample = flow.sample.as_ref().filter(|_| flow.searches())?;
        let Wanted::Records { ids, .. } = &sample.wanted else { return None };
        let topic = flow.queue.topic.as_deref();
        Some(Self {
            topic: topic.unwrap_or_default().into(),
            reading: Reading::No,
            offset: Self::first_offset(flow),
            missed: 0,
            looked_at: None,
            command: sample.command.clone(),
            records: ids.iter().cloned().collect(),
            entries: entry::Reader::new(&flow.id),
            last: flow.queue.last_entry(),
            done: topic.is_none(),
            found: BTreeMap::new(),
            bytes: 0,
            most,
            left_behind: None,
            newest: BTreeMap::new(),
        })
    }

    /// Whether it is what the flow's sample looks for, in the topic where that is.
    pub fn is_of(&self, flow: &Flow) -> bool {
        let is_its = flow.sample.as_ref().is_some_and(|sample| sample.command == self.command);
        is_its && flow.queue.topic.as_deref().unwrap_or_default() == &*self.topic
    }

    /// Everything was read that is to be read.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Nothing is left to be read.
    pub fn end(&mut self) {
        self.done = true;
    }

    /// Reads the queue once more. What is known to be replaced is not found again: so each round finds something, or is the last.
    pub fn begin_again(&mut self, flow: &Flow) {
        self.reading = Reading::No;
        self.offset = Self::first_offset(flow);
        self.looked_at = None;
        self.entries = entry::Reader::new(&flow.id);
        self.done = false;
        self.found.clear();
        (self.bytes, self.left_behind) = (0, None);
    }

    fn first_offset(flow: &Flow) -> i64 {
        match flow.queue.watermark.offset {
            Queue::NOWHERE => 0,
            offset => offset,
        }
    }

    /// Whether it has come to its end: nothing else is found if the queue is searched again.
    pub fn is_over(&self, flow: &Flow) -> bool {
        self.done && (self.left_behind.is_none() || flow.queue.taken.is_full())
    }

    /// Not everything that was found had room, and what had is released: the queue has to be searched again.
    pub fn is_to_be_repeated(&self, flow: &Flow) -> bool {
        let is_left = |of: &Waiting| flow.wants(of.held.number) && !self.is_replaced(&of.held);
        self.done && !self.is_over(flow) && !self.found.values().any(is_left)
    }

    /// What was found, in order.
    pub fn found(&self) -> impl Iterator<Item = &Waiting> {
        self.found.values()
    }

    /// Takes the next entry of the queue. Only those are found that the flow wants.
    ///
    /// # Errors
    /// Of an entry that only a gate of another version can read.
    pub fn read(&mut self, record: Record, flow: &Flow) -> Result<(), Stop> {
        self.offset = record.offset + 1;
        let Some(held) = legible(self.entries.read(&record))? else { return Ok(()) };
        self.done |= held.number >= self.last;
        if !self.records.contains(&held.record_id) {
            return Ok(());
        }
        self.note(held.number, held.kind, &held.record_id, held.latest);
        self.forget_replaced();
        let has_room = self.left_behind.is_none_or(|first| held.number < first);
        if held.kind != Kind::Withdraw && has_room && flow.wants(held.number) && !self.is_replaced(&held) {
            let size = record.size();
            self.bytes += size;
            let waiting =
                Waiting { held, value: record.value, timestamp: record.timestamp, offset: record.offset, size };
            self.found.insert(waiting.held.number, waiting);
            self.drop_what_is_too_much();
        }
        Ok(())
    }

    /// What is too much goes from the end: what is released first is found first.
    fn drop_what_is_too_much(&mut self) {
        while self.found.len() > self.most.entries.max(1) || self.bytes > self.most.bytes && self.found.len() > 1 {
            let Some((number, last)) = self.found.pop_last() else { return };
            self.bytes = self.bytes.saturating_sub(last.size);
            self.left_behind = Some(number);
        }
    }

    /// A turn has held these.
    pub fn hold(&mut self, fed: &[Fed]) {
        for Fed { number, kind, record, latest } in fed {
            if self.records.contains(record) {
                self.note(*number, *kind, record, *latest);
            }
        }
        self.forget_replaced();
    }

    fn note(&mut self, number: u64, kind: Kind, record: &RecordId, latest: bool) {
        if latest || kind == Kind::Withdraw {
            let newest = self.newest.entry((kind, record.clone())).or_default();
            *newest = number.max(*newest);
        }
    }

    /// What something newer has replaced needs no room any more, and keeps nothing behind it waiting.
    fn forget_replaced(&mut self) {
        let replaced: Vec<u64> =
            self.found.values().filter(|of| self.is_replaced(&of.held)).map(|of| of.held.number).collect();
        for number in replaced {
            self.forget(number);
        }
    }

    /// Whether a newer event or a withdraw, held by now, has taken its place.
    pub fn is_replaced(&self, held: &Held) -> bool {
        let newer = |kind: Kind| self.newest.get(&(kind, held.record_id.clone())).is_some_and(|n| *n > held.number);
        let replaced = held.latest && newer(held.kind) || newer(Kind::Withdraw);
        replaced && !mutant::is(Mutant::ReplacedEntryReleasedByName)
    }

    /// It is released, or nothing of it is wanted any more.
    fn forget(&mut self, number: u64) {
        if let Some(waiting) = self.found.remove(&number) {
            self.bytes = self.bytes.saturating_sub(waiting.size);
        }
    }

    /// A turn has left the flow like this.
    pub fn follow(&mut self, flow: &Flow) {
        let gone: Vec<u64> = self.found.keys().filter(|number| !flow.wants(**number)).copied().collect();
        for number in gone {
            self.forget(number);
        }
    }
}
