//! Looks for every event among the delivered records.
//!
//! A record is an event's if key, value and headers are the event's, but for what the gate puts behind the headers.
//! Events that are equal byte for byte are told apart by nothing: the copies go, in order, to those that must be
//! delivered, then to those that may be, then to the others.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::gather::Gathered;
use crate::record::Record;
use crate::report::Kind;
use crate::settle::Fate;
use crate::understand::understand;

/// Where events were found.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    /// For each event, its delivered record.
    pub delivered: Vec<Option<Delivery<'a>>>,
    /// More records of events that have one already.
    pub copies: Vec<(usize, Delivery<'a>)>,
    /// Records that are no event's.
    pub strangers: Vec<&'a Record>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery<'a> {
    pub record: &'a Record,
    pub form: Form,
    /// How many of its headers are the gate's.
    pub added: usize,
    /// It is not the event's bytes; this is what differs.
    pub altered: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it came.
    Live,
    /// With the headers of a release.
    Released,
}

const RELEASE: [&str; 3] = ["flowgate-release", "flowgate-pause-id", "flowgate-held-ms"];
pub(crate) const TIMESTAMP: &str = "flowgate-timestamp";

/// The ways to read the end of a record's headers: how many may be the gate's, and what that makes it.
pub(crate) fn readings(record: &Record) -> impl Iterator<Item = (usize, Form)> {
    let ends_with = |count: usize| {
        let names = record.headers.len().checked_sub(count).map(|own| &record.headers[own..]);
        let has = |name: &str| names.is_some_and(|names| names.iter().any(|(known, _)| known == name.as_bytes()));
        match count {
            0 => true,
            1 => has(TIMESTAMP),
            3 => RELEASE.iter().all(|name| has(name)),
            _ => RELEASE.iter().all(|name| has(name)) && has(TIMESTAMP),
        }
    };
    let all = [(0, Form::Live), (1, Form::Live), (3, Form::Released), (4, Form::Released)];
    all.into_iter().filter(|(count, _)| ends_with(*count)).collect::<Vec<_>>().into_iter()
}

/// The copies of one content.
#[derive(Default)]
struct Group<'a> {
    events: Vec<usize>,
    found: Vec<Delivery<'a>>,
}

/// Finds the events in the delivered records.
pub(crate) fn find<'a>(gathered: &Gathered<'a>, fates: &[Fate], records: &'a [Record]) -> Found<'a> {
    let mut groups: Vec<Group<'a>> = Vec::with_capacity(gathered.events.len());
    let mut by_content: HashMap<u64, usize> = HashMap::with_capacity(gathered.events.len());
    for (index, event) in gathered.events.iter().enumerate() {
        let group = *by_content.entry(event.source.content(0)).or_insert_with(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        groups[group].events.push(index);
    }
    let mut found = Found { delivered: vec![None; gathered.events.len()], ..Found::default() };
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by_key(|record| (record.partition, record.offset));
    for record in sorted {
        let group = readings(record).find_map(|(added, form)| {
            let group = *by_content.get(&record.content(added))?;
            let original = gathered.events[groups[group].events[0]].source;
            record.is(original, added).then_some((group, Delivery { record, form, added, altered: None }))
        });
        match group {
            Some((group, delivery)) => groups[group].found.push(delivery),
            None => found.strangers.push(record),
        }
    }
    for group in &groups {
        found.share_out(group, fates);
    }
    if !found.strangers.is_empty() {
        found.adopt(gathered, fates);
    }
    found
}

impl<'a> Found<'a> {
    fn share_out(&mut self, group: &Group<'a>, fates: &[Fate]) {
        let [event] = group.events[..] else { return self.share_out_among_equals(group, fates) };
        for delivery in &group.found {
            match self.delivered[event] {
                None => self.delivered[event] = Some(*delivery),
                Some(_) => self.copies.push((event, *delivery)),
            }
        }
    }

    fn share_out_among_equals(&mut self, group: &Group<'a>, fates: &[Fate]) {
        let mut rest = Vec::new();
        for form in [Form::Live, Form::Released] {
            let copies: Vec<Delivery<'a>> =
                group.found.iter().filter(|delivery| delivery.form == form).copied().collect();
            let fits = |event: &usize| (fates[*event] == Fate::Live) == (form == Form::Live);
            let mut chosen: Vec<usize> = Vec::new();
            for wanted in [Fate::must_be_delivered as fn(Fate) -> bool, |fate| {
                fate.may_be_delivered() && !fate.must_be_delivered()
            }] {
                let room = copies.len() - chosen.len();
                chosen.extend(group.events.iter().filter(|event| fits(event) && wanted(fates[**event])).take(room));
            }
            chosen.sort_unstable();
            for (event, delivery) in chosen.iter().zip(&copies) {
                self.delivered[*event] = Some(*delivery);
            }
            rest.extend_from_slice(&copies[chosen.len()..]);
        }
        for delivery in rest {
            match group.events.iter().find(|event| self.delivered[**event].is_none()) {
                Some(event) => self.delivered[*event] = Some(delivery),
                None => self.copies.push((group.events[group.events.len() - 1], delivery)),
            }
        }
    }

    /// Takes strangers for events that are missing: first by the value, then by flow, record and kind.
    fn adopt(&mut self, gathered: &Gathered<'a>, fates: &[Fate]) {
        let mut by_value: HashMap<&[u8], Vec<usize>> = HashMap::new();
        let mut by_record: HashMap<(usize, Cow<'_, str>, Kind), Vec<usize>> = HashMap::new();
        for (index, event) in gathered.events.iter().enumerate().rev() {
            if self.delivered[index].is_none() && fates[index].may_be_delivered() {
                by_value.entry(event.source.value.as_deref().unwrap_or_default()).or_default().push(index);
                by_record.entry((event.flow, Cow::Borrowed(&*event.record), event.kind)).or_default().push(index);
            }
        }
        let free = |delivered: &[Option<Delivery<'_>>], events: Option<&mut Vec<usize>>| {
            let events = events?;
            while let Some(event) = events.pop() {
                if delivered[event].is_none() {
                    return Some(event);
                }
            }
            None
        };
        for record in std::mem::take(&mut self.strangers) {
            let value = record.value.as_deref().unwrap_or_default();
            let mut what = "its key or its headers";
            let mut event = free(&self.delivered, by_value.get_mut(value));
            if event.is_none()
                && let Ok(read) = understand(Some(value))
                && let Some(flow) = gathered.by_name.get(&read.flow)
            {
                what = "its value";
                event = free(&self.delivered, by_record.get_mut(&(*flow, read.record, read.kind)));
            }
            let Some(event) = event else {
                self.strangers.push(record);
                continue;
            };
            let (added, form) = readings(record).last().unwrap_or((0, Form::Live));
            self.delivered[event] = Some(Delivery { record, form, added, altered: Some(what) });
        }
    }
}
