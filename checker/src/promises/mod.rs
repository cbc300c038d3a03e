//! Promises that are not about single events: timers (P5), commands that repeat (P6), what a live flow costs (P9), and
//! what the gate says publicly: states, ages, times.
//!
//! One file a judge:
//! - `timers`: no timer fires early, twice, or beyond the cap; `waiting`: none fires while an earlier command waits;
//! - `repetitions`: a command that comes again;
//! - `sequence`: no public state is written in vain or out of turn; `orders`: each says what commands made of it;
//! - `rates`: no drain goes faster than it was ordered to;
//! - `ages`: for how long released records were held, as they say;
//! - `timestamps`: which were replaced;
//! - `names`: no queue topic's name comes twice.
//!
//! A judge of its own is what only `check` can count: withdraws while a flow is not live (`count`).
//!
//! They share `documents` (what is read of audit and states) and `moments` (when a turn was decided).

mod ages;
mod documents;
mod moments;
mod names;
mod orders;
mod rates;
mod repetitions;
mod sequence;
mod timers;
mod timestamps;
mod waiting;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::anomaly::{Anomaly, Fault, Place};
use crate::examine::Examined;
use crate::gather::Topics;
use crate::record::{Log, Record};
use documents::{State, Told, read};

/// What the checker cannot read from the topics.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// How far the clocks of two gates may have been apart, in milliseconds, where they decided about a deadline.
    pub clocks_apart_ms: i64,
    /// How far the clock of a gate was from the broker's at most, in milliseconds, whatever it decided.
    pub clock_off_ms: i64,
    /// How long a turn that holds took at most, in milliseconds, from the poll for its commands to its commit; with it,
    /// how long a reader took to see what had been recorded.
    pub turn_ms: i64,
    /// The longest pause, in milliseconds, that any gate allowed.
    pub max_pause_ms: i64,
    /// The longest pause, in milliseconds, that every gate allowed.
    pub least_max_pause_ms: i64,
    /// `None`: replaced timestamps are not judged.
    pub retention: Option<Retention>,
    /// Every public state there ever was is in the log: the cleaner has taken none.
    pub every_state: bool,
}

/// For how long topics keep records, in milliseconds; `None`: for ever.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    pub records_ms: Option<i64>,
    pub enrollments_ms: Option<i64>,
}

/// What was told of one flow, in order.
#[derive(Default)]
struct Story<'a> {
    states: Vec<(&'a Record, &'a State)>,
    /// Transitions and answers.
    audit: Vec<(&'a Record, &'a Told)>,
}

/// What is wrong: judge after judge, each in the order of what it reads.
#[must_use]
pub fn promises(log: &Log, circumstances: Circumstances) -> Vec<Anomaly> {
    let topics = Topics { prefix: &log.prefix };
    let mut told: Vec<(&Record, Told)> = read(&log.audit);
    told.sort_by_key(|(record, _)| (record.partition, record.offset));
    let mut states: Vec<(&Record, State)> = read(&log.state);
    states.sort_by_key(|(record, _)| (record.partition, record.offset));
    let mut anomalies = Vec::new();
    let mut wrong = |flow: &Option<String>, at: Place, why: String| {
        anomalies.push(Anomaly { flow: flow.clone(), fault: Fault::Audit { at, why } });
    };
    timers::timers(&told, topics, circumstances, &mut wrong);
    timers::caps(&states, &told, topics, circumstances, &mut wrong);
    repetitions::repetitions(&told, topics, &mut wrong);
    sequence::costs(log, &told, topics, &mut wrong);
    sequence::sequence(&states, &told, topics, &mut wrong);
    let commands = commands(log, &told);
    let recorded = log.control.iter().map(|record| (record.offset, record.timestamp_ms)).collect();
    let examined = Examined::of(log, topics, &mut Vec::new());
    for (flow, story) in stories(&states, &told) {
        waiting::waiting(&story, &recorded, topics, circumstances, &mut wrong);
        orders::orders(&story, &commands, topics, circumstances, &mut wrong);
        names::names(&story, topics, &mut wrong);
        let moments = moments::moments(&story.states, circumstances);
        rates::rates(&story, &moments, topics, circumstances, &mut wrong);
        ages::ages((flow, &story), &moments, &examined, topics, circumstances, &mut wrong);
    }
    timestamps::timestamps(&examined, &told, topics, circumstances, &mut wrong);
    anomalies
}

type Wrong<'a> = dyn FnMut(&Option<String>, Place, String) + 'a;

fn stories<'a>(states: &'a [(&'a Record, State)], told: &'a [(&'a Record, Told)]) -> BTreeMap<&'a str, Story<'a>> {
    let mut stories: BTreeMap<&str, Story<'_>> = BTreeMap::new();
    for (record, state) in states {
        stories.entry(&state.flow_id).or_default().states.push((record, state));
    }
    for (record, event) in told {
        if let Some(flow) = &event.flow_id {
            stories.entry(flow).or_default().audit.push((record, event));
        }
    }
    stories
}

type Commands<'a> = HashMap<i64, Cow<'a, Value>>;

/// Commands by their offsets: as they stand in the control topic or, where retention has taken them, in their answers.
fn commands<'a>(log: &Log, told: &'a [(&'a Record, Told)]) -> Commands<'a> {
    let answered =
        told.iter().filter_map(|(_, told)| Some((told.command_offset?, Cow::Borrowed(told.command.as_ref()?))));
    let mut commands: Commands<'_> = answered.collect();
    for record in &log.control {
        if let Some(command) = record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok()) {
            commands.insert(record.offset, Cow::Owned(command));
        }
    }
    commands
}
