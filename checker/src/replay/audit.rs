//! Reads the audit: what took effect on each flow, and where; and the public states, for the drains still under way.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use super::clock::Clock;
use super::difference::{Departure, Difference};
use super::errands::Errand;
use super::everyone::{Answered, Everyone, everyone};
use super::orders::Order;
use super::topics::{Topics, sorted};
use crate::Place;
use crate::record::{Log, Record};
use crate::redriven::is_redriven;
use crate::report::PerKind;
use crate::time::milliseconds;

/// A transition of a flow, with what its command says, or the answer to a command.
#[derive(Clone, Debug)]
pub(super) struct Happening {
    pub at: Place,
    /// Of a transition; of an answer the outcome.
    pub word: String,
    pub at_ms: i64,
    pub position: Position,
    pub cause: Cause,
    pub offset: Option<i64>,
    /// The command in whose turn it came; `None`: no command's, or nobody says. (A default pauses by an earlier one.)
    pub turn: Option<i64>,
    pub pause: Option<String>,
    /// Of the end of a purge or a sample, and of a loss.
    pub count: Option<PerKind>,
    /// Where a loss begins.
    pub first: Option<u64>,
    /// An answer that says the flow had changed.
    pub changed: bool,
}

/// Where it took effect: events below `input` came before.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Position {
    pub input: i64,
    /// The number of the newest entry.
    pub entry: u64,
    /// The number of the last entry passed.
    pub watermark: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Cause {
    /// The timer, the end of a drain, an event, a changed limit.
    NoCommand,
    Command(Order),
    /// A command for `*`.
    ForAll(Order),
    Errand(Errand),
    /// No cause, but an answer: what its command expects of the flow, and what it orders of what can be done.
    Answer {
        expect: Option<Value>,
        errand: Option<Errand>,
    },
    /// A command that is not to be found, or that orders nothing the list knows.
    Unknown,
}

/// Everything that the audit says.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// In the order in which they took effect.
    pub flows: BTreeMap<String, Vec<Happening>>,
    /// By partition: the commands for `*`.
    pub everyone: HashMap<i32, Vec<Everyone>>,
    /// By home partition.
    pub clocks: HashMap<i32, Clock>,
    pub differences: Vec<Difference>,
}

#[derive(Deserialize)]
struct Document {
    flow_id: Option<String>,
    partition: i32,
    at: Option<String>,
    position: Position,
    transition: Option<String>,
    command: Option<Value>,
    command_offset: Option<i64>,
    outcome: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    repeated: bool,
    pause_id: Option<String>,
    count: Option<PerKind>,
    first_entry: Option<u64>,
}

pub(super) fn read(log: &Log, topics: Topics<'_>) -> Audit {
    let mut audit = Audit::default();
    let mut documents = Vec::new();
    for record in sorted(&log.audit).into_iter().filter(|record| !is_redriven(record)) {
        let at = topics.place("audit", record);
        match serde_json::from_slice::<Document>(record.value.as_deref().unwrap_or_default()) {
            Ok(document) => documents.push((at, record.timestamp_ms, document)),
            Err(error) => audit.contradiction(None, at, format!("cannot be read: {error}")),
        }
    }
    let control: HashMap<i64, &Record> = log.control.iter().map(|record| (record.offset, record)).collect();
    // Of a command that retention has taken the answer has a copy.
    let mut copies: HashMap<i64, &Value> = HashMap::new();
    let mut effects: HashSet<(&str, i64)> = HashSet::new();
    for (.., document) in &documents {
        match (&document.flow_id, document.command_offset, &document.command) {
            (_, Some(offset), Some(command)) => {
                copies.insert(offset, command);
            }
            (Some(flow), Some(offset), None) => {
                effects.insert((flow, offset));
            }
            _ => {}
        }
    }
    let mut answered = Vec::new();
    for (at, stamp, document) in &documents {
        // The broker's stamp: a gate's clock may be off.
        audit.clocks.entry(document.partition).or_default().note(document.position.input, *stamp);
        let Some(flow) = &document.flow_id else {
            let ordered = document.command_offset.and_then(|offset| command(offset, &control, &copies));
            answered.extend(ordered.and_then(|command| document.answered(at, *stamp, command)));
            continue;
        };
        if document.transition.is_some() {
            let cause = match document.command_offset {
                None => Cause::NoCommand,
                Some(offset) => {
                    command(offset, &control, &copies).map_or(Cause::Unknown, |command| Cause::of(&command))
                }
            };
            audit.flows.entry(flow.clone()).or_default().push(document.happening(at, *stamp, cause));
            continue;
        }
        let ordered = document.command_offset.and_then(|offset| command(offset, &control, &copies));
        if let (false, Some(ordered)) = (document.repeated, ordered) {
            let expect = ordered.get("expect").cloned();
            let invalid = document.command.as_ref().is_some_and(|command| command.get("invalid").is_some());
            let cause = Cause::Answer { expect, errand: Errand::read(&ordered).filter(|_| !invalid) };
            audit.flows.entry(flow.clone()).or_default().push(document.happening(at, *stamp, cause));
        }
        if let (Some("applied"), false, Some(offset)) =
            (document.outcome.as_deref(), document.repeated, document.command_offset)
            && !effects.contains(&(flow.as_str(), offset))
        {
            let why = format!("command {offset} is answered as applied, but changed nothing");
            audit.contradiction(Some(flow.clone()), at.clone(), why);
        }
    }
    audit.everyone = everyone(log, answered);
    audit.flows.values_mut().for_each(|happenings| tell_turns(happenings));
    audit.clocks.values_mut().for_each(Clock::sort);
    audit
}

