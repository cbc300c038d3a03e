//! Events of the audit as rows.

use serde_json::Value;

use super::audit_words::{redrove_all, told};
use super::listing::{Row, to_the_second};
use crate::client::audited::Told;
use crate::client::folded::{End, Line, Run};
use crate::flow::{Cause, CommandId, FlowId, Happening, Transition};
use crate::schema::topics::Topics;

const HEADER: [&str; 8] = ["AT", "FLOW", "EVENT", "BY/COMMAND", "DETAIL", "ID", "COMMAND OFFSET", "PAUSE"];

/// Columns of a table that is not wide.
const NARROW: usize = 5;

pub fn header(wide: bool) -> &'static [&'static str] {
    if wide { &HEADER } else { &HEADER[..NARROW] }
}

pub const CSV: [&str; 13] = [
    "id",
    "at",
    "flow_id",
    "event",
    "by",
    "command_id",
    "command_offset",
    "outcome",
    "detail",
    "pause_id",
    "enroll",
    "advance",
    "partition",
];

/// A row of a table.
pub fn cells(line: &Line, topics: &Topics, wide: bool) -> Vec<String> {
    match line {
        Line::Event(told) => AuditRow { told, wide }.cells(),
        Line::Redrive(run) => of_redrive(run, topics, wide),
    }
}

fn of_redrive(run: &Run, topics: &Topics, wide: bool) -> Vec<String> {
    let flow = match run.flows.first_key_value() {
        Some((flow, _)) if run.flows.len() == 1 => flow.to_string(),
        _ => format!("{} flows", run.flows.len()),
    };
    let at = to_the_second(run.first.at).to_string();
    let mut cells = vec![at, flow, "redriven".to_owned(), run.by.clone(), redrove_all(run, topics)];
    if wide {
        let id = |End { partition, offset, .. }| format!("{partition}/{offset}");
        cells.extend([format!("{}..{}", id(run.first), id(run.last)), "-".to_owned(), "-".to_owned()]);
    }
    cells
}

pub struct AuditRow<'a> {
    pub told: &'a Told,
    pub wide: bool,
}

impl AuditRow<'_> {
    /// Whose command it was, as far as that is known.
    fn by(&self) -> Option<&str> {
        self.told.event.by().or_else(|| self.told.ordered.as_ref().map(|ordered| ordered.by.as_str()))
    }

    fn command(&self) -> Option<&str> {
        let ordered = || self.told.ordered.as_ref().map(|ordered| &ordered.command);
        self.told.event.command().or_else(ordered).map(CommandId::as_str)
    }

    fn command_offset(&self) -> Option<i64> {
        match self.told.event.happening()? {
            Happening::Answer { offset, .. } => Some(*offset),
            Happening::Transition { command, .. } => *command,
        }
    }

    fn pause(&self) -> Option<&str> {
        match self.told.event.happening()? {
            Happening::Answer { .. } => None,
            Happening::Transition { pause, .. } => pause.as_deref(),
        }
    }

    /// In a table: who, or else what.
    fn cause(&self) -> String {
        let timer = match self.told.event.happening() {
            Some(Happening::Transition {
                transition: Transition::Resumed(Cause::Timer) | Transition::Expiring(_),
                ..
            }) => Some("timer"),
            _ => None,
        };
        self.by().or(self.command()).or(timer).unwrap_or("-").to_owned()
    }
}

impl Row for AuditRow<'_> {
    fn cells(&self) -> Vec<String> {
        let Told { event, .. } = self.told;
        let mut cells = vec![
            to_the_second(event.at()).to_string(),
            event.flow().map_or("*", FlowId::as_str).to_owned(),
            self.told.event.word().to_owned(),
            self.cause(),
            told(self.told),
        ];
        if self.wide {
            let offset = self.command_offset().map_or_else(|| "-".to_owned(), |offset| offset.to_string());
            cells.extend([self.name(), offset, self.pause().unwrap_or("-").to_owned()]);
        }
        cells
    }

    fn csv(&self) -> Vec<String> {
        let event = &self.told.event;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let (outcome, detail, count) = match event.happening() {
            Some(Happening::Answer { outcome, .. }) => {
                (Some(outcome.verdict.word()), Some(outcome.detail.as_str()), None)
            }
            Some(Happening::Transition { transition, .. }) => (None, None, transition.done().map(|done| done.count)),
            None => (None, None, None),
        };
        vec![
            self.name(),
            event.at().to_string(),
            text(event.flow().map(FlowId::as_str)),
            self.told.event.word().to_owned(),
            text(self.by()),
            text(self.command()),
            self.command_offset().map(|offset| offset.to_string()).unwrap_or_default(),
            text(outcome),
            text(detail),
            text(self.pause()),
            count.map(|count| count.enroll.to_string()).unwrap_or_default(),
            count.map(|count| count.advance.to_string()).unwrap_or_default(),
            event.partition().to_string(),
        ]
    }

    fn document(&self) -> Value {
        self.told.json(true)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.told.partition, self.told.offset)
    }
}
