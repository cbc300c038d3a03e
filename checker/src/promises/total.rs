//! A pause of `*` is total (P3).

use super::story::Wrong;
use crate::defaults::{InForce, Partition};
use crate::examine::Examined;
use crate::find::Form;
use crate::gather::Topics;
use crate::home;
use crate::record::Log;
use crate::report::Kind;

/// Behind a pause of `*` no event of any flow of the partition is delivered as it came while the default is in force, but
/// withdraws, and what comes to a flow that was resumed by its name and has gone live since. (What is held is released by a
/// resume or a sample, and says so.)
pub(super) fn total(log: &Log, examined: &Examined<'_>, topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    for flow in &examined.gathered.flows {
        let Some(partition) = examined.followed.defaults.of(home(&flow.name, log.enrollment_partitions)) else {
            continue;
        };
        let live = examined.followed.of(&flow.name).iter().filter(|transition| transition.word == "live");
        let live: Vec<i64> = live.map(|transition| transition.position.input).collect();
        for index in &flow.events {
            let event = &examined.gathered.events[*index];
            let delivery = examined.found.delivered[*index].as_ref();
            let Some(delivery) = delivery.filter(|of| of.form == Form::Live && event.kind != Kind::Withdraw) else {
                continue;
            };
            let Some((command, began)) = paused(partition, event.source.offset) else { continue };
            let next = live.partition_point(|input| *input < began);
            if live.get(next).is_none_or(|input| *input > event.source.offset) {
                let why = format!("was delivered as it came, although command {command} had paused every flow");
                wrong(&Some(flow.name.to_string()), topics.place("records", delivery.record), why);
            }
        }
    }
}

/// The command that had paused every flow when an event came, and where it took effect.
fn paused(partition: &Partition, offset: i64) -> Option<(i64, i64)> {
    let default = partition.standing(offset, i64::MAX)?;
    let in_force = default.in_force(partition.told_behind(offset)) == InForce::Yes;
    let answer = partition.answer(default.newest).filter(|_| in_force)?;
    Some((answer.offset, answer.position.input))
}
