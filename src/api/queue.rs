//! `GET /api/v1/flows/{id}/queue` and `/depth`: what a flow holds.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Caller;
use super::flows::unknown;
use super::looking::{Look, Looked, read, values};
use super::problem::Document;
use super::query::{FLOW, FlowInPath, Parameters};
use super::view::not_yet;
use super::{Problem, Shared};
use crate::client::field::FieldIs;
use crate::client::held::{Missing, Page, Wanted};
use crate::client::scan::Window;
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
    /// Somebody has deleted held events, and the flow goes on only without them (`accept_loss`). `topic`: the whole queue topic, so
    /// nothing that is held can be read. `records`: those with which the flow is to go on; `events` has what stands behind them.
    /// Null: nothing is known to be missing.
    missing: Option<&'static str>,
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
        ("id" = String, Path, description = "The flow id, percent-encoded; or `*`, and the id in `flow`."),
        ("flow" = Option<String>, Query, description = "The flow id where the path says `*`: clients send no path with the ids `.` and `..`."),
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
    asked.only(&[FLOW, "record", "where", "from", "limit", "values", "after"])?;
    let whole = values(&caller, &asked)?;
    let record = asked.read("record", RecordId::new)?;
    let fields: Vec<FieldIs> = asked.read("where", str::parse)?.into_iter().collect();
    if !fields.is_empty() {
        caller.needs(Role::Operator, "looking for what stands in the values of events")?;
    }
    let look = Look::of(&shared, &format!("queue of {id}"), &asked, false)?;
    let wanted = Wanted { record, fields, after: None };
    let (flow, page) = certain(&shared, &caller, &id, &wanted, &look.window).await?;
    let (held, missing) = (flow.counts.held().total(), page.missing.map(Missing::word));
    let events = page.entries.iter().map(|entry| HeldEvent::of(entry, whole)).collect();
    Ok(Json(Queue { events, held, missing, looked: look.looked(page.progress, page.next) }))
}

/// How long to wait for the states as of a look: they are asked about every second.
const STATES: Duration = Duration::from_secs(2);

/// What a flow holds, and the flow as of then. What seems to be missing may have been passed, and deleted by the gate itself, since the
/// flow's state was read: nothing is told as missing before the state as of the look says that the flow still needs it.
async fn certain(
    shared: &Shared,
    caller: &Caller,
    id: &FlowId,
    wanted: &Wanted,
    window: &Window,
) -> Result<(Flow, Page), Problem> {
    let (mut flow, mut again) = (find(shared, id)?, true);
    loop {
        let (of, wanted, window) = (flow.clone(), wanted.clone(), window.clone());
        let mut page = read(shared, caller, move |reads| reads.held(&of, &wanted, &window)).await?;
        if page.missing.is_none() {
            return Ok((flow, page));
        }
        let is_known = timeout(STATES, shared.board.knows_of(shared.board.clock.now())).await.is_ok();
        let later = find(shared, id)?;
        let is_same = later.queue == flow.queue;
        if is_same || !again {
            page.missing = page.missing.filter(|_| is_same && is_known);
            return Ok((later, page));
        }
        (flow, again) = (later, false);
    }
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
        ("id" = String, Path, description = "The flow id, percent-encoded; or `*`, and the id in `flow`."),
        ("flow" = Option<String>, Query, description = "The flow id where the path says `*`: clients send no path with the ids `.` and `..`."),
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
    asked.only(&[FLOW, "points"])?;
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
