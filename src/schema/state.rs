//! The state of a flow: what the next owner goes on from, and what everybody may read.
//!
//! Every field is always written, `null` where there is nothing, so that readers need not tell absent from null.

mod read;

use serde::Serialize;

use super::document::Whose;
use super::instant::Instant;
use super::json::VERSION;
use super::rate::PerSecond;
use super::words::Word;
use super::{Document, Malformed, Unknown, fields};
use crate::flow::{
    Answered, CommandId, Counts, Drain, Flow, Pause, PerKind, Queue, RecordId, Sample, Taken, Wanted, Watermark,
};

pub(super) use read::{answered as read_answered, pause as read_pause};

/// Reads the state of a flow.
///
/// # Errors
/// [`Malformed`], naming the field: also where fields contradict each other, for a gate that goes on from such a state
/// would lose events or deliver them twice.
pub fn read(value: &[u8]) -> Result<Document<Flow>, Malformed> {
    let (body, rest) = fields::document(value, VERSION, read::flow)?;
    let unknown = Unknown::new(rest, || whose(&body));
    Ok(Document { body, unknown })
}

/// What comes and goes while the flow stays.
fn whose(flow: &Flow) -> Vec<Whose> {
    let pause = flow.pause().map(|pause| pause.id.clone());
    let sample = flow.sample.as_ref().map(|sample| sample.command.to_string());
    let Queue { number, discard_through, purge_through, taken, .. } = &flow.queue;
    let line = discard_through.as_ref().map(|line| format!("{} {:?}", line.entry, line.command));
    let purge = purge_through.as_ref().map(|purge| purge.command.to_string());
    let taken = (!taken.is_empty()).then(|| number.to_string());
    vec![
        Whose { path: &["pause"], name: pause.clone() },
        // It stays behind the pause, until the next one begins.
        Whose { path: &["at_pause"], name: Some(format!("{:?}", flow.at_pause)) },
        Whose { path: &["drain"], name: pause },
        Whose { path: &["sample"], name: sample },
        Whose { path: &["queue", "discard_through"], name: line },
        Whose { path: &["queue", "purge_through"], name: purge },
        Whose { path: &["queue", "taken"], name: taken },
    ]
}

/// Writes the state of a flow, with the unknown fields that it was read with.
///
/// Those of a pause are forgotten with that pause, and so with whatever else comes and goes; that is why the document changes.
pub fn write(document: &mut Document<Flow>) -> Vec<u8> {
    let Document { body, unknown } = document;
    unknown.keep_only(|| whose(body));
    unknown.write(&Wire::of(body))
}

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    flow_id: &'a str,
    state: &'static str,
    pause: Option<PauseWire<'a>>,
    drain: Option<DrainWire<'a>>,
    sample: Option<SampleWire<'a>>,
    counts: CountsWire,
    at_pause: CountsWire,
    withdrawn: u64,
    queue: QueueWire<'a>,
    commands: Vec<AnsweredWire<'a>>,
    updated_at: Instant,
}

#[derive(Serialize)]
pub(super) struct PauseWire<'a> {
    id: &'a str,
    by_all: bool,
    paused_at: Instant,
    resumes_at: Instant,
    new_records: &'static str,
    keep: &'static str,
    on_expiry: &'static str,
    expiry_rate: Option<PerSecond>,
    by: &'a str,
    reason: Option<&'a str>,
    warned_seconds: Option<u64>,
}

#[derive(Serialize)]
struct DrainWire<'a> {
    command_id: Option<&'a str>,
    cause: &'static str,
    release: &'static str,
    max_rate: Option<PerSecond>,
    max_age_seconds: Option<u64>,
    as_of: Instant,
    through_entry: Option<u64>,
}

#[derive(Serialize)]
struct CountsWire {
    queued: PerKindWire,
    released: PerKindWire,
    replaced: PerKindWire,
    removed: PerKindWire,
    turned_away: PerKindWire,
    lost: PerKindWire,
}

#[derive(Serialize)]
pub(super) struct PerKindWire {
    enroll: u64,
    advance: u64,
}

#[derive(Serialize)]
struct QueueWire<'a> {
    n: u32,
    topic: Option<&'a str>,
    next_entry: u64,
    enrolls: u64,
    advances: u64,
    watermark: WatermarkWire,
    discard_through: Option<LineWire<'a>>,
    purge_through: Option<PurgeWire<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<TakenWire>,
}

#[derive(Serialize)]
struct WatermarkWire {
    entry: u64,
    enrolls: u64,
    advances: u64,
    offset: i64,
}

#[derive(Serialize)]
struct LineWire<'a> {
    entry: u64,
    reason: &'static str,
    command_id: Option<&'a str>,
}

#[derive(Serialize)]
struct PurgeWire<'a> {
    entry: u64,
    command_id: &'a str,
    removed: PerKindWire,
}

