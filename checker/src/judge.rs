//! Compares what should have become of a flow's events with what did, and makes the flow's sums.

use crate::Fault;
use crate::compare::Expected;
use crate::court::{Case, Court, Judgement};
use crate::order::{Disorder, Link, straighten, withdraws};
use crate::report::Kind;
use crate::settle::{End, Fate, Passing};
use crate::walk::{Item, Passed};

impl<'a> Court<'a> {
    /// Judges one flow.
    pub(crate) fn judge(&self, case: &Case<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        judgement.watermark = self.watermark(case, &mut judgement);
        let mut items = case.walk.items.iter().peekable();
        for (at, index) in self.gathered.flows[case.flow].events.iter().enumerate() {
            let item = items.next_if(|item| item.event == *index).map(|item| (item.number, item.all));
            self.event(case, *index, case.walk.arrivals[at].1, item, &mut judgement);
        }
        self.order(case, &mut judgement);
        self.settle_doubts(case, &mut judgement);
        self.settle_missing(case, &mut judgement);
        judgement
    }

    /// How far the queue is passed at the end. While a drain is under way, at least to the last entry that can be seen
    /// to have left the queue, and not to the next one that would have to be seen; between them the gate's word counts.
    fn watermark(&self, case: &Case<'_>, judgement: &mut Judgement) -> u64 {
        let walk = case.walk;
        // What is taken was released ahead of what passes it.
        let is_taken = |event: usize| matches!(self.fates[event], Fate::Taken(_));
        let visible = |event: usize| {
            let left = self.found.delivered[event].is_some() || !self.discards(&self.gathered.events[event]).is_empty();
            left && !is_taken(event)
        };
        let open = walk.items.iter().position(|item| item.passed == Passed::Perhaps).unwrap_or(walk.items.len());
        let open = &walk.items[open..];
        let may_be_passed = |item: &&Item| {
            let replaced = matches!(self.fates[item.event], Fate::Held { superseded: true });
            item.passed == Passed::Perhaps || item.withdraw || replaced || is_taken(item.event)
        };
        let seen = open.iter().rposition(|item| !item.withdraw && visible(item.event));
        let least = seen.map_or(walk.watermark, |at| open[at].number);
        let must_be_seen = |fate: Fate| matches!(fate, Fate::Passed(passing) if !passing.may_be_replaced());
        let behind = seen.map_or(0, |at| at + 1);
        let next = open[behind..]
            .iter()
            .find(|item| !item.withdraw && must_be_seen(self.fates[item.event]) || !may_be_passed(item));
        let most = if open.is_empty() { least } else { next.map_or(walk.last_entry, |item| item.number - 1) };
        let Some(gate) = case.gate else { return least };
        if (least..=most).contains(&gate.watermark) {
            return gate.watermark;
        }
        judgement.faults.push(Fault::Counter {
            counter: "queue.watermark.entry",
            gate: gate.watermark,
            found: if gate.watermark < least { least } else { most },
        });
        least
    }

    fn event(
        &self,
        case: &Case<'_>,
        index: usize,
        segment: usize,
        item: Option<(u64, bool)>,
        judgement: &mut Judgement,
    ) {
        let event = &self.gathered.events[index];
        let fate = match (self.fates[index], item) {
            (Fate::Replaced { .. }, Some((number, _))) if number > judgement.watermark => {
                Fate::Held { superseded: true }
            }
            (Fate::Passed(passing), Some((number, _))) if number > judgement.watermark && passing.perhaps => {
                Fate::Held { superseded: passing.may_be_replaced() }
            }
            (fate, _) => fate,
        };
        if fate == (Fate::Held { superseded: false }) {
            judgement.held.push((index, item.map_or(0, |(number, _)| number)));
        }
        let sums = &mut judgement.sums;
        sums.input += 1;
        let held = !matches!(fate, Fate::Live | Fate::Refused | Fate::TurnedAway);
        if held {
            sums.queued.count(event.kind);
        }
        let delivery = self.found.delivered[index].as_ref();
        if let Some(delivery) = delivery {
            if held {
                sums.released.count(event.kind);
            } else {
                sums.delivered_live += 1;
                sums.withdraws += u64::from(event.kind == Kind::Withdraw);
            }
            self.delivered(case, Expected { event: index, segment, fate }, delivery, judgement);
        }
        self.discarded(index, fate, judgement);
        let sums = &mut judgement.sums;
        let discarded = !self.discards(event).is_empty();
        match fate {
            Fate::Refused => sums.dead += 1,
            Fate::Held { .. } if delivery.is_none() && !discarded => sums.held.count(event.kind),
            Fate::Replaced { .. } if delivery.is_none() && !discarded => sums.replaced.count(event.kind),
            Fate::Lost { .. } if delivery.is_none() && !discarded => sums.lost.count(event.kind),
            Fate::Live if delivery.is_none() => judgement.faults.push(self.lost(index, "delivered")),
            Fate::TurnedAway if delivery.is_none() && !discarded => {
                judgement.faults.push(self.lost(index, "turned away to the discarded topic"));
            }
            Fate::Passed(passing) if delivery.is_none() && !discarded => {
                match passing.superseded_by.or(passing.withdrawn_by) {
                    Some(by) => judgement.doubtful.push((index, passing, by)),
                    None => judgement.absent(index, passing, item, self),
                }
            }
            _ => {}
        }
    }

