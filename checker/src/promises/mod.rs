//! Promises of docs/contract.md that are not about single events: timers (P5), commands that repeat (P6), what a live flow costs (P9), and
//! what the gate says publicly: states, ages, times.
//!
//! One file a judge:
//! - `timers`: no timer fires early, twice, or beyond the cap; `waiting`: none fires while an earlier command waits;
//! - `repetitions`: a command that comes again;
//! - `sequence`: no public state is written in vain or out of turn; `orders`: each says what commands made of it;
//! - `rates`: no drain goes faster than it was ordered to;
//! - `ages`: for how long released records were held, as they say;
//! - `timestamps`: which were replaced;
//! - `errands`: what states say of purges, samples and warnings; `progress`: how far those have come;
//! - `taken`: which entries samples of named records have released ahead of the watermark;
//! - `warnings`: when deadlines are warned of;
//! - `total`: a pause of `*` holds every flow (P3); `defaults`: what partitions' records say of it;
//! - `lives`: which flows are forgotten;
//! - `names`: no queue topic's name comes twice.
//!
//! A judge of its own is what only `check` can count: withdraws while a flow is not live (`count`).
//!
//! They share `documents` (what is read of audit and states), `deadlines` (what commands say of them) and `moments` (when a turn was decided).

mod ages;
mod circumstances;
mod deadlines;
mod defaults;
mod documents;
mod errands;
mod lives;
mod moments;
mod names;
mod orders;
mod progress;
mod rates;
mod repetitions;
mod sequence;
mod story;
mod taken;
mod timers;
mod timestamps;
mod total;
mod waiting;
mod warnings;

use crate::anomaly::{Anomaly, Fault, Place};
use crate::examine::Examined;
use crate::gather::Topics;
use crate::record::{Log, Record};
use crate::redriven::is_redriven;
use documents::{State, Told, read};
use story::{commands, stories, tombstones};

pub use circumstances::{Circumstances, Retention};

/// What is wrong: judge after judge, each in the order of what it reads.
#[must_use]
pub fn promises(log: &Log, circumstances: Circumstances) -> Vec<Anomaly> {
    let topics = Topics { prefix: &log.prefix };
    let mut told: Vec<(&Record, Told)> = read(&log.audit);
    told.retain(|(record, _)| !is_redriven(record));
    told.sort_by_key(|(record, _)| (record.partition, record.offset));
    let mut states: Vec<(&Record, State)> = read(&log.state);
    states.sort_by_key(|(record, _)| (record.partition, record.offset));
    let mut anomalies = Vec::new();
    let mut wrong = |flow: &Option<String>, at: Place, why: String| {
        anomalies.push(Anomaly { flow: flow.clone(), fault: Fault::Audit { at, why } });
    };
    let examined = Examined::of(log, topics, &mut Vec::new());
    let commands = commands(log, &told, &examined.followed.defaults);
    timers::timers(&told, &commands, topics, circumstances, &mut wrong);
    timers::caps(&states, &told, topics, circumstances, &mut wrong);
    repetitions::repetitions(&told, topics, &mut wrong);
    sequence::costs(log, &told, topics, &mut wrong);
    sequence::sequence(&states, &told, topics, &mut wrong);
    let recorded = log.control.iter().map(|record| (record.offset, record.timestamp_ms)).collect();
    defaults::defaults(log, &examined.followed.defaults, topics, circumstances, &mut wrong);
    total::total(log, &examined, topics, &mut wrong);
    warnings::warnings(&told, &commands, topics, circumstances, &mut wrong);
    let tombstones = tombstones(log);
    for (flow, lives) in stories(log, &states, &told) {
        lives::lives(flow, &lives, &tombstones, topics, &mut wrong);
        for story in lives {
            waiting::waiting(&story, &commands, &recorded, topics, circumstances, &mut wrong);
            orders::orders(&story, &commands, topics, circumstances, &mut wrong);
            progress::progress(&story, topics, circumstances, &mut wrong);
            taken::taken(&story, topics, &mut wrong);
            names::names(&story, topics, &mut wrong);
            let moments = moments::moments(&story.states, circumstances);
            rates::rates(&story, &moments, topics, circumstances, &mut wrong);
            ages::ages((flow, &story), &moments, &examined, topics, circumstances, &mut wrong);
        }
    }
    timestamps::timestamps(&examined, &told, topics, circumstances, &mut wrong);
    anomalies
}
