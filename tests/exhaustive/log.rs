//! What Kafka holds of one partition with its one flow.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use flowgate::flow::drain::Survivor;
use flowgate::flow::index::Indexed;
use flowgate::flow::{Flow, FlowId, Kind, Partition, RecordId, Watermark};
use flowgate::schema::{Document, partition, state};
use flowgate::time::Timestamp;

use super::ledger::{Ledger, Mode};
use super::missing::Missing;

/// Everything that transactions write. A turn makes a new one, and its commit puts it in the place of the old one.
#[derive(Clone)]
pub struct Log {
    pub id: FlowId,
    /// The partition record: how far commands and events are taken.
    pub record: Partition,
    /// The document in the state topic.
    pub flow: Option<Flow>,
    /// The queue topic as it was written.
    pub queue: Vec<Entry>,
    pub ledger: Ledger,
    /// Stands for everything above that decides about the future.
    pub key: u128,
}

/// An entry in the queue topic.
#[derive(Clone, Debug)]
pub struct Entry {
    pub event: usize,
    pub record: RecordId,
    pub latest: bool,
    pub survivor: Survivor,
}

impl Log {
    pub fn new(name: &str, events: usize) -> Self {
        let id = FlowId::new(name).unwrap();
        let record = Partition::new(2, 2, 0, 0, Timestamp(0));
        Self { id, record, flow: None, queue: Vec::new(), ledger: Ledger::new(events), key: 0 }.keyed()
    }

    /// What a new owner reads back, from the documents as they are written.
    pub fn restored(&self) -> Self {
        let record = partition::read(&partition::write(&mut Document::new(self.record.clone()))).unwrap().body;
        let written = self.flow.clone().map(|flow| state::write(&mut Document::new(flow)));
        let flow = written.map(|written| state::read(&written).unwrap().body);
        assert_eq!((&record, &flow), (&self.record, &self.flow), "a new owner knows what the old one knew");
        Self { record, flow, ..self.clone() }
    }

    /// With its key made anew. When the state was changed decides nothing here, and stays out of it.
    pub fn keyed(mut self) -> Self {
        let document = self.flow.clone().map(|flow| {
            let flow = Flow { updated_at: Timestamp(0), ..flow };
            state::write(&mut Document::new(flow))
        });
        let entries: Vec<_> = self.queue.iter().map(|entry| (entry.event, entry.latest)).collect();
        let Partition { control, input, unknown, default, .. } = &self.record;
        let default = default.as_ref().map(|default| format!("{default:?}"));
        self.key = key(&(document, entries, control, input, unknown.len(), default, &self.ledger));
        self
    }

    /// Between one commit and the next: what is written stays written, and a turn goes on from where the last one ended.
    pub fn follows(&self, before: &Self) {
        assert!(self.ledger.delivered.starts_with(&before.ledger.delivered), "P8: what was delivered is forgotten");
        assert!(
            self.record.input >= before.record.input && self.record.control >= before.record.control,
            "P8: goes back"
        );
    }

    /// Everything is read and has its end, and the flow is live.
    pub fn is_at_rest(&self, events: usize) -> bool {
        let Ledger { mode, backlog, ends, .. } = &self.ledger;
        let ended = ends.iter().flatten().count() == events;
        *mode == Mode::Live && backlog.is_empty() && ended
    }

    pub fn next_entry(&self) -> u64 {
        self.flow.as_ref().map_or(1, |flow| flow.queue.next_entry)
    }

    /// The entries that are still to be passed and still there.
    pub fn unread(&self, missing: Missing) -> impl Iterator<Item = &Entry> {
        let offset = self.flow.as_ref().map_or(0, |flow| flow.queue.watermark.offset);
        self.queue.iter().filter(move |entry| entry.survivor.offset >= offset && !missing.has(entry))
    }

    /// What a worker finds that reads what is to be passed: everything before this entry, and before this event, is gone, for
    /// somebody has deleted it. `None`: it is not blocked.
    pub fn gone(&self, missing: Missing) -> Option<(Watermark, usize)> {
        let flow = self.flow.as_ref().filter(|flow| flow.passes())?;
        if !missing.blocks(flow.queue.watermark.entry) {
            return None;
        }
        match self.unread(missing).next() {
            Some(first) => Some((first.survivor.before(), first.event)),
            None => self.queue.last().map(|last| (flow.queue.end(last.survivor.offset + 1), last.event + 1)),
        }
    }

    /// Somebody may delete everything up to one of these entries.
    pub fn deletable(&self, missing: Missing) -> impl Iterator<Item = u64> {
        let passed = self.flow.as_ref().map_or(0, |flow| flow.queue.watermark.entry).max(missing.deleted);
        self.queue.iter().map(|entry| entry.survivor.number).filter(move |number| *number > passed)
    }

    /// The entries that the cleaner may remove: a later one has the same key, or a withdraw wrote a tombstone for it.
    pub fn cleanable(&self) -> impl Iterator<Item = u64> {
        let superseded = |older: &Entry| {
            let later = self.queue.iter().filter(|newer| newer.survivor.number > older.survivor.number);
            let mut same = later.filter(|newer| newer.record == older.record);
            let kind = older.survivor.kind;
            older.latest
                && same.any(|newer| match newer.survivor.kind {
                    Kind::Withdraw if kind != Kind::Withdraw => true,
                    of => newer.latest && of == kind,
                })
        };
        self.queue.iter().filter(move |entry| superseded(entry)).map(|entry| entry.survivor.number)
    }
}

impl Entry {
    pub fn is_in(&self, bits: u64) -> bool {
        bits >> self.survivor.number & 1 == 1
    }

    pub fn indexed(&self) -> Indexed<'_> {
        let Survivor { number, kind, .. } = self.survivor;
        Indexed { number, kind, record: self.record.as_str(), latest: self.latest }
    }
}

/// 128 bits of anything.
pub fn key(value: &impl std::hash::Hash) -> u128 {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        value.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}
