//! Audit events: one a transition, and the answer to every command.

use serde::Serialize;

use super::fields::{self, Fields};
use super::instant::Instant;
use super::json::{VERSION, json};
use super::state::PerKindWire;
use super::{Malformed, command};
use crate::flow::{AuditEvent, Cause, CommandId, Done, FlowId, Happening, Loss, Outcome, Position, Transition};

/// Writes an audit event.
#[must_use]
pub fn write(event: &AuditEvent) -> Vec<u8> {
    let Position { input, control, entry, watermark } = event.position;
    json(&Wire {
        version: VERSION,
        flow_id: event.flow.as_ref().map(FlowId::as_str),
        partition: event.partition,
        at: Instant(event.at),
        position: PositionWire { input, control, entry, watermark },
        happening: match &event.happening {
            Happening::Transition { transition, pause, command } => HappeningWire::Transition {
                transition: transition.word(),
                pause_id: pause.as_deref(),
                command_offset: *command,
                command_id: transition.done().map(|done| done.command.as_str()),
                count: transition.done().map(|done| PerKindWire::of(done.count)),
                first_entry: match transition {
                    Transition::LossAccepted(loss) => Some(loss.first_entry),
                    _ => None,
                },
                within_seconds: match transition {
                    Transition::Expiring(warning) => Some(warning.ahead().as_secs()),
                    _ => None,
                },
            },
            Happening::Answer { command, offset, outcome, repeated } => HappeningWire::Answer {
                command: Box::new(command::Wire::of(command)),
                command_offset: *offset,
                outcome: outcome.verdict.word(),
                detail: &outcome.detail,
                repeated: *repeated,
            },
        },
    })
}

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    #[serde(flatten)]
    happening: HappeningWire<'a>,
    flow_id: Option<&'a str>,
    partition: i32,
    at: Instant,
    position: PositionWire,
}

#[derive(Serialize)]
struct PositionWire {
    input: i64,
    control: i64,
    entry: u64,
    watermark: u64,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum HappeningWire<'a> {
    Transition {
        transition: &'static str,
        pause_id: Option<&'a str>,
        command_offset: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        command_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<PerKindWire>,
        #[serde(skip_serializing_if = "Option::is_none")]
        first_entry: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        within_seconds: Option<u64>,
    },
    Answer {
        command: Box<command::Wire<'a>>,
        command_offset: i64,
        outcome: &'static str,
        detail: &'a str,
        repeated: bool,
    },
}

/// Reads an audit event, to show it.
///
/// # Errors
/// [`Malformed`], naming the field.
pub fn read(value: &[u8]) -> Result<AuditEvent, Malformed> {
    fields::document(value, VERSION, read_event).map(|(event, _)| event)
}

fn transition(fields: &mut Fields) -> Result<Transition, Malformed> {
    Ok(match fields.text("transition")?.as_str() {
        "seen" => Transition::Seen,
        "paused" => Transition::Paused,
        "updated" => Transition::Updated,
        "resumed" => Transition::Resumed(Cause::Resume),
        "expired" => Transition::Resumed(Cause::Timer),
        "redirected" => Transition::Redirected,
        "repaused" => Transition::Repaused,
        "live" => Transition::WentLive,
        "purging" => Transition::Purging,
        "purged" => Transition::Purged(done(fields)?),
        "sampling" => Transition::Sampling,
        "sampled" => Transition::Sampled(done(fields)?),
        "loss_accepted" => {
            Transition::LossAccepted(Loss { done: done(fields)?, first_entry: fields.u64("first_entry")? })
        }
        "expiring" => Transition::Expiring(fields.warning("within_seconds")?),
        "forgotten" => Transition::Forgotten,
        _ => return Err(fields.wrong("transition", "is unknown")),
    })
}

fn done(fields: &mut Fields) -> Result<Done, Malformed> {
    Ok(Done { command: fields.valid("command_id", CommandId::new)?, count: fields.per_kind("count")? })
}

fn read_event(fields: &mut Fields) -> Result<AuditEvent, Malformed> {
    let happening = match fields.text("event")?.as_str() {
        "transition" => Happening::Transition {
            transition: transition(fields)?,
            pause: fields.maybe_text("pause_id")?,
            command: fields.maybe_offset("command_offset")?,
        },
        "answer" => Happening::Answer {
            command: command::read(Some(&fields.json("command")?))
                .map_err(|why| fields.wrong("command", format!("is no command: {why}")))?,
            offset: fields.offset("command_offset")?,
            outcome: Outcome { verdict: fields.word("outcome")?, detail: fields.text("detail")? },
            repeated: fields.flag("repeated")?,
        },
        _ => return Err(fields.wrong("event", "is not transition or answer")),
    };
    Ok(AuditEvent {
        flow: fields.maybe_valid("flow_id", FlowId::new)?,
        partition: fields.i32("partition")?,
        at: fields.time("at")?,
        position: fields.object("position", |fields| {
            Ok(Position {
                input: fields.offset("input")?,
                control: fields.offset("control")?,
                entry: fields.u64("entry")?,
                watermark: fields.u64("watermark")?,
            })
        })?,
        happening,
    })
}
