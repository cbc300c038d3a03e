//! `GET /api/v1/flows` and `/flows/{id}`: flows, as their states say.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Filter, Order, Page};
use super::problem::Document;
use super::query::{FLOW, FlowInPath, Parameters, wrong};
use super::room::WALKS;
use super::view::{FlowView, NDJSON, not_yet};
use super::{Problem, Shared, stream};
use crate::flow::FlowId;
use crate::instance::Board;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// Flows on a page.
const LIMIT: usize = 100;
const MOST: usize = 1000;

const PARAMETERS: [&str; 5] = ["state", "match", "sort", "limit", "after"];

/// Flows of the prefix.
///
/// Page by page, or all of them in one answer: `Accept: application/x-ndjson` gives a flow a line, by id, as fast as they are read.
#[utoipa::path(
    get,
    path = "/api/v1/flows", operation_id = "listFlows",
    tag = "flows",
    params(
        ("state" = Option<String>, Query, description = "Only `live`, `paused` or `resuming` ones."),
        ("match" = Option<String>, Query, description = "Only those whose id contains this text."),
        ("sort" = Option<String>, Query, description = "`id` (the default), `held` (most first) or `resumes_at` (soonest first)."),
        ("limit" = Option<usize>, Query, description = "Flows on a page, 1 to 1000; 100 by default."),
        ("after" = Option<String>, Query, description = "`next` of the page before, with the other parameters unchanged."),
    ),
    responses((status = 200, description = "A page, or a flow a line.", content(
        (Page = "application/json"),
        (FlowView = "application/x-ndjson"),
    ))),
)]
async fn list(State(shared): State<Shared>, headers: HeaderMap, asked: Parameters) -> Result<Response, Problem> {
    asked.only(&PARAMETERS)?;
    let states = ["live", "paused", "resuming"].map(|word| (word, word));
    let filter = Filter { state: asked.word("state", &states)?, text: asked.get("match").map(str::to_owned) };
    let order = asked.word("sort", &Order::WORDS)?.unwrap_or_default();
    if wants_lines(&headers) {
        if let Some(name) = ["sort", "limit", "after"].into_iter().find(|name| asked.get(name).is_some()) {
            let detail = format!("`{name}` is for pages; all flows in one answer come by id, so leave it out");
            return Err(wrong(name, detail));
        }
        return stream::all(Arc::clone(&shared.board), filter);
    }
    let limit = asked.number("limit", 1..=MOST)?.unwrap_or(LIMIT);
    let after = asked.get("after").map(|cursor| filter.open(order, &shared.seal, cursor)).transpose()?;
    let page = WALKS.work(move || filter.page(order, limit, after.as_ref(), &shared.board, &shared.seal)).await?;
    Ok(Json(page.map_err(not_yet)?).into_response())
}

/// Whether a flow a line is what is asked for.
fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(',')).map(|kind| kind.split(';').next().unwrap_or_default());
    kinds.any(|kind| kind.trim().eq_ignore_ascii_case(NDJSON))
}

/// One flow.
#[utoipa::path(
    get,
    path = "/api/v1/flows/{id}", operation_id = "showFlow",
    tag = "flows",
    params(
        ("id" = String, Path, description = "The flow id, percent-encoded; or `*`, and the id in `flow`."),
        ("flow" = Option<String>, Query, description = "The flow id where the path says `*`: clients send no path with the ids `.` and `..`."),
    ),
    responses(
        (status = 200, description = "The flow.", body = FlowView),
        (status = 404, description = "`unknown-flow`.", body = Document, content_type = "application/problem+json"),
    ),
)]
async fn one(
    State(board): State<Arc<Board>>,
    FlowInPath(id): FlowInPath,
    asked: Parameters,
) -> Result<Json<FlowView>, Problem> {
    asked.only(&[FLOW])?;
    find(&board, &id)?.map(Json).ok_or_else(|| unknown(&id))
}

/// # Errors
/// 503 until all flows were read.
pub(super) fn find(board: &Board, id: &FlowId) -> Result<Option<FlowView>, Problem> {
    let found = board.flows(|flows| flows.known.get(id).map(|kept| FlowView::of(id, kept, flows.as_of(), board)));
    found.map_err(not_yet)
}

pub(super) fn unknown(id: &FlowId) -> Problem {
    let detail = format!("no flow `{id}` is known; a flow is known from its first event or pause on");
    Problem::new(StatusCode::NOT_FOUND, "unknown-flow", detail)
}
