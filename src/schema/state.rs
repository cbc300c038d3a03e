//! The state of a flow: what the next owner goes on from, and what everybody may read.
//!
//! Every field is always written, `null` where there is nothing, so that readers need not tell absent from null.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::fields::{self, Fields};
use super::instant::Instant;
use super::words::Word;
use super::{Document, Malformed, Unknown, VERSION};
use crate::flow::{
    Answered, CommandId, Counts, Drain, Flow, FlowId, Line, Outcome, Pause, PerKind, Queue, State, Watermark,
};

/// Reads the state of a flow.
///
/// # Errors
/// [`Malformed`], naming the field: also where fields contradict each other, for a gate that goes on from such a state
/// would lose events or deliver them twice.
pub fn read(value: &[u8]) -> Result<Document<Flow>, Malformed> {
    let (body, rest) = fields::document(value, read_flow)?;
    let mut unknown = Unknown::new(rest);
    unknown.pause = body.pause().map(|pause| pause.id.clone());
    Ok(Document { body, unknown })
}

/// Writes the state of a flow, with the unknown fields that it was read with.
///
/// Those of a pause and of its drain are forgotten with the pause; that is why the document changes.
pub fn write(document: &mut Document<Flow>) -> Vec<u8> {
    let Document { body, unknown } = document;
    let pause = body.pause().map(|pause| &pause.id);
    if pause != unknown.pause.as_ref() {
        unknown.forget("pause");
        unknown.forget("drain");
        unknown.pause = pause.cloned();
    }
    unknown.write(&Wire::of(body))
}

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    flow_id: &'a str,
    state: &'static str,
    pause: Option<PauseWire<'a>>,
    drain: Option<DrainWire<'a>>,
    counts: CountsWire,
    at_pause: CountsWire,
    withdrawn: u64,
    queue: QueueWire<'a>,
    commands: Vec<AnsweredWire<'a>>,
    updated_at: Instant,
}

#[derive(Serialize)]
struct PauseWire<'a> {
    id: &'a str,
    by_all: bool,
    paused_at: Instant,
    resumes_at: Instant,
    new_records: &'static str,
    keep: &'static str,
    on_expiry: &'static str,
    expiry_rate: Option<u32>,
    by: &'a str,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct DrainWire<'a> {
    command_id: Option<&'a str>,
    cause: &'static str,
    release: &'static str,
    max_rate: Option<u32>,
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
struct PerKindWire {
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
    fn of(pause: &'a Pause) -> Self {
        Self {
            id: &pause.id,
            by_all: pause.by_all,
            paused_at: Instant(pause.paused_at),
            resumes_at: Instant(pause.resumes_at),
            new_records: pause.new_records.word(),
            keep: pause.keep.word(),
            on_expiry: pause.on_expiry.word(),
            expiry_rate: pause.expiry_rate.map(u32::from),
            by: &pause.by,
            reason: pause.reason.as_deref(),
        }
    }
}

impl<'a> DrainWire<'a> {
    fn of(drain: &'a Drain) -> Self {
        Self {
            command_id: drain.command.as_ref().map(CommandId::as_str),
            cause: drain.cause.word(),
            release: drain.release.word(),
            max_rate: drain.max_rate.map(u32::from),
            max_age_seconds: drain.max_age.map(|age| age.as_secs()),
            as_of: Instant(drain.as_of),
            through_entry: drain.through_entry,
        }
    }
}

impl CountsWire {
    fn of(counts: &Counts) -> Self {
        let of = |count: PerKind| PerKindWire { enroll: count.enroll, advance: count.advance };
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
        }
    }
}

impl<'a> AnsweredWire<'a> {
    pub(super) fn of(answered: &'a Answered) -> Self {
        let Answered { id, offset, outcome } = answered;
        Self { id: id.as_str(), offset: *offset, outcome: outcome.verdict.word(), detail: &outcome.detail }
    }
}

fn read_flow(fields: &mut Fields) -> Result<Flow, Malformed> {
    let id = fields.valid("flow_id", FlowId::new)?;
    let word = fields.text("state")?;
    let pause = fields.maybe_object("pause", read_pause)?;
    let drain = fields.maybe_object("drain", read_drain)?;
    let state = match (word.as_str(), pause, drain) {
        ("live", None, None) => State::Live,
        ("paused", Some(pause), None) => State::Paused(pause),
        ("resuming", Some(pause), Some(drain)) => State::Resuming { pause, drain },
        ("live", Some(_), _) => return Err(fields.wrong("pause", "is not null, though the state is live")),
        ("live" | "paused", _, Some(_)) => {
            return Err(fields.wrong("drain", format!("is not null, though the state is {word}")));
        }
        ("paused" | "resuming", None, _) => {
            return Err(fields.wrong("pause", format!("is null, though the state is {word}")));
        }
        ("resuming", _, None) => return Err(fields.wrong("drain", "is null, though the state is resuming")),
        _ => return Err(fields.wrong("state", "is not live, paused or resuming")),
    };
    Ok(Flow {
        id,
        state,
        counts: fields.object("counts", read_counts)?,
        at_pause: fields.object("at_pause", read_counts)?,
        withdrawn: fields.u64("withdrawn")?,
        queue: fields.object("queue", read_queue)?,
        commands: fields.list::<_, VecDeque<_>>("commands", read_answered)?,
        updated_at: fields.time("updated_at")?,
    })
}

