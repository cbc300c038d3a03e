//! The partition record: what belongs to a partition rather than to one of its flows.

use std::collections::VecDeque;

use serde::Serialize;

use super::document::Whose;
use super::fields::{self, Fields};
use super::instant::Instant;
use super::json::VERSION;
use super::state::{AnsweredWire, PauseWire, read_answered, read_pause};
use super::{Document, Malformed, Unknown};
use crate::flow::partition::{EveryUnderWay, UnknownAnswered};
use crate::flow::{DefaultPause, FlowId, Partition};

/// Its key in each partition of the state topic; no flow id is empty.
pub const KEY: &[u8] = b"";

/// The version of a record that says where everything goes in the place of the records topic. A gate that knows nothing of that would
/// deliver to the records topic: it is to stop.
const FORWARDING: u32 = 2;

/// Reads a partition record.
///
/// # Errors
/// [`Malformed`], naming the field.
pub fn read(value: &[u8]) -> Result<Document<Partition>, Malformed> {
    let (body, rest) = fields::document(value, FORWARDING, read_partition)?;
    let unknown = Unknown::new(rest, || whose(&body));
    Ok(Document { body, unknown })
}

/// What comes and goes while the partition stays.
fn whose(partition: &Partition) -> Vec<Whose> {
    let default = partition.default.as_ref().map(|default| default.pause.id.clone());
    let every = partition.every.as_ref().map(|every| every.command.to_string());
    vec![Whose { path: &["default_pause"], name: default }, Whose { path: &["every_under_way"], name: every }]
}

/// Writes a partition record, with the unknown fields that it was read with.
///
/// Those of a pause of every flow are forgotten with that pause, and so with a command under way; that is why the document changes.
pub fn write(document: &mut Document<Partition>) -> Vec<u8> {
    let Document { body, unknown } = document;
    unknown.keep_only(|| whose(body));
    unknown.write(&Wire {
        version: if body.forwarded.is_some() { FORWARDING } else { VERSION },
        enrollments_partitions: body.enrollments,
        records_partitions: body.records,
        forwarded_to: body.forwarded.as_deref(),
        control_position: body.control,
        input_position: body.input,
        input_noted_at: Instant(body.input_at),
        clean: body.clean,
        unknown_commands: body
            .unknown
            .iter()
            .map(|UnknownAnswered { flow, answered }| CommandWire {
                flow_id: flow,
                answered: AnsweredWire::of(answered),
            })
            .collect(),
        default_pause: body.default.as_ref().map(|DefaultPause { pause, command }| DefaultWire {
            pause: PauseWire::of(pause),
            command_offset: *command,
        }),
        every_under_way: body.every.as_ref().map(|of| EveryWire {
            command_offset: of.command,
            began_at: Instant(of.began_at),
            through_flow: of.through.as_str(),
            changed: of.changed,
            left_alone: of.left_alone,
            ended_default: of.ended_default,
        }),
    })
}

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    enrollments_partitions: i32,
    records_partitions: i32,
    forwarded_to: Option<&'a str>,
    control_position: i64,
    input_position: i64,
    input_noted_at: Instant,
    clean: bool,
    unknown_commands: Vec<CommandWire<'a>>,
    default_pause: Option<DefaultWire<'a>>,
    every_under_way: Option<EveryWire<'a>>,
}

#[derive(Serialize)]
struct EveryWire<'a> {
    command_offset: i64,
    began_at: Instant,
    through_flow: &'a str,
    changed: u64,
    left_alone: u64,
    ended_default: bool,
}

#[derive(Serialize)]
struct DefaultWire<'a> {
    #[serde(flatten)]
    pause: PauseWire<'a>,
    command_offset: i64,
}

#[derive(Serialize)]
struct CommandWire<'a> {
    flow_id: &'a str,
    #[serde(flatten)]
    answered: AnsweredWire<'a>,
}

fn read_partition(fields: &mut Fields) -> Result<Partition, Malformed> {
    let partition = Partition {
        enrollments: fields.i32("enrollments_partitions")?,
        records: fields.i32("records_partitions")?,
        // Gates before had no such field.
        forwarded: fields.maybe_text("forwarded_to")?,
        control: fields.offset("control_position")?,
        input: fields.offset("input_position")?,
        input_at: fields.time("input_noted_at")?,
        clean: fields.flag("clean")?,
        unknown: fields.list::<_, VecDeque<_>>("unknown_commands", |fields| {
            let flow = fields.valid("flow_id", |text| match text {
                "*" => Ok(text.to_owned()),
                _ => FlowId::new(text).map(|_| text.to_owned()),
            })?;
            Ok(UnknownAnswered { flow, answered: read_answered(fields)? })
        })?,
        // Gates before had no such field.
        default: fields.maybe_object("default_pause", |fields| {
            Ok(DefaultPause { pause: read_pause(fields)?, command: fields.offset("command_offset")? })
        })?,
        // Nor this one.
        every: fields.maybe_object("every_under_way", |fields| {
            Ok(EveryUnderWay {
                command: fields.offset("command_offset")?,
                began_at: fields.time("began_at")?,
                through: fields.valid("through_flow", FlowId::new)?,
                changed: fields.u64("changed")?,
                left_alone: fields.u64("left_alone")?,
                ended_default: fields.flag("ended_default")?,
            })
        })?,
    };
    for (name, count) in [("enrollments_partitions", partition.enrollments), ("records_partitions", partition.records)]
    {
        if count == 0 {
            return Err(fields.wrong(name, "is 0; a topic has at least 1"));
        }
    }
    Ok(partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    /// Goal: a gate that knows nothing of another topic to deliver to stops at a record that has one, and at no other.
    #[test]
    fn a_record_that_forwards_has_a_version_of_its_own() {
        let plain = Partition::new(6, 6, 0, 0, Timestamp(1_750_000_000_000));
        let forwarding = Partition { forwarded: Some("flow2.enrollments".to_owned()), ..plain.clone() };
        for (partition, version) in [(plain, 1), (forwarding, 2)] {
            let written = write(&mut Document { body: partition.clone(), unknown: Unknown::default() });
            let json: serde_json::Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(json["version"], version);
            assert_eq!(read(&written).unwrap().body, partition);
        }
    }
}