    fn lost(&self, event: usize, expected: &'static str) -> Fault {
        Fault::Lost { event: self.place(event), expected }
    }

    fn order(&self, case: &Case<'_>, judgement: &mut Judgement) {
        let mut disorders = Vec::new();
        straighten(&mut judgement.chain, &mut disorders);
        let mut leaving: Vec<Link> = judgement.withdraws.iter().map(|withdraw| withdraw.link).collect();
        straighten(&mut leaving, &mut disorders);
        if leaving.len() < judgement.withdraws.len() {
            judgement
                .withdraws
                .retain(|withdraw| leaving.binary_search_by_key(&withdraw.link.event, |l| l.event).is_ok());
        }
        withdraws(case.walk, &judgement.chain, &judgement.withdraws, &mut disorders);
        let at = |link: Link| {
            let mut place = self.place(link.event);
            place.topic = format!("{}.records", self.log.prefix);
            (place.partition, place.offset) = (case.partition, link.offset);
            place
        };
        for disorder in disorders {
            judgement.faults.push(match disorder {
                Disorder::Wrong(link, other) => {
                    Fault::OutOfOrder { event: self.place(link.event), at: at(link), before: self.place(other.event) }
                }
                Disorder::Early(link) => Fault::DeliveredInPause { event: self.place(link.event), at: at(link) },
            });
        }
    }

    /// An entry is missing, and a withdraw of its record came while it may still have been held. If a later entry was
    /// delivered before that withdraw, the drain had come past it, and it should have been released.
    fn settle_doubts(&self, case: &Case<'_>, judgement: &mut Judgement) {
        for (event, passing, by) in std::mem::take(&mut judgement.doubtful) {
            let later = judgement.chain.get(judgement.chain.partition_point(|link| link.event < event));
            let withdrawn = self.found.delivered[by].as_ref().filter(|found| found.record.partition == case.partition);
            let too_late = match (later, withdrawn) {
                // When a newer event came that is held itself, no delivery tells.
                (Some(later), Some(withdrawn)) if passing.superseded_by.is_none() => {
                    later.offset < withdrawn.record.offset
                }
                _ => false,
            };
            if too_late {
                judgement.absent(event, passing, None, self);
            } else {
                judgement.sums.replaced.count(self.gathered.events[event].kind);
            }
        }
    }

    /// What is missing was taken for replaced, or is lost.
    fn settle_missing(&self, case: &Case<'_>, judgement: &mut Judgement) {
        let counts = case.gate.map(|gate| gate.counts);
        let mut excess = counts.map(|counts| {
            [Kind::Enroll, Kind::Advance]
                .map(|kind| counts.replaced.of(kind).saturating_sub(judgement.sums.replaced.of(kind)))
        });
        for (event, latest) in std::mem::take(&mut judgement.missing) {
            let kind = self.gathered.events[event].kind;
            let as_if_replaced = match &mut excess {
                Some(excess) => {
                    let left = &mut excess[usize::from(kind == Kind::Advance)];
                    let some = *left > 0;
                    *left = left.saturating_sub(1);
                    some
                }
                None => latest,
            };
            judgement.faults.push(if as_if_replaced {
                Fault::ReplacedByNothing { event: self.place(event) }
            } else {
                self.lost(event, "released")
            });
        }
    }
}

impl Judgement {
    /// An entry that was passed has no fate.
    fn absent(&mut self, event: usize, passing: Passing, item: Option<(u64, bool)>, court: &Court<'_>) {
        match passing.end {
            End::Removed(_) => self.faults.push(court.lost(event, "in the discarded topic")),
            End::Released | End::Either => self.missing.push((event, item.is_some_and(|(_, all)| !all))),
        }
    }
}