fn command(offset: i64, control: &HashMap<i64, &Record>, copies: &HashMap<i64, &Value>) -> Option<Value> {
    match control.get(&offset) {
        Some(record) => serde_json::from_slice(record.value.as_deref()?).ok(),
        None => copies.get(&offset).copied().cloned(),
    }
}

/// A flow that is first seen, and its first pause, name no command or an earlier one: what comes next says whose turn it was.
fn tell_turns(happenings: &mut [Happening]) {
    for at in (0..happenings.len()).filter(|at| happenings[*at].word == "seen").collect::<Vec<_>>() {
        let input = happenings[at].position.input;
        let same = |next: &Happening| next.position.input == input;
        let is_pause = |next: &Happening| same(next) && next.word == "paused" && matches!(next.cause, Cause::ForAll(_));
        let paused = happenings.get(at + 1).is_some_and(is_pause);
        let next = happenings.get(at + 1 + usize::from(paused)).filter(|next| same(next));
        let turn = next.and_then(|next| next.offset);
        happenings[at].turn = turn;
        if paused {
            happenings[at + 1].turn = turn;
        }
    }
}

impl Cause {
    fn of(command: &Value) -> Self {
        if command.get("flow_id").is_some_and(|flow| flow == "*") {
            return Order::read(command).map_or(Self::Unknown, Self::ForAll);
        }
        let order = Order::read(command).map(Self::Command);
        order.or_else(|| Errand::read(command).map(Self::Errand)).unwrap_or(Self::Unknown)
    }
}

impl Document {
    /// A command for `*` that took effect, or had nothing to change.
    fn answered(&self, at: &Place, at_ms: i64, command: Value) -> Option<Answered> {
        let is_for_all = command.get("flow_id").is_some_and(|flow| flow == "*") && !self.repeated;
        let outcome = self.outcome.as_deref().filter(|outcome| is_for_all && *outcome != "rejected")?;
        let (partition, offset, input) = (self.partition, self.command_offset?, self.position.input);
        // The gate's clock: its deadlines are, and a turn may be stored long after it was decided.
        let at_ms = self.at.as_deref().and_then(milliseconds).unwrap_or(at_ms);
        Some(Answered { partition, offset, input, at_ms, at: at.clone(), is_applied: outcome == "applied", command })
    }

    fn happening(&self, at: &Place, at_ms: i64, cause: Cause) -> Happening {
        Happening {
            at: at.clone(),
            word: self.transition.as_ref().or(self.outcome.as_ref()).cloned().unwrap_or_default(),
            at_ms,
            position: self.position,
            cause,
            offset: self.command_offset,
            turn: self.command_offset,
            pause: self.pause_id.clone(),
            count: self.count,
            first: self.first_entry,
            changed: self.detail.as_deref().is_some_and(|detail| detail.starts_with("changed meanwhile: ")),
        }
    }
}

impl Audit {
    fn contradiction(&mut self, flow: Option<String>, at: Place, why: String) {
        self.differences.push(Difference { flow, departure: Departure::Audit { at, why } });
    }
}

#[derive(Deserialize)]
struct State {
    flow_id: String,
    queue: Queue,
    sample: Option<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    record_ids: Option<Value>,
    released: PerKind,
}

#[derive(Deserialize)]
struct Queue {
    watermark: Watermark,
}

#[derive(Deserialize)]
struct Watermark {
    entry: u64,
}

/// How far each flow's queue is passed, and how many entries a sample of named records that is under way has released, as the
/// last of its public states says.
pub(super) fn watermarks(log: &Log) -> HashMap<String, (u64, Option<u64>)> {
    let states = sorted(&log.state).into_iter().filter_map(|record| {
        let state: State = serde_json::from_slice(record.value.as_deref()?).ok()?;
        let sample = state.sample.filter(|sample| sample.record_ids.as_ref().is_some_and(Value::is_array));
        Some((state.flow_id, (state.queue.watermark.entry, sample.map(|sample| sample.released.total()))))
    });
    states.collect()
}
