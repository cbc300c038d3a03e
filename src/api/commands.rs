//! Commands: `POST /api/v1/flows/{id}/commands`, `POST /api/v1/commands`, `GET /api/v1/commands/{id}`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Caller;
use super::answer::{Answer, Answers, location};
use super::forms::{CommandForm, CommandsForm};
use super::orders::Issue;
use super::problem::Document;
use super::query::{FLOW, FlowInPath, Parameters, wrong};
use super::view::not_yet;
use super::{Problem, Shared, fresh, json};
use crate::broker::murmur2::partition_for;
use crate::client::control::{Sent, together};
use crate::flow::{CommandId, Expect, FlowId, Outcome, Partition, Target, Verdict};
use crate::instance::{Board, Flows};
use crate::schema::body;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(for_one)).routes(routes!(for_many)).routes(routes!(answer))
}

/// Commands in one request.
const MOST: usize = 500;

/// Orders something of one flow.
///
/// With the same `Idempotency-Key` it is applied once, however often it is sent, and answered the same.
#[utoipa::path(
    post,
    path = "/api/v1/flows/{id}/commands", operation_id = "orderOfFlow",
    tag = "commands",
    params(
        ("id" = String, Path, description = "The flow id, percent-encoded; or `*`, and the id in `flow`."),
        ("flow" = Option<String>, Query, description = "The flow id where the path says `*`: clients send no path with the ids `.` and `..`."),
        ("wait" = Option<String>, Query, description = "How long to wait for the answer, such as `5s` (the default); at most 15 s."),
        ("Idempotency-Key" = Option<String>, Header, description = "The command id, 1 to 256 signs; one is made if there is none."),
    ),
    request_body = CommandForm,
    responses(
        (status = 200, description = "`applied` or `unchanged`.", body = Answer),
        (status = 202, description = "Stored, and not answered in time: `Location` is where to ask for it.", body = Answer,
            headers(("Location" = String, description = "Where to ask for the answer."))),
        (status = 409, description = "`rejected`, with the answer; `changed-meanwhile`, with the answer and a fresh preview.", body = Document,
            content_type = "application/problem+json"),
        (status = 428, description = "`preview-required`: send the `expect` of a preview.", body = Document, content_type = "application/problem+json"),
    ),
)]
async fn for_one(
    State(shared): State<Shared>,
    caller: Caller,
    FlowInPath(flow): FlowInPath,
    asked: Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let issue = Issue::of(caller, &headers, &asked, &[FLOW, "wait"])?;
    json::is_it(&headers)?;
    let order = body::read(&body, false).map_err(|fault| json::fault(fault, ""))?;
    let command = issue.command(&shared, Target::Flow(flow), order, "")?;
    let sent = issue.carry_out(&shared, vec![command]).await?;
    let sent = sent.first().ok_or_else(Problem::internal)?;
    let answer = Answer::of(sent);
    match &sent.outcome {
        None => Ok((StatusCode::ACCEPTED, location(&sent.command), Json(answer)).into_response()),
        Some(Outcome { verdict: Verdict::Applied | Verdict::Unchanged, .. }) => Ok(Json(answer).into_response()),
        Some(Outcome { verdict: Verdict::Rejected, detail }) if detail.starts_with(Expect::CHANGED) => {
            let preview = fresh::preview(&shared, &sent.command).await;
            Err(answer.refused("changed-meanwhile").with("preview", preview))
        }
        Some(Outcome { verdict: Verdict::Rejected, .. }) => Err(answer.refused("rejected")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many<'a> {
    #[serde(borrow)]
    commands: Vec<&'a RawValue>,
}

/// Orders something of several flows, or of every flow.
///
/// All of it is refused if anything is wrong with it, before anything is sent. Each command has an answer of its own; whoever sends
/// several looks at each of them.
#[utoipa::path(
    post,
    path = "/api/v1/commands", operation_id = "orderOfSeveral",
    tag = "commands",
    params(
        ("wait" = Option<String>, Query, description = "How long to wait for the answers, such as `5s` (the default); at most 15 s."),
        ("Idempotency-Key" = Option<String>, Header, description = "The command id of all of them, 1 to 256 signs; one is made if there is none."),
    ),
    request_body = CommandsForm,
    responses(
        (status = 200, description = "Each is answered, `rejected` ones among them.", body = Answers),
        (status = 202, description = "Stored, and not all of them answered in time: `Location` is where to ask for the first of those.",
            body = Answers, headers(("Location" = String, description = "Where to ask for the answer."))),
        (status = 428, description = "`preview-required`: send the `expect` of a preview.", body = Document, content_type = "application/problem+json"),
    ),
)]
async fn for_many(
    State(shared): State<Shared>,
    caller: Caller,
    asked: Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let issue = Issue::of(caller, &headers, &asked, &["wait"])?;
    let Many { commands: orders } = json::read(&headers, &body)?;
    if orders.is_empty() || orders.len() > MOST {
        let detail = format!("commands has {}; send 1 to {MOST}", orders.len());
        return Err(json::wrong_field("commands", detail));
    }
    let (mut commands, mut targets) = (Vec::with_capacity(orders.len()), BTreeSet::new());
    for (place, order) in orders.into_iter().enumerate() {
        let within = format!("commands[{place}].");
        let mut order = body::read(order.get().as_bytes(), true).map_err(|fault| json::fault(fault, &within))?;
        let target = order.target.take().ok_or_else(Problem::internal)?;
        if !targets.insert(target.clone()) {
            let detail = format!("{within}flow_id is there before; send one command for a flow, or several requests");
            return Err(json::wrong_field(&format!("{within}flow_id"), detail));
        }
        commands.push(issue.command(&shared, target, order, &within)?);
    }
    let sent = issue.carry_out(&shared, commands).await?;
    let answers = Json(Answers { answers: sent.iter().map(Answer::of).collect() });
    Ok(match sent.iter().find(|sent| sent.outcome.is_none()) {
        None => answers.into_response(),
        Some(Sent { command, .. }) => (StatusCode::ACCEPTED, location(command), answers).into_response(),
    })
}

