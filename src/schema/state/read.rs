//! Reading the state of a flow, without trust: see [`super::read()`].

use std::collections::VecDeque;
use std::time::Duration;

use super::super::Malformed;
use super::super::fields::Fields;
use crate::flow::{
    Answered, CommandId, Counts, Drain, Flow, FlowId, Kind, Line, Outcome, Pause, PauseId, PerKind, Purge, Queue,
    RecordId, Sample, State, Taken, Wanted, Warning, Watermark,
};

pub(super) fn flow(fields: &mut Fields) -> Result<Flow, Malformed> {
    let id = fields.valid("flow_id", FlowId::new)?;
    let word = fields.text("state")?;
    let pause = fields.maybe_object("pause", pause)?;
    let drain = fields.maybe_object("drain", drain)?;
    let sample = fields.maybe_object("sample", sample)?;
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
    if sample.is_some() && !matches!(state, State::Paused(_)) {
        return Err(fields.wrong("sample", format!("is not null, though the state is {word}")));
    }
    Ok(Flow {
        id,
        state,
        counts: fields.object("counts", counts)?,
        at_pause: fields.object("at_pause", counts)?,
        withdrawn: fields.u64("withdrawn")?,
        queue: fields.object("queue", queue)?,
        sample,
        commands: fields.list::<_, VecDeque<_>>("commands", answered)?,
        updated_at: fields.time("updated_at")?,
    })
}

pub(in super::super) fn pause(fields: &mut Fields) -> Result<Pause, Malformed> {
    // A deadline may lie before `paused_at`: another gate, whose clock is behind by up to a minute, may have moved it.
    // Gates before had no such field.
    let is_warned_of = fields.has("warned_seconds");
    let mut pause = Pause {
        id: fields.valid("id", pause_id)?,
        by_all: fields.flag("by_all")?,
        paused_at: fields.time("paused_at")?,
        resumes_at: fields.time("resumes_at")?,
        new_records: fields.word("new_records")?,
        keep: fields.word("keep")?,
        on_expiry: fields.word("on_expiry")?,
        expiry_rate: fields.maybe_rate("expiry_rate")?,
        by: fields.text("by")?,
        reason: fields.maybe_text("reason")?,
        warned: fields.maybe_warning("warned_seconds")?,
    };
    if !is_warned_of {
        // What the pause was too short for from the beginning is not warned of.
        pause.warned = Warning::reached(pause.resumes_at, pause.paused_at);
    }
    Ok(pause)
}

/// A pause id is a field among others in the header of each entry that its pause holds.
fn pause_id(text: &str) -> Result<PauseId, &'static str> {
    match text.is_empty() || text.contains(' ') {
        true => Err("is empty or has a space in it, which no pause id has"),
        false => Ok(text.to_owned()),
    }
}

fn drain(fields: &mut Fields) -> Result<Drain, Malformed> {
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

fn sample(fields: &mut Fields) -> Result<Sample, Malformed> {
    Ok(Sample {
        command: fields.valid("command_id", CommandId::new)?,
        wanted: match fields.has("record_ids") {
            false => Wanted::Count { left: fields.u64("left")? },
            true => Wanted::Records {
                ids: fields.values("record_ids", "record ids", |id| RecordId::new(id.as_str()?).ok())?,
                through_entry: fields.u64("through_entry")?,
            },
        },
        released: fields.per_kind("released")?,
    })
}

fn taken(fields: &mut Fields) -> Result<Taken, Malformed> {
    let count = PerKind { enroll: fields.u64("enroll")?, advance: fields.u64("advance")? };
    let entries = fields.values("entries", "pairs of a number and a kind", |entry| {
        let kind = match entry.get(1)?.as_str()? {
            "enroll" => Kind::Enroll,
            "advance" => Kind::Advance,
            _ => return None,
        };
        Some((entry.get(0)?.as_u64()?, kind))
    })?;
    let mut taken = Taken::default();
    entries.iter().for_each(|(number, kind)| taken.add(*number, *kind));
    match () {
        () if !taken.entries().eq(entries) => Err(fields.wrong("entries", "are not in order, each once")),
        () if taken.count() != count => Err(fields.wrong("entries", "are not as many as enroll and advance say")),
        () => Ok(taken),
    }
}

fn purge(fields: &mut Fields) -> Result<Purge, Malformed> {
    Ok(Purge {
        entry: fields.u64("entry")?,
        command: fields.valid("command_id", CommandId::new)?,
        removed: fields.per_kind("removed")?,
    })
}

fn counts(fields: &mut Fields) -> Result<Counts, Malformed> {
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

fn queue(fields: &mut Fields) -> Result<Queue, Malformed> {
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
        purge_through: fields.maybe_object("purge_through", purge)?,
        taken: fields.maybe_object("taken", taken)?.unwrap_or_default(),
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
        () if queue.purge_through.as_ref().is_some_and(|purge| purge.entry > last) => {
            Err(fields.wrong("purge_through.entry", "is beyond the newest entry"))
        }
        () if queue.taken.entries().any(|(number, _)| number <= mark.entry || number > last) => {
            Err(fields.wrong("taken.entries", "has one that is passed, or beyond the newest"))
        }
        () if mark.enrolls > queue.enrolls => Err(fields.wrong("watermark.enrolls", "is more than enrolls")),
        () if mark.advances > queue.advances => Err(fields.wrong("watermark.advances", "is more than advances")),
        () => Ok(queue),
    }
}

pub(in super::super) fn answered(fields: &mut Fields) -> Result<Answered, Malformed> {
    Ok(Answered {
        id: fields.valid("id", CommandId::new)?,
        offset: fields.offset("offset")?,
        outcome: Outcome { verdict: fields.word("outcome")?, detail: fields.text("detail")? },
    })
}
