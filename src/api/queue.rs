//! `GET /api/v1/flows/{id}/queue` and `/depth`: what a flow holds.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Caller;
use super::flows::unknown;
use super::looking::{Look, Looked, read, values};
use super::problem::Document;
use super::query::{FlowInPath, Parameters};
use super::view::not_yet;
use super::{Problem, Shared};
use crate::client::field::FieldIs;
use crate::client::held::Wanted;
use crate::client::shown::{Depth, HeldEvent};
use crate::config::Role;
use crate::flow::{Flow, FlowId, RecordId};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(queue)).routes(routes!(depth))
}

/// Some held events of a flow, and where to go on.
#[derive(Debug, Serialize, ToSchema)]
struct Queue {
    events: Vec<HeldEvent>,
    /// Events held now, whether they are asked for or not.
    held: u64,
    #[serde(flatten)]
    looked: Looked,
}

/// Events that a flow holds.
///
/// Each says what becomes of it if the flow is resumed as it stands. What arrives meanwhile may be in it or not.
#[utoipa::path(
    get,
    path = "/api/v1/flows/{id}/queue", operation_id = "showQueue",
    tag = "flows",
    params(
        ("id" = String, Path, description = "The flow id, percent-encoded."),
        ("record" = Option<String>, Query, description = "Only those of this record."),
        ("where" = Option<String>, Query, description = "Only those in whose value this field has this text: a JSON pointer, `=`, the text, such as `/country=DE`. Takes the role `operator`."),
        ("from" = Option<String>, Query, description = "`oldest` (the default) or `newest` first."),
        ("limit" = Option<usize>, Query, description = "Events on a page, 1 to 1000; 50 by default. A page has some 8 MiB of values at most."),
        ("values" = Option<bool>, Query, description = "`true`: with key, value and headers. Takes the role `operator`."),
        ("after" = Option<String>, Query, description = "`next` of the page before, with the other parameters unchanged."),
    ),
    responses(
        (status = 200, description = "A page.", body = Queue),
        (status = 404, description = "`unknown-flow`.", body = Document, content_type = "application/problem+json"),
    ),
)]
async fn queue(
    State(shared): State<Shared>,
    caller: Caller,
    FlowInPath(id): FlowInPath,
    asked: Parameters,
) -> Result<Json<Queue>, Problem> {
    asked.only(&["record", "where", "from", "limit", "values", "after"])?;
    let whole = values(&caller, &asked)?;
    let record = asked.read("record", RecordId::new)?;
    let fields: Vec<FieldIs> = asked.read("where", str::parse)?.into_iter().collect();
    if !fields.is_empty() {
        caller.needs(Role::Operator, "looking for what stands in the values of events")?;
    }
    let look = Look::of(&shared, &format!("queue of {id}"), &asked, false)?;
    let flow = find(&shared, &id)?;
    let held = flow.counts.held().total();
    let wanted = Wanted { record, fields, after: None };
    let window = look.window.clone();
    let page = read(&shared, &caller, move |reads| reads.held(&flow, &wanted, &window)).await?;
    let events = page.entries.iter().map(|entry| HeldEvent::of(entry, whole)).collect();
    Ok(Json(Queue { events, held, looked: look.looked(page.progress, page.next) }))
}

/// How a queue has grown.
#[derive(Debug, Serialize, ToSchema)]
struct Depths {
    /// From the oldest held event to the newest.
    points: Vec<Depth>,
}

/// How deep the queue of a flow was, from its oldest held event on.
#[utoipa::path(
    get,
    path = "/api/v1/flows/{id}/depth", operation_id = "showDepth",
    tag = "flows",
    params(
        ("id" = String, Path, description = "The flow id, percent-encoded."),
        ("points" = Option<u32>, Query, description = "So many points at most, 2 to 256; 64 by default."),
    ),
    responses(
        (status = 200, description = "The points.", body = Depths),
        (status = 404, description = "`unknown-flow`.", body = Document, content_type = "application/problem+json"),
    ),
)]
async fn depth(
    State(shared): State<Shared>,
    caller: Caller,
    FlowInPath(id): FlowInPath,
    asked: Parameters,
) -> Result<Json<Depths>, Problem> {
    asked.only(&["points"])?;
    let points = asked.number("points", 2..=256)?.unwrap_or(64);
    let flow = find(&shared, &id)?;
    let found = read(&shared, &caller, move |reads| reads.depth(&flow, points)).await?;
    Ok(Json(Depths { points: found.iter().map(Depth::from).collect() }))
}

/// The flow as it is committed.
pub(super) fn find(shared: &Shared, id: &FlowId) -> Result<Flow, Problem> {
    let found = shared.board.flows(|flows| flows.known.get(id).map(|kept| kept.known(id).flow.clone()));
    found.map_err(not_yet)?.ok_or_else(|| unknown(id))
}
