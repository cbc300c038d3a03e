//! For how long a released record was held, as `flowgate-held-ms` says.

use super::circumstances::Circumstances;
use super::moments::Moment;
use super::story::{Story, Wrong};
use crate::examine::Examined;
use crate::find::{Delivery, Form};
use crate::gather::Topics;
use crate::states::Counts;
use crate::walk::Arrival;

/// It lies between the turns that held and released it. Which ones those were, the counts of the public states say: the
/// n-th held event was held by the turn that counted n of them first, and the same of released ones. Two gates measure:
/// each clock may have been off.
pub(super) fn ages(
    (flow, story): (&str, &Story<'_>),
    moments: &[Moment],
    examined: &Examined<'_>,
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    if !circumstances.every_state {
        return;
    }
    let Some(index) = examined.gathered.by_name.get(flow).copied() else { return };
    let (held, released) = (turns(story, |of| of.queued.total()), turns(story, |of| of.released.total()));
    let mut delivered: Vec<(usize, &Delivery<'_>)> = Vec::new();
    let mut number = 0;
    let events = examined.gathered.flows[index].events.iter().zip(&examined.walks[index].arrivals);
    for (event, (arrival, _)) in events {
        if *arrival == Arrival::Held {
            let delivery = examined.found.delivered[*event].as_ref();
            delivered.extend(delivery.filter(|of| of.form == Form::Released).map(|delivery| (number, delivery)));
            number += 1;
        }
    }
    delivered.sort_by_key(|(_, delivery)| delivery.record.offset);
    for (order, (number, delivery)) in delivered.into_iter().enumerate() {
        let (Some(from), Some(to)) = (held.get(number), released.get(order)) else { continue };
        let (from, to) = (moments[*from], moments[*to]);
        let told = delivery.record.last_header("flowgate-held-ms").and_then(|text| text.parse::<i64>().ok());
        let off = 2 * circumstances.clock_off_ms;
        let least = to.first.saturating_sub(from.last).saturating_sub(off);
        let most = to.last.saturating_sub(from.first).saturating_add(off).max(0);
        let Some(told) = told.filter(|told| !(least..=most).contains(told)) else { continue };
        let why = format!("flowgate-held-ms says {told}, and it was held for {least} to {most} ms");
        wrong(&Some(flow.to_owned()), topics.place("records", delivery.record), why);
    }
}

/// For the first, the second, the third ... that is counted: the state that counted it first.
fn turns(story: &Story<'_>, count: impl Fn(&Counts) -> u64) -> Vec<usize> {
    let mut turns = Vec::new();
    for (at, (_, state)) in story.states.iter().enumerate() {
        let counted = state.counts.as_ref().map_or(0, &count);
        while (turns.len() as u64) < counted {
            turns.push(at);
        }
    }
    turns
}
