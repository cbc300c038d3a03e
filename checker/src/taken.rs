//! Judges samples of named records: what they had to release, in what order, and what the gate says is taken.

use crate::Fault;
use crate::court::{Case, Court, Judgement, Moment};
use crate::order::Link;
use crate::report::{Kind, PerKind};
use crate::settle::Fate;
use crate::walk::Passed;
use crate::wanted::{Named, Taken};

/// A flow has so many taken entries at most.
const MOST_TAKEN: usize = 10_000;

impl Court<'_> {
    pub(crate) fn taken(&self, case: &Case<'_>, judgement: &mut Judgement) {
        for index in 0..case.walk.named.len() {
            self.released(case, index, judgement);
        }
        self.order_of_taken(case, judgement);
        self.told_as_taken(case, judgement);
    }

    fn taken_by(&self, event: usize) -> Option<Taken> {
        match self.fates[event] {
            Fate::Taken(taken) => Some(taken),
            _ => None,
        }
    }

    /// A sample that went to its end has released all that it had to; one that something else ended, or that is under way, the
    /// first of them.
    fn released(&self, case: &Case<'_>, index: usize, judgement: &mut Judgement) {
        let sample = &case.walk.named[index];
        let by = |item: usize| self.taken_by(case.walk.items[item].event).map(|taken| taken.sample);
        let last = sample.wanted.iter().rposition(|wanted| by(wanted.item) == Some(index));
        let taken = self.taken_at(case, sample, index);
        if taken > MOST_TAKEN {
            let at = case.transitions[sample.order].place.clone();
            judgement.faults.push(Fault::Audit { at, why: format!("leaves {taken} entries taken") });
        }
        let deleted = self.log.deleted.get(&*self.gathered.flows[case.flow].name).copied().unwrap_or_default();
        let first_of_them = !sample.whole || taken >= MOST_TAKEN;
        for (at, wanted) in sample.wanted.iter().enumerate().filter(|(_, wanted)| wanted.certain) {
            let item = &case.walk.items[wanted.item];
            // What somebody has deleted cannot be found.
            let gone = matches!(item.passed, Passed::Lost(segment) if sample.end.is_none_or(|end| segment <= end))
                || item.number <= deleted;
            let by_another = by(wanted.item).is_some_and(|by| by <= index);
            if gone || by_another || first_of_them && last.is_none_or(|last| last < at) {
                continue;
            }
            let expected = "released by a sample of its record";
            judgement.faults.push(Fault::Lost { event: self.place(item.event), expected });
        }
    }

    /// How many entries were taken when a sample ended, and not passed.
    fn taken_at(&self, case: &Case<'_>, sample: &Named, index: usize) -> usize {
        let segment = &case.walk.segments[sample.end.unwrap_or(sample.first)];
        let items = case.walk.items[segment.first_unpassed..].iter();
        items.filter(|item| self.taken_by(item.event).is_some_and(|taken| taken.sample <= index)).count()
    }

    /// Taken entries are delivered between the beginning and the end of their sample, in the order of their entries.
    fn order_of_taken(&self, case: &Case<'_>, judgement: &mut Judgement) {
        let mut taken = std::mem::take(&mut judgement.taken);
        let sample = |link: &Link| self.taken_by(link.event).map_or(0, |taken| taken.sample);
        taken.sort_by_key(|link| (sample(link), link.event));
        let out_of_order = |link: &Link, at: i64, other: usize| {
            let mut place = self.place(link.event);
            place.topic = format!("{}.records", self.log.prefix);
            (place.partition, place.offset) = (case.partition, at);
            Fault::OutOfOrder { event: self.place(link.event), at: place, before: self.place(other) }
        };
        for pair in taken.windows(2).filter(|pair| pair[1].offset < pair[0].offset) {
            judgement.faults.push(out_of_order(&pair[1], pair[1].offset, pair[0].event));
        }
        let mut others = std::mem::take(&mut judgement.moments);
        others.sort_unstable_by_key(|(offset, ..)| *offset);
        // Up to each of them the latest segment, and from each of them on the earliest.
        let latest = running(others.iter(), |(_, segment, _), (_, latest, _)| segment > latest);
        let mut earliest = running(others.iter().rev(), |(_, segment, _), (_, earliest, _)| segment < earliest);
        earliest.reverse();
        for link in &taken {
            let sample = &case.walk.named[sample(link)];
            let behind = others.partition_point(|(offset, ..)| *offset < link.offset);
            let ahead = behind.checked_sub(1).map(|at| latest[at]);
            let ahead = ahead.filter(|(_, segment, _)| sample.end.is_some_and(|end| *segment >= end));
            let later = earliest.get(behind).copied().filter(|(_, segment, _)| *segment < sample.first);
            if let Some((.., other)) = ahead.or(later) {
                judgement.faults.push(out_of_order(link, link.offset, other));
            }
        }
    }

    /// The public state lists the taken entries that are not passed.
    fn told_as_taken(&self, case: &Case<'_>, judgement: &mut Judgement) {
        let Some(gate) = case.gate else { return };
        let mut count = PerKind::default();
        let mut entries: Vec<(u64, &str)> = Vec::new();
        for item in case.walk.items.iter().filter(|item| item.number > judgement.watermark) {
            if self.taken_by(item.event).is_some() {
                let kind = self.gathered.events[item.event].kind;
                count.count(kind);
                entries.push((item.number, if kind == Kind::Enroll { "enroll" } else { "advance" }));
            }
        }
        let names = ["queue.taken.enroll", "queue.taken.advance"];
        let told = gate.taken.count();
        for (counter, gate, found) in [(names[0], told.enroll, count.enroll), (names[1], told.advance, count.advance)] {
            if gate != found {
                judgement.faults.push(Fault::Counter { counter, gate, found });
            }
        }
        let same = gate.taken.entries.iter().map(|(number, kind)| (*number, kind.as_str())).eq(entries.iter().copied());
        if !same {
            let why = format!("its queue.taken has {:?}, and taken are {entries:?}", gate.taken.entries);
            judgement.faults.push(Fault::Audit { at: gate.place.clone(), why });
        }
    }
}

fn running<'a>(moments: impl Iterator<Item = &'a Moment>, is_beyond: impl Fn(&Moment, &Moment) -> bool) -> Vec<Moment> {
    let mut extreme: Option<Moment> = None;
    let next = |moment: &Moment| {
        let beyond = extreme.as_ref().is_none_or(|extreme| is_beyond(moment, extreme));
        *extreme.get_or_insert(*moment) = if beyond { *moment } else { extreme.unwrap_or(*moment) };
        extreme.unwrap_or(*moment)
    };
    moments.map(next).collect()
}
