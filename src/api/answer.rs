//! How answers to commands are shown.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::query::ELSEWHERE;
use super::{Problem, url};
use crate::client::answered::Answers as Found;
use crate::client::control::{Sent, silent, together};
use crate::flow::{Command, CommandId, Outcome, Target};

/// A command, and its answer if one has come.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    command_id: String,
    /// `*`: every flow.
    flow_id: String,
    /// `applied`, `unchanged` or `rejected`; null while there is no answer.
    outcome: Option<&'static str>,
    /// For people: what took effect, why nothing changed, or what would be accepted.
    detail: String,
    /// It had been answered before: this is the same answer.
    repeated: bool,
    /// Where it stands in the control topic.
    offset: i64,
    /// Of a command for every flow: the answers so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    partitions: Vec<PartitionAnswer>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct PartitionAnswer {
    partition: i32,
    outcome: &'static str,
    detail: String,
}

/// The answers to several commands, in their order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Answers {
    pub answers: Vec<Answer>,
}

/// Whom a command is for.
pub(super) fn target(target: &Target) -> &str {
    match target {
        Target::Flow(flow) => flow.as_str(),
        Target::Every => "*",
    }
}

impl Answer {
    pub fn of(sent: &Sent) -> Self {
        let (outcome, detail) = match &sent.outcome {
            Some(outcome) => (Some(outcome.verdict.word()), outcome.detail.clone()),
            None if sent.partitions.is_empty() => (
                None,
                "no answer so far; the command stays in the topic, and the next gate that is up applies it".into(),
            ),
            None => (None, format!("silent so far: {}", sent.silent())),
        };
        Self {
            command_id: sent.command.id.to_string(),
            flow_id: target(&sent.command.target).to_owned(),
            outcome,
            detail,
            repeated: sent.repeated,
            offset: sent.offset,
            partitions: by_partition(&sent.partitions),
        }
    }

    /// An answer that was asked for later. Until all have answered that answer such a command it has none.
    pub fn found(command: &CommandId, of: &Target, found: &Found) -> Self {
        let by: BTreeMap<i32, Outcome> =
            found.by.iter().map(|(partition, answered)| (*partition, answered.outcome.clone())).collect();
        let asked = i32::try_from(found.asked).unwrap_or(i32::MAX);
        let (outcome, detail) = match found.are_all() {
            false => (None, format!("silent so far: {}", silent(&by, asked))),
            true => {
                let outcome = together(&by);
                (Some(outcome.verdict.word()), outcome.detail)
            }
        };
        Self {
            command_id: command.to_string(),
            flow_id: target(of).to_owned(),
            outcome,
            detail,
            repeated: false,
            offset: found.by.values().map(|answered| answered.offset).min().unwrap_or_default(),
            partitions: if *of == Target::Every { by_partition(&by) } else { Vec::new() },
        }
    }

    /// A problem with the answer in it.
    pub fn refused(&self, kind: &str) -> Problem {
        let answer = serde_json::to_value(self).unwrap_or_default();
        Problem::new(StatusCode::CONFLICT, kind, self.detail.clone()).with("answer", answer)
    }
}

fn by_partition(answers: &BTreeMap<i32, Outcome>) -> Vec<PartitionAnswer> {
    let each = answers.iter().map(|(partition, Outcome { verdict, detail })| PartitionAnswer {
        partition: *partition,
        outcome: verdict.word(),
        detail: detail.clone(),
    });
    each.collect()
}

/// Where the answer to a command can be asked for.
pub(super) fn location(command: &Command) -> [(header::HeaderName, HeaderValue); 1] {
    let (id, flow) = (url::encode(command.id.as_str()), url::encode(target(&command.target)));
    let path = match id.as_str() {
        // No client sends these as parts of a path.
        "." | ".." => format!("/api/v1/commands/{ELSEWHERE}?id={id}&flow={flow}"),
        id => format!("/api/v1/commands/{id}?flow={flow}"),
    };
    // An encoded text is ASCII.
    [(header::LOCATION, HeaderValue::from_str(&path).unwrap_or(HeaderValue::from_static("/api/v1/flows")))]
}
