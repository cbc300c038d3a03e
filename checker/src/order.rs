//! Compares the order of what was delivered with the order of arrival.
//!
//! What is delivered of a flow, withdraws aside, is a chain in home order: live events as they came, held ones in their
//! place. A withdraw jumps ahead of what is held when it comes, and of nothing else.

use std::collections::BTreeMap;

use crate::find::Found;
use crate::gather::Gathered;
use crate::murmur2;
use crate::succession::State;
use crate::walk::Walk;

/// How many partitions the records topic has. Nothing says so: it is the number that agrees with most flows, the
/// enrollments' number if that is one, and the smallest otherwise.
pub(crate) fn partitions(gathered: &Gathered<'_>, found: &Found<'_>, enrollments: i32) -> i32 {
    // By hash and partition: how many records were delivered there.
    let mut places: BTreeMap<(i32, i32), u64> = BTreeMap::new();
    for flow in &gathered.flows {
        let hash = murmur2(flow.name.as_bytes()) & 0x7fff_ffff;
        for event in &flow.events {
            if let Some(delivery) = &found.delivered[*event] {
                *places.entry((hash, delivery.record.partition)).or_default() += 1;
            }
        }
    }
    let total: u64 = places.values().sum();
    let agreeing = |count: i32| -> u64 {
        places.iter().filter(|((hash, partition), _)| hash % count == *partition).map(|(_, records)| records).sum()
    };
    let least = places.keys().map(|(_, partition)| partition + 1).max().unwrap_or(1);
    let mut best = (enrollments.max(1), agreeing(enrollments.max(1)));
    let mut count = least;
    while best.1 < total && count <= least.max(enrollments).saturating_mul(4).max(64) {
        let agree = agreeing(count);
        if agree > best.1 {
            best = (count, agree);
        }
        count += 1;
    }
    best.0
}

/// An event that was delivered: its index, and its offset in the flow's partition of the records topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub event: usize,
    pub offset: i64,
}

/// What is out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disorder {
    /// The first is on the wrong side of the second.
    Wrong(Link, Link),
    /// Ahead of a withdraw that came while it was held.
    Early(Link),
}

/// Takes what breaks the order out of a chain, which is in home order; as few links as possible.
pub(crate) fn straighten(chain: &mut Vec<Link>, disorders: &mut Vec<Disorder>) {
    if chain.is_sorted_by_key(|link| link.offset) {
        return;
    }
    let kept = longest_increasing(chain);
    let mut straight: Vec<Link> = Vec::with_capacity(kept.len());
    let mut next = kept.iter().copied().peekable();
    for (at, link) in chain.iter().enumerate() {
        if next.next_if_eq(&at).is_some() {
            straight.push(*link);
            continue;
        }
        let ahead = straight.last().filter(|kept| kept.offset > link.offset).copied();
        let other = ahead.or_else(|| next.peek().map(|kept| chain[*kept])).unwrap_or(*link);
        disorders.push(Disorder::Wrong(*link, other));
    }
    *chain = straight;
}

/// Indices of a longest subsequence whose offsets increase (patience sorting).
fn longest_increasing(chain: &[Link]) -> Vec<usize> {
    let mut piles: Vec<usize> = Vec::new();
    let mut below: Vec<Option<usize>> = Vec::with_capacity(chain.len());
    for (at, link) in chain.iter().enumerate() {
        let pile = piles.partition_point(|top| chain[*top].offset < link.offset);
        below.push(pile.checked_sub(1).map(|left| piles[left]));
        if pile == piles.len() {
            piles.push(at);
        } else {
            piles[pile] = at;
        }
    }
    let mut kept = Vec::with_capacity(piles.len());
    let mut at = piles.last().copied();
    while let Some(index) = at {
        kept.push(index);
        at = below[index];
    }
    kept.reverse();
    kept
}

/// A withdraw that was delivered, and the segment in which it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withdraw {
    pub link: Link,
    pub segment: usize,
}

/// Compares withdraws with a straight chain.
pub(crate) fn withdraws(walk: &Walk, chain: &[Link], withdraws: &[Withdraw], disorders: &mut Vec<Disorder>) {
    let mut reported = 0;
    for withdraw in withdraws {
        let Link { event, offset } = withdraw.link;
        let (first, last) = bounds(walk, withdraw);
        let behind = chain.partition_point(|link| link.event < first.min(event));
        let ahead = chain.partition_point(|link| link.event < last.min(event));
        if let Some(late) = behind.checked_sub(1).map(|at| chain[at]).filter(|link| link.offset > offset) {
            disorders.push(Disorder::Wrong(withdraw.link, late));
            continue;
        }
        let came_earlier = chain.partition_point(|link| link.event < event);
        let delivered_earlier = chain.partition_point(|link| link.offset < offset);
        let early = came_earlier.min(delivered_earlier);
        for link in chain.get(ahead.max(reported)..early).unwrap_or_default() {
            disorders.push(Disorder::Early(*link));
        }
        reported = reported.max(early);
        if let Some(later) = chain.get(came_earlier).filter(|link| link.offset < offset) {
            disorders.push(Disorder::Wrong(withdraw.link, *later));
        }
    }
}

/// Events below the first bound were delivered or passed when the withdraw came; those from the second one on were held
/// if they were there. Between them it is left to timing.
fn bounds(walk: &Walk, withdraw: &Withdraw) -> (usize, usize) {
    let first_held = |segment: usize| {
        let item = walk.segments.get(segment).and_then(|segment| walk.items.get(segment.first_unpassed));
        item.map_or(usize::MAX, |item| item.event)
    };
    let segment = &walk.segments[withdraw.segment];
    match segment.state {
        State::Live => (usize::MAX, usize::MAX),
        _ if segment.passes() => (first_held(withdraw.segment), first_held(withdraw.segment + 1)),
        State::Paused | State::Resuming => (first_held(withdraw.segment), first_held(withdraw.segment)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_out_as_few_as_possible() {
        let chain = |offsets: &[i64]| -> Vec<Link> {
            offsets.iter().enumerate().map(|(event, offset)| Link { event, offset: *offset }).collect()
        };
        let mut straight = chain(&[1, 4, 9]);
        let mut disorders = Vec::new();
        straighten(&mut straight, &mut disorders);
        assert_eq!((straight.len(), disorders.len()), (3, 0));
        let mut one_late = chain(&[1, 9, 2, 3, 4]);
        straighten(&mut one_late, &mut disorders);
        assert_eq!(one_late.iter().map(|link| link.offset).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let (late, other) = (Link { event: 1, offset: 9 }, Link { event: 2, offset: 2 });
        assert_eq!(disorders, [Disorder::Wrong(late, other)]);
    }
}