fn read_pause(fields: &mut Fields) -> Result<Pause, Malformed> {
    let pause = Pause {
        id: fields.text("id")?,
        by_all: fields.flag("by_all")?,
        paused_at: fields.time("paused_at")?,
        resumes_at: fields.time("resumes_at")?,
        new_records: fields.word("new_records")?,
        keep: fields.word("keep")?,
        on_expiry: fields.word("on_expiry")?,
        expiry_rate: fields.maybe_rate("expiry_rate")?,
        by: fields.text("by")?,
        reason: fields.maybe_text("reason")?,
    };
    if pause.resumes_at < pause.paused_at {
        return Err(fields.wrong("resumes_at", "is before paused_at"));
    }
    Ok(pause)
}

fn read_drain(fields: &mut Fields) -> Result<Drain, Malformed> {
    let drain = Drain {
        command: fields.maybe_valid("command_id", CommandId::new)?,
        cause: fields.word("cause")?,
        release: fields.word("release")?,
        max_rate: fields.maybe_rate("max_rate")?,
        max_age: fields.maybe_u64("max_age_seconds")?.map(Duration::from_secs),
        as_of: fields.time("as_of")?,
        through_entry: fields.maybe_u64("through_entry")?,
    };
    Ok(drain)
}

fn read_counts(fields: &mut Fields) -> Result<Counts, Malformed> {
    let counts = Counts {
        queued: fields.per_kind("queued")?,
        released: fields.per_kind("released")?,
        replaced: fields.per_kind("replaced")?,
        removed: fields.per_kind("removed")?,
        lost: fields.per_kind("lost")?,
        turned_away: fields.per_kind("turned_away")?,
    };
    for (kind, of) in [("enroll", (|c| c.enroll) as fn(PerKind) -> u64), ("advance", |c| c.advance)] {
        let fates = [counts.released, counts.replaced, counts.removed, counts.lost];
        let fallen = fates.into_iter().try_fold(0_u64, |sum, fate| sum.checked_add(of(fate)));
        if fallen.is_none_or(|fallen| fallen > of(counts.queued)) {
            let less = "is less than released, replaced, removed and lost together";
            return Err(fields.wrong(&format!("queued.{kind}"), less));
        }
    }
    Ok(counts)
}

fn read_queue(fields: &mut Fields) -> Result<Queue, Malformed> {
    let queue = Queue {
        number: fields.u32("n")?,
        topic: fields.maybe_text("topic")?,
        next_entry: fields.u64("next_entry")?,
        enrolls: fields.u64("enrolls")?,
        advances: fields.u64("advances")?,
        watermark: fields.object("watermark", |fields| {
            Ok(Watermark {
                entry: fields.u64("entry")?,
                enrolls: fields.u64("enrolls")?,
                advances: fields.u64("advances")?,
                offset: fields.offset("offset")?,
            })
        })?,
        discard_through: fields.maybe_object("discard_through", |fields| {
            Ok(Line {
                entry: fields.u64("entry")?,
                reason: fields.word("reason")?,
                command: fields.maybe_valid("command_id", CommandId::new)?,
            })
        })?,
    };
    let Some(last) = queue.next_entry.checked_sub(1) else {
        return Err(fields.wrong("next_entry", "is 0; entries count from 1"));
    };
    let within = |entries: u64, enrolls: u64, advances: u64| {
        enrolls.checked_add(advances).is_some_and(|counted| counted <= entries)
    };
    let mark = queue.watermark;
    match () {
        () if queue.number == 0 && queue.topic.is_some() => Err(fields.wrong("n", "is 0, though there is a topic")),
        () if !within(last, queue.enrolls, queue.advances) => {
            Err(fields.wrong("next_entry", "leaves fewer entries than enrolls and advances"))
        }
        () if mark.entry > last => Err(fields.wrong("watermark.entry", "is beyond the newest entry")),
        () if !within(mark.entry, mark.enrolls, mark.advances) => {
            Err(fields.wrong("watermark.entry", "is less than its enrolls and advances"))
        }
        () if mark.enrolls > queue.enrolls => Err(fields.wrong("watermark.enrolls", "is more than enrolls")),
        () if mark.advances > queue.advances => Err(fields.wrong("watermark.advances", "is more than advances")),
        () => Ok(queue),
    }
}

pub(super) fn read_answered(fields: &mut Fields) -> Result<Answered, Malformed> {
    Ok(Answered {
        id: fields.valid("id", CommandId::new)?,
        offset: fields.offset("offset")?,
        outcome: Outcome { verdict: fields.word("outcome")?, detail: fields.text("detail")? },
    })
}
