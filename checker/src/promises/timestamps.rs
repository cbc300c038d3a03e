//! Which timestamps the gate replaced.

use std::collections::HashMap;

use super::circumstances::Circumstances;
use super::documents::Told;
use super::story::Wrong;
use crate::examine::Examined;
use crate::find::Form;
use crate::gather::Topics;
use crate::record::Record;
use crate::reroute::times;

const HOUR_MS: i64 = 60 * 60 * 1000;
const MARGIN_MS: i64 = 8 * 24 * HOUR_MS;

/// A timestamp becomes the time of writing where its topic would not keep the record, or Kafka would not take it: older than
/// the topic's retention less a margin, over an hour ahead, negative. Everywhere else it stays. The margin is 8 days, or half
/// of a retention that is shorter than twice that.
pub(super) fn timestamps(
    examined: &Examined<'_>,
    told: &[(&Record, Told)],
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    let Some(retention) = circumstances.retention else { return };
    let (records, enrollments) = (oldest(retention.records_ms), oldest(retention.enrollments_ms));
    let clock = Clock::of(told);
    let gathered = &examined.gathered;
    for (event, delivery) in gathered.events.iter().zip(&examined.found.delivered) {
        let Some(delivery) = delivery.as_ref().filter(|of| of.altered.is_none()) else { continue };
        let replaced = delivery.added == 1 || delivery.added == 4;
        let mut span = clock.at(event.source.partition, event.source.offset);
        if delivery.form == Form::Released {
            // Some time after it was held.
            span.1 = i64::MAX;
        }
        let written = Written { original: event.source, record: delivery.record, replaced, span };
        if let Some(why) = written.judge(records, circumstances) {
            let flow = Some(gathered.flows[event.flow].name.to_string());
            wrong(&flow, topics.place("records", delivery.record), why);
        }
    }
    let mut strays: HashMap<(u64, i64), &Record> = HashMap::new();
    for stray in &gathered.strays {
        strays.insert((stray.source.content(0), stray.source.timestamp_ms), stray.source);
    }
    for event in gathered.events.iter().filter(|_| !strays.is_empty()) {
        let twin = times(event.source).find_map(|(added, time)| {
            let stray = strays.get(&(event.source.content(added), time))?;
            Some((*stray, added == 1))
        });
        let Some((stray, replaced)) = twin else { continue };
        let span = clock.at(stray.partition, stray.offset);
        let written = Written { original: stray, record: event.source, replaced, span };
        if let Some(why) = written.judge(enrollments, circumstances) {
            let flow = Some(gathered.flows[event.flow].name.to_string());
            wrong(&flow, topics.event(event.source), why);
        }
    }
}

/// The age from which on a timestamp is replaced.
fn oldest(retention_ms: Option<i64>) -> Option<i64> {
    retention_ms.map(|retention| retention - MARGIN_MS.min(retention / 2))
}

/// A record that the gate wrote for another one.
struct Written<'a> {
    original: &'a Record,
    record: &'a Record,
    replaced: bool,
    /// It was written at this time at the earliest, and at the latest, by the broker's clock.
    span: (i64, i64),
}

impl Written<'_> {
    /// What is wrong with its timestamp.
    fn judge(&self, oldest: Option<i64>, circumstances: Circumstances) -> Option<String> {
        let (own, off) = (self.original.timestamp_ms, circumstances.clock_off_ms);
        let (first, last) =
            if self.replaced { (self.record.timestamp_ms, self.record.timestamp_ms) } else { self.span };
        // The turn looked at its clock some time before it wrote.
        let looked = first.saturating_sub(circumstances.turn_ms);
        if self.replaced {
            let ahead = own > looked.saturating_sub(off).saturating_add(HOUR_MS);
            let old = oldest.is_some_and(|age| own < last.saturating_add(off).saturating_sub(age));
            return (own >= 0 && !ahead && !old)
                .then(|| format!("its timestamp {own} was replaced at {last} without need"));
        }
        let ahead = own > last.saturating_add(off).saturating_add(HOUR_MS);
        let old = oldest.is_some_and(|age| own < looked.saturating_sub(off).saturating_sub(age));
        (own < 0 || ahead || old).then(|| format!("its timestamp {own} had to be replaced"))
    }
}

/// What time it was where the input stood, as the audit tells.
struct Clock {
    /// By partition: input positions, and when the broker stored what was told there; in order.
    told: HashMap<i32, Vec<(i64, i64)>>,
}

impl Clock {
    fn of(told: &[(&Record, Told)]) -> Self {
        let mut clock = Self { told: HashMap::new() };
        for (record, told) in told {
            if let (Some(partition), Some(position)) = (told.partition, told.position) {
                clock.told.entry(partition).or_default().push((position.input, record.timestamp_ms));
            }
        }
        clock.told.values_mut().for_each(|of| of.sort_unstable());
        clock
    }

    /// When what stands at an offset was read, at the earliest and at the latest.
    fn at(&self, partition: i32, offset: i64) -> (i64, i64) {
        let told = self.told.get(&partition).map_or(&[][..], Vec::as_slice);
        let later = told.partition_point(|(input, _)| *input <= offset);
        let earliest = later.checked_sub(1).map_or(i64::MIN, |at| told[at].1);
        (earliest, told.get(later).map_or(i64::MAX, |(_, stored)| *stored))
    }
}
