//! Samples of named records: which entries are theirs, and which of them they have taken.
//!
//! Such a sample passes nothing. What is held of its records when it begins is looked for in the background: an entry that
//! nothing newer has replaced by then is released ahead of those before it, and is taken from then on. Which entries were
//! taken the delivered records tell: by `flowgate-release: sample`, and by how many the end of the sample says there were.

use std::collections::{HashMap, HashSet};

use crate::errands::is_cut_off;
use crate::find::{Form, Found};
use crate::follow::Transition;
use crate::gather::Gathered;
use crate::report::Kind;
use crate::settle::{End, Fate, Passing};
use crate::walk::Walk;
use crate::wanted::{Named, Taken, Wanted, record_ids};

/// The samples of named records of one flow.
pub(crate) fn named(gathered: &Gathered<'_>, walk: &Walk, transitions: &[Transition]) -> Vec<Named> {
    let mut samples = Vec::new();
    let mut replaced = None;
    for (first, segment) in walk.segments.iter().enumerate() {
        let Some((order, sample)) = segment.transition.zip(segment.errands.sample) else { continue };
        let command = transitions[order].command.as_ref();
        let ids = command.filter(|_| sample.order == order && sample.count.is_none()).and_then(record_ids);
        let Some(ids) = ids else { continue };
        let still = |at: &usize| walk.segments[*at].errands.sample.is_some_and(|sample| sample.order == order);
        let end = (first..walk.segments.len()).find(|at| !still(at));
        let ended = end.and_then(|end| walk.segments[end].transition);
        let whole = ended.is_some_and(|ended| !is_cut_off(&transitions[ended..]));
        let line = segment.errands.purge.map_or(0, |purge| purge.line);
        let replaced = replaced.get_or_insert_with(|| replacers(gathered, walk));
        let held = (segment.first_unpassed..).zip(&walk.items[segment.first_unpassed..]);
        let named =
            held.take_while(|(_, item)| item.segment < first).filter(|(_, item)| item.is_named(gathered, &ids, line));
        let wanted = named.filter_map(|(item, _)| {
            let (newer, withdraw) = replaced[item];
            let by = [newer, withdraw].into_iter().flatten().map(|by| walk.items[by].segment).min();
            let event = |by: Option<usize>| by.map(|by| walk.items[by].event);
            let certain = by.is_none_or(|by| end.is_some_and(|end| by >= end));
            (by.is_none_or(|by| by >= first)).then(|| Wanted {
                item,
                newer: event(newer),
                withdraw: event(withdraw),
                certain,
            })
        });
        samples.push(Named { order, first, end, whole, wanted: wanted.collect() });
    }
    samples
}

/// For each item the next one that takes its place, and the next withdraw of its record.
fn replacers(gathered: &Gathered<'_>, walk: &Walk) -> Vec<(Option<usize>, Option<usize>)> {
    let mut newest: HashMap<(Kind, &str), usize> = HashMap::new();
    let mut withdraws: HashMap<&str, usize> = HashMap::new();
    let mut replacers = vec![(None, None); walk.items.len()];
    for (at, item) in walk.items.iter().enumerate().rev() {
        let event = &gathered.events[item.event];
        if item.withdraw {
            withdraws.insert(&event.record, at);
            continue;
        }
        let newer = newest.get(&(event.kind, &*event.record)).filter(|_| !item.all);
        replacers[at] = (newer.copied(), withdraws.get(&*event.record).copied());
        if !item.all {
            newest.insert((event.kind, &event.record), at);
        }
    }
    replacers
}

/// The fates by which events are looked for: what a sample may have taken may be delivered.
pub(crate) fn may_be_taken(walk: &Walk, fates: &mut [Fate]) {
    for (sample, wanted) in walk.named.iter().flat_map(|sample| sample.wanted.iter().map(move |item| (sample, item))) {
        let fate = &mut fates[walk.items[wanted.item].event];
        if !fate.may_be_delivered() {
            let (withdrawn_by, superseded_by) = (wanted.withdraw, wanted.newer);
            let end = End::Either;
            *fate = Fate::Passed(Passing { end, segment: sample.first, withdrawn_by, superseded_by, perhaps: true });
        }
    }
}

/// Gives what was taken its fate.
pub(crate) fn take(walk: &Walk, transitions: &[Transition], found: &Found<'_>, fates: &mut [Fate]) {
    let mut taken: HashSet<usize> = HashSet::new();
    for (index, sample) in walk.named.iter().enumerate() {
        let told = sample.end.and_then(|end| transitions[walk.segments[end].transition?].done.count);
        let mut released: Vec<(i64, &Wanted)> = Vec::new();
        for wanted in sample.wanted.iter().filter(|wanted| !taken.contains(&wanted.item)) {
            let delivery = found.delivered[walk.items[wanted.item].event].as_ref();
            let by_sample = delivery
                .filter(|of| of.form == Form::Released && of.record.last_header("flowgate-release") == Some("sample"));
            released.extend(by_sample.map(|delivery| (delivery.record.offset, wanted)));
        }
        released.sort_unstable_by_key(|(offset, _)| *offset);
        // What lies behind these was released by a later sample, or by nothing that is right.
        let most = told.map_or(usize::MAX, |told| usize::try_from(told.total()).unwrap_or(usize::MAX));
        for (_, wanted) in released.into_iter().take(most) {
            taken.insert(wanted.item);
            let Wanted { item, newer, withdraw, .. } = *wanted;
            fates[walk.items[item].event] = Fate::Taken(Taken { sample: index, newer, withdraw });
        }
    }
}
