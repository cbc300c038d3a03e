//! The bodies that are taken, for the OpenAPI document. They are read by `schema::body`, so that what is wrong is told as the gate
//! tells it; a test holds both together.
#![expect(dead_code, reason = "these types are only described")]

use utoipa::ToSchema;

/// An order about one flow: an action, its options, why, and what its sender has seen.
#[derive(ToSchema)]
#[schema(as = Command)]
pub(super) struct CommandForm {
    /// `pause`, `resume`, `release`, `purge`, `accept_loss` or `forget`.
    action: String,
    #[schema(inline)]
    #[schema(value_type = Option<String>)]
    /// Why, for people: at most 1024 bytes.
    reason: Option<String>,
    /// Where the flow has to stand, as a preview gave it; of an order for every flow the token of the preview.
    expect: Option<ExpectForm>,
    /// Of the document; 1.
    version: Option<u32>,
    /// `pause`: what becomes of records that enroll meanwhile: `queue` or `discard`.
    new_records: Option<String>,
    /// `pause`: when it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
    /// `pause`: after how long it ends by itself.
    for_seconds: Option<u32>,
    /// `pause`: which events of one record are delivered at the resume: `latest` or `all`.
    keep: Option<String>,
    /// `pause`: what the deadline does with what is held: `resume` or `discard`.
    on_expiry: Option<String>,
    /// `pause`: records a second at which the deadline's drain goes.
    expiry_rate: Option<f64>,
    /// `resume`: deliver what is held, or discard it: `all` or `none`.
    release: Option<String>,
    /// `resume`: records a second.
    max_rate: Option<f64>,
    /// `resume`: what was held for longer is discarded.
    max_age_seconds: Option<u32>,
    /// `release`: how many events, from the oldest on, 1 to 10000.
    count: Option<u32>,
    /// `release`: the records whose held events are let through, 1 to 100.
    record_ids: Option<Vec<String>>,
    /// `purge`: the number of the last entry that is discarded.
    through_entry: Option<u64>,
    /// `accept_loss`: so many held events may be lost.
    at_most: Option<u32>,
}

/// Of one flow an object, of every flow a token.
#[derive(ToSchema)]
#[schema(as = Expect)]
#[serde(untagged)]
enum ExpectForm {
    Flow {
        /// The pause in force; null: the flow is live, or not known.
        pause_id: Option<String>,
        /// The number that its next held event gets.
        next_entry: Option<u64>,
    },
    Token(String),
}

/// Orders about several flows, one each.
#[derive(ToSchema)]
#[schema(as = Commands)]
pub(super) struct CommandsForm {
    /// 1 to 500 of them.
    commands: Vec<CommandOfFlowForm>,
}

/// An order, and for which flow it is.
#[derive(ToSchema)]
#[schema(as = CommandOfFlow)]
struct CommandOfFlowForm {
    /// `*`: every flow, also one that is first seen later.
    flow_id: String,
    #[serde(flatten)]
    command: CommandForm,
}

/// What is to be shown: an action with its options, and for which flows. One of `flows`, `select` and `all`.
#[derive(ToSchema)]
#[schema(as = PreviewOf)]
pub(super) struct PreviewForm {
    action: String,
    /// By their ids, 1 to 1000.
    flows: Option<Vec<String>>,
    /// By how they are, such as `state=paused,match=promo*,held>0`.
    select: Option<String>,
    /// Every flow.
    all: Option<bool>,
    /// The options of the action, as a command has them.
    #[schema(value_type = Option<Object>)]
    options: Option<String>,
}
