//! `GET /api/v1/audit` and `/api/v1/flows/{id}/audit`: what has happened.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Caller;
use super::looking::{Look, Looked, read};
use super::query::{FLOW, FlowInPath, Parameters};
use super::{Problem, Shared};
use crate::client::audited::Audited;
use crate::client::trail::Wanted;
use crate::config::Role;
use crate::flow::FlowId;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(of_flow))
}

/// Some events of the audit, and where to go on.
#[derive(Debug, Serialize, ToSchema)]
struct Audit {
    /// As they stand in the audit topic (`schemas/audit-event.json` and `redriven.json`), with `id`, partition and offset there. `edit` of
    /// a redriven letter, which holds values, is empty for the role `viewer`.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    #[serde(flatten)]
    looked: Looked,
}

const PARAMETERS: [&str; 7] = ["by", "event", "command", "since", "from", "limit", "after"];

/// What has happened to all flows: transitions, answers to commands, letters that were redriven.
#[utoipa::path(
    get,
    path = "/api/v1/audit", operation_id = "showAudit",
    tag = "audit",
    params(
        ("flow" = Option<String>, Query, description = "Only those of this flow."),
        ("by" = Option<String>, Query, description = "Only answers to commands of this person, and letters that they redrove."),
        ("event" = Option<String>, Query, description = "Only these: the word of a transition, `answer` or `redriven`."),
        ("command" = Option<String>, Query, description = "Only the answer to this command, and the end of what it ordered."),
        ("since" = Option<String>, Query, description = "Only what was stored since: `2h` ago, or a time."),
        ("from" = Option<String>, Query, description = "`newest` (the default) or `oldest` first."),
        ("limit" = Option<usize>, Query, description = "Events on a page, 1 to 1000; 50 by default."),
        ("after" = Option<String>, Query, description = "`next` of the page before, with the other parameters unchanged."),
    ),
    responses((status = 200, description = "A page.", body = Audit)),
)]
async fn all(State(shared): State<Shared>, caller: Caller, asked: Parameters) -> Result<Json<Audit>, Problem> {
    asked.only(&[&[FLOW], &PARAMETERS[..]].concat())?;
    let flow = asked.read(FLOW, FlowId::new)?;
    page(&shared, &caller, &asked, flow).await
}

/// What has happened to a flow.
#[utoipa::path(
    get,
    path = "/api/v1/flows/{id}/audit", operation_id = "showAuditOfFlow",
    tag = "audit",
    params(
        ("id" = String, Path, description = "The flow id, percent-encoded; or `*`, and the id in `flow`."),
        ("flow" = Option<String>, Query, description = "The flow id where the path says `*`: clients send no path with the ids `.` and `..`."),
        ("by" = Option<String>, Query, description = "As for all flows, and so are the others."),
        ("event" = Option<String>, Query),
        ("command" = Option<String>, Query),
        ("since" = Option<String>, Query),
        ("from" = Option<String>, Query),
        ("limit" = Option<usize>, Query),
        ("after" = Option<String>, Query),
    ),
    responses((status = 200, description = "A page.", body = Audit)),
)]
async fn of_flow(
    State(shared): State<Shared>,
    caller: Caller,
    FlowInPath(id): FlowInPath,
    asked: Parameters,
) -> Result<Json<Audit>, Problem> {
    asked.only(&[&[FLOW], &PARAMETERS[..]].concat())?;
    page(&shared, &caller, &asked, Some(id)).await
}

async fn page(
    shared: &Shared,
    caller: &Caller,
    asked: &Parameters,
    flow: Option<FlowId>,
) -> Result<Json<Audit>, Problem> {
    let look = Look::of(shared, &format!("audit of {}", flow.as_ref().map_or("*", FlowId::as_str)), asked, true)?;
    let text = |name| asked.get(name).map(str::to_owned);
    let event = asked.one_of("event", &Audited::WORDS)?;
    let wanted = Wanted { flow, by: text("by"), event, command: text("command") };
    let window = look.window.clone();
    let page = read(shared, caller, move |reads| reads.trail(&wanted, &window)).await?;
    let whole = caller.role >= Role::Operator;
    let events = page.found.iter().map(|told| told.json(whole)).collect();
    Ok(Json(Audit { events, looked: look.looked(page.progress, page.next) }))
}
