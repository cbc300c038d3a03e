//! The audit event of a letter that was put back into the enrollments: written with the event itself, by who redrives.

use serde::Serialize;
use serde_json::Value;

use super::fields::{self, Fields};
use super::headers::Source;
use super::instant::Instant;
use super::json::{VERSION, json};
use super::{Malformed, Text};
use crate::flow::FlowId;
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redriven {
    pub flow: FlowId,
    /// The partition of the enrollments that the event went to.
    pub partition: i32,
    /// When, by the clock of who did it.
    pub at: Timestamp,
    /// The letter.
    pub source: Source,
    /// The event.
    pub to: Source,
    /// Who did it, as they say.
    pub by: String,
    pub reason: Option<String>,
    /// Its value was changed.
    pub edit: Option<Edit>,
}

/// How the value of a letter was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// `None`: it had none.
    pub before: Option<Text>,
    pub after: Text,
}

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    event: &'static str,
    flow_id: &'a str,
    partition: i32,
    at: Instant,
    source: String,
    to: String,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<EditWire<'a>>,
}

#[derive(Serialize)]
struct EditWire<'a> {
    before: Option<&'a Text>,
    after: &'a Text,
}

/// What `event` says in such a document.
const EVENT: &str = "redriven";

/// Writes it.
#[must_use]
pub fn write(redriven: &Redriven) -> Vec<u8> {
    let Redriven { flow, partition, at, source, to, by, reason, edit } = redriven;
    json(&Wire {
        version: VERSION,
        event: EVENT,
        flow_id: flow.as_str(),
        partition: *partition,
        at: Instant(*at),
        source: source.to_string(),
        to: to.to_string(),
        by,
        reason: reason.as_deref(),
        edit: edit.as_ref().map(|edit| EditWire { before: edit.before.as_ref(), after: &edit.after }),
    })
}

/// Reads it.
///
/// # Errors
/// [`Malformed`], naming the field: also for an audit event of a gate.
pub fn read(value: &[u8]) -> Result<Redriven, Malformed> {
    fields::document(value, VERSION, read_fields).map(|(redriven, _)| redriven)
}

fn read_fields(fields: &mut Fields) -> Result<Redriven, Malformed> {
    if fields.text("event")? != EVENT {
        return Err(fields.wrong("event", "is not redriven"));
    }
    Ok(Redriven {
        flow: fields.valid("flow_id", FlowId::new)?,
        partition: fields.i32("partition")?,
        at: fields.time("at")?,
        source: source(fields, "source")?,
        to: source(fields, "to")?,
        by: fields.text("by")?,
        reason: fields.maybe_text("reason")?,
        edit: fields.maybe_object("edit", |fields| {
            let before = fields.json("before")?;
            Ok(Edit { before: text(fields, "before", &before)?, after: after(fields)? })
        })?,
    })
}

fn source(fields: &mut Fields, name: &str) -> Result<Source, Malformed> {
    let text = fields.text(name)?;
    Source::parse(&text).ok_or_else(|| fields.wrong(name, "is not topic/partition/offset"))
}

fn after(fields: &mut Fields) -> Result<Text, Malformed> {
    let json = fields.json("after")?;
    text(fields, "after", &json)?.ok_or_else(|| fields.wrong("after", "is null"))
}

/// `None`: null.
fn text(fields: &Fields, name: &str, json: &[u8]) -> Result<Option<Text>, Malformed> {
    let wrong = || fields.wrong(name, "is not text with its encoding");
    let value: Value = serde_json::from_slice(json).map_err(|_| wrong())?;
    let text: Option<Text> = serde_json::from_value(value).map_err(|_| wrong())?;
    match text.as_ref().is_none_or(|text| text.bytes().is_some()) {
        true => Ok(text),
        false => Err(wrong()),
    }
}
