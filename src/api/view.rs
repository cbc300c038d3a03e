//! How a flow is shown.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Problem;
use crate::client::states::{Kept, Progress};
use crate::flow::FlowId;
use crate::instance::Board;
use crate::schema::Instant;
use crate::time::Timestamp;

/// A value a line.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// A flow: its state as it stands in `flow.state`, fields of a newer gate included, and what is added here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Flow)]
pub(super) struct FlowView {
    #[serde(flatten)]
    #[schema(schema_with = state_schema)]
    state: Value,
    /// How far its index is being rebuilt; only on the instance that does it, and while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    indexing: Option<Indexing>,
    /// What was committed up to then is shown.
    #[schema(value_type = String, format = DateTime)]
    as_of: Instant,
}

#[derive(Debug, Serialize, ToSchema)]
struct Indexing {
    /// Held events that are still to be read, about.
    remaining_events: u64,
}

/// The state as a file has it, with what is held and where its home is.
fn state_schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    use utoipa::openapi::{AllOfBuilder, ObjectBuilder, Ref, RefOr, Type};
    let number = || ObjectBuilder::new().schema_type(Type::Integer).build();
    let held = ObjectBuilder::new()
        .description(Some("Events held now."))
        .property("enroll", number())
        .property("advance", number())
        .property("total", number());
    let held = ["enroll", "advance", "total"].into_iter().fold(held, |held, name| held.required(name));
    let added = ObjectBuilder::new()
        .property("held", held)
        .property("partition", number())
        .required("held")
        .required("partition");
    let both = AllOfBuilder::new().item(Ref::from_schema_name("FlowState")).item(added);
    RefOr::T(both.build().into())
}

impl FlowView {
    pub fn of(id: &FlowId, kept: &Kept, as_of: Timestamp, board: &Board) -> Self {
        let indexing = board.indexing(id).map(|remaining_events| Indexing { remaining_events });
        Self { state: kept.known(id).json(), indexing, as_of: Instant(as_of) }
    }
}

/// The states of flows are still being read.
pub(super) fn not_yet(progress: Progress) -> Problem {
    let detail = "the states of flows are still being read; try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "still-reading", detail)
        .with("read", progress.read.into())
        .with("end", progress.end.into())
        .retry_after(1)
}