/// The answer to a command, while the state remembers it.
///
/// A flow remembers the last 64, a partition the last 1,024 for every flow and for flows that are not known.
#[utoipa::path(
    get,
    path = "/api/v1/commands/{id}", operation_id = "showAnswer",
    tag = "commands",
    params(
        ("id" = String, Path, description = "The command id, percent-encoded."),
        ("flow" = String, Query, description = "The flow that it was for; `*` for every flow."),
    ),
    responses(
        (status = 200, description = "Its answer.", body = Answer),
        (status = 404, description = "`unknown-command`: it is not answered, or no longer remembered.", body = Document,
            content_type = "application/problem+json"),
    ),
)]
async fn answer(
    State(board): State<Arc<Board>>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
    asked: Parameters,
) -> Result<Json<Answer>, Problem> {
    asked.only(&["flow"])?;
    let Path(id) = id.map_err(|_| wrong("id", "the id in the path is no UTF-8; percent-encode the bytes of UTF-8"))?;
    let id = CommandId::new(&id).map_err(|why| wrong("id", format!("the command id in the path {why}")))?;
    let flow = asked.get("flow").ok_or_else(|| wrong("flow", "say for which flow the command was, or `flow=*`"))?;
    let target = match flow {
        "*" => Target::Every,
        flow => Target::Flow(FlowId::new(flow).map_err(|why| wrong("flow", format!("the flow id {why}")))?),
    };
    let found = board.flows(|flows| remembered(flows, &target, &id)).map_err(not_yet)?;
    found.map(Json).ok_or_else(|| {
        let detail = format!("no answer to command `{id}` of flow `{flow}` is remembered; it may be on its way");
        Problem::new(StatusCode::NOT_FOUND, "unknown-command", detail)
    })
}

fn remembered(flows: &Flows, target: &Target, id: &CommandId) -> Option<Answer> {
    match target {
        Target::Flow(flow) => {
            let state = flows.known.get(flow).and_then(|kept| kept.flow());
            let of_flow = state.and_then(|state| state.answered(id));
            let of_home = || {
                let count = flows.partitions.values().next()?.enrollments;
                let home = partition_for(flow.as_str().as_bytes(), count);
                flows.partitions.get(&home)?.answered(flow.as_str(), id)
            };
            let found = of_flow.or_else(of_home)?;
            Some(Answer::kept(id.as_str(), flow.as_str(), found.offset, &found.outcome, &BTreeMap::new()))
        }
        Target::Every => {
            let of = |(number, record): (&i32, &Partition)| Some((*number, record.answered("*", id)?.clone()));
            let found: Vec<_> = flows.partitions.iter().filter_map(of).collect();
            let offset = found.first()?.1.offset;
            let by: BTreeMap<i32, Outcome> =
                found.into_iter().map(|(number, answered)| (number, answered.outcome)).collect();
            // Until all have answered it is not answered.
            (by.len() == flows.partitions.len()).then(|| Answer::kept(id.as_str(), "*", offset, &together(&by), &by))
        }
    }
}