#[derive(Serialize)]
struct SampleWire<'a> {
    command_id: &'a str,
    #[serde(flatten)]
    wanted: WantedWire<'a>,
    released: PerKindWire,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WantedWire<'a> {
    Count { left: u64 },
    Records { record_ids: Vec<&'a str>, through_entry: u64 },
}

#[derive(Serialize)]
struct TakenWire {
    #[serde(flatten)]
    count: PerKindWire,
    entries: Vec<(u64, &'static str)>,
}

/// A command that was answered, as flows and partitions remember it.
#[derive(Serialize)]
pub(super) struct AnsweredWire<'a> {
    id: &'a str,
    offset: i64,
    outcome: &'static str,
    detail: &'a str,
}

impl<'a> Wire<'a> {
    fn of(flow: &'a Flow) -> Self {
        Self {
            version: VERSION,
            flow_id: flow.id.as_str(),
            state: flow.state_word(),
            pause: flow.pause().map(PauseWire::of),
            drain: flow.drain().map(DrainWire::of),
            sample: flow.sample.as_ref().map(SampleWire::of),
            counts: CountsWire::of(&flow.counts),
            at_pause: CountsWire::of(&flow.at_pause),
            withdrawn: flow.withdrawn,
            queue: QueueWire::of(&flow.queue),
            commands: flow.commands.iter().map(AnsweredWire::of).collect(),
            updated_at: Instant(flow.updated_at),
        }
    }
}

impl<'a> PauseWire<'a> {
    pub(super) fn of(pause: &'a Pause) -> Self {
        Self {
            id: &pause.id,
            by_all: pause.by_all,
            paused_at: Instant(pause.paused_at),
            resumes_at: Instant(pause.resumes_at),
            new_records: pause.new_records.word(),
            keep: pause.keep.word(),
            on_expiry: pause.on_expiry.word(),
            expiry_rate: pause.expiry_rate.map(PerSecond),
            by: &pause.by,
            reason: pause.reason.as_deref(),
            warned_seconds: pause.warned.map(|warning| warning.ahead().as_secs()),
        }
    }
}

impl<'a> DrainWire<'a> {
    fn of(drain: &'a Drain) -> Self {
        Self {
            command_id: drain.command.as_ref().map(CommandId::as_str),
            cause: drain.cause.word(),
            release: drain.release.word(),
            max_rate: drain.max_rate.map(PerSecond),
            max_age_seconds: drain.max_age.map(|age| age.as_secs()),
            as_of: Instant(drain.as_of),
            through_entry: drain.through_entry,
        }
    }
}

impl PerKindWire {
    pub(super) fn of(count: PerKind) -> Self {
        Self { enroll: count.enroll, advance: count.advance }
    }
}

impl<'a> SampleWire<'a> {
    fn of(sample: &'a Sample) -> Self {
        let Sample { command, wanted, released } = sample;
        let wanted = match wanted {
            Wanted::Count { left } => WantedWire::Count { left: *left },
            Wanted::Records { ids, through_entry } => WantedWire::Records {
                record_ids: ids.iter().map(RecordId::as_str).collect(),
                through_entry: *through_entry,
            },
        };
        Self { command_id: command.as_str(), wanted, released: PerKindWire::of(*released) }
    }
}

impl TakenWire {
    fn of(taken: &Taken) -> Self {
        let entries = taken.entries().map(|(number, kind)| (number, kind.word())).collect();
        Self { count: PerKindWire::of(taken.count()), entries }
    }
}

impl CountsWire {
    fn of(counts: &Counts) -> Self {
        let of = PerKindWire::of;
        Self {
            queued: of(counts.queued),
            released: of(counts.released),
            replaced: of(counts.replaced),
            removed: of(counts.removed),
            turned_away: of(counts.turned_away),
            lost: of(counts.lost),
        }
    }
}

impl<'a> QueueWire<'a> {
    fn of(queue: &'a Queue) -> Self {
        let Watermark { entry, enrolls, advances, offset } = queue.watermark;
        Self {
            n: queue.number,
            topic: queue.topic.as_deref(),
            next_entry: queue.next_entry,
            enrolls: queue.enrolls,
            advances: queue.advances,
            watermark: WatermarkWire { entry, enrolls, advances, offset },
            discard_through: queue.discard_through.as_ref().map(|line| LineWire {
                entry: line.entry,
                reason: line.reason.word(),
                command_id: line.command.as_ref().map(CommandId::as_str),
            }),
            purge_through: queue.purge_through.as_ref().map(|purge| PurgeWire {
                entry: purge.entry,
                command_id: purge.command.as_str(),
                removed: PerKindWire::of(purge.removed),
            }),
            taken: (!queue.taken.is_empty()).then(|| TakenWire::of(&queue.taken)),
        }
    }
}

impl<'a> AnsweredWire<'a> {
    pub(super) fn of(answered: &'a Answered) -> Self {
        let Answered { id, offset, outcome } = answered;
        Self { id: id.as_str(), offset: *offset, outcome: outcome.verdict.word(), detail: &outcome.detail }
    }
}
