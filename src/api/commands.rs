//! Commands: `POST /api/v1/flows/{id}/commands`, `POST /api/v1/commands`, `GET /api/v1/commands/{id}`.

use std::collections::{BTreeMap, BTreeSet};

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
use super::answer::{self, Answer, location};
use super::forms::{CommandForm, CommandsForm};
use super::looking::{BOUND, read};
use super::orders::Issue;
use super::problem::Document;
use super::query::{ELSEWHERE, FLOW, FlowInPath, Parameters, wrong};
use super::view::not_yet;
use super::{Problem, Shared, fresh, json, url};
use crate::broker::murmur2::partition_for;
use crate::client::answered::Answers;
use crate::client::control::Sent;
use crate::client::redriven::Gap;
use crate::client::scan::Progress;
use crate::flow::{Answered, CommandId, Expect, FlowId, Outcome, Partition, Target, Verdict};
use crate::instance::Flows;
use crate::schema::body;
use crate::time::Timestamp;

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
        ("traceparent" = Option<String>, Header, description = "Where in a trace the request comes from (W3C Trace Context)."),
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
        ("traceparent" = Option<String>, Header, description = "Where in a trace the request comes from (W3C Trace Context)."),
    ),
    request_body = CommandsForm,
    responses(
        (status = 200, description = "Each is answered, `rejected` ones among them.", body = answer::Answers),
        (status = 202, description = "Stored, and not all of them answered in time: `Location` is where to ask for the first of those.",
            body = answer::Answers, headers(("Location" = String, description = "Where to ask for the answer."))),
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
    let answers = Json(answer::Answers { answers: sent.iter().map(Answer::of).collect() });
    Ok(match sent.iter().find(|sent| sent.outcome.is_none()) {
        None => answers.into_response(),
        Some(Sent { command, .. }) => (StatusCode::ACCEPTED, location(command), answers).into_response(),
    })
}

/// The answer to a command.
///
/// The states remember the last 64 of a flow, and of a partition the last 1,024 for every flow and for flows that are not known. What they
/// no longer remember is looked for in the audit, from its end backwards: 200,000 offsets, or 8 seconds. Whoever waits for an answer
/// better says so (`wait`) when the command is given.
#[utoipa::path(
    get,
    path = "/api/v1/commands/{id}", operation_id = "showAnswer",
    tag = "commands",
    params(
        ("id" = String, Path, description = "The command id, percent-encoded; or `*`, and the id in `id`."),
        ("id" = Option<String>, Query, description = "The command id where the path says `*`: clients send no path with the ids `.` and `..`."),
        ("flow" = String, Query, description = "The flow that it was for; `*` for every flow."),
    ),
    responses(
        (status = 200, description = "Its answer.", body = Answer),
        (status = 202, description = "Of a command for every flow: some partitions have answered, and the others not yet.", body = Answer),
        (status = 404, description = "`unknown-command`: there is no answer, in the states or in all of the audit; it may be on its way.",
            body = Document, content_type = "application/problem+json"),
        (status = 503, description = "`answer-not-known`: none was found, and not all of the audit could be looked at. `why` says what is left: \
            `bound` (it is longer than an answer looks; `audit` is the path that looks further), `deleted` (its beginning is gone) or \
            `open-transaction` (something hides its end; wait for `Retry-After` seconds). `back_to`: everything that was stored later was \
            looked at; `scanned` of `total` offsets were; `answer` has what some partitions said. Also `still-reading`, `not-ready`, \
            `overloaded`, `unreadable` and `not-in-time`.", body = Document, content_type = "application/problem+json"),
    ),
)]
async fn answer(
    State(shared): State<Shared>,
    caller: Caller,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
    asked: Parameters,
) -> Result<Response, Problem> {
    asked.only(&["id", FLOW])?;
    let Path(id) = id.map_err(|_| wrong("id", "the id in the path is no UTF-8; percent-encode the bytes of UTF-8"))?;
    let id = match (id.as_str(), asked.get("id")) {
        (ELSEWHERE, Some(id)) => id,
        (_, Some(_)) => {
            let detail = "the path names a command already: leave `id` out, or write `*` in its place in the path";
            return Err(wrong("id", detail));
        }
        // It is a command id too.
        (id, None) => id,
    };
    let id = CommandId::new(id).map_err(|why| wrong("id", format!("the command id {why}")))?;
    let flow = asked.get(FLOW).ok_or_else(|| wrong(FLOW, "say for which flow the command was, or `flow=*`"))?;
    let target = match flow {
        "*" => Target::Every,
        flow => Target::Flow(FlowId::new(flow).map_err(|why| wrong(FLOW, format!("the flow id {why}")))?),
    };
    let remembered = shared.board.flows(|flows| remembered(flows, &target, &id)).map_err(not_yet)?;
    if remembered.are_all() {
        return Ok(Json(Answer::found(&id, &target, &remembered)).into_response());
    }
    let (of, command) = (target.clone(), id.clone());
    let mut found = read(&shared, &caller, move |reads| reads.answers(&of, &command, BOUND)).await?;
    // What the states remember is the newest. An id that was used again names the newest command.
    found.by.extend(remembered.by);
    let newest = found.by.values().map(|answered| answered.offset).max();
    found.by.retain(|_, answered| Some(answered.offset) == newest);
    found.gap = found.gap.take().filter(|_| !found.are_all());
    let answer = Answer::found(&id, &target, &found);
    match &found.gap {
        None if found.are_all() => Ok(Json(answer).into_response()),
        None if found.by.is_empty() => {
            let detail = format!("no answer to command `{id}` of flow `{flow}` is known; it may be on its way");
            Err(Problem::new(StatusCode::NOT_FOUND, "unknown-command", detail))
        }
        None => Ok((StatusCode::ACCEPTED, Json(answer)).into_response()),
        Some(gap) => {
            let problem = not_known(&id, &target, gap, found.back_to);
            let answer = serde_json::to_value(answer).unwrap_or_default();
            Err(if found.by.is_empty() { problem } else { problem.with("answer", answer) })
        }
    }
}

/// Not everything was looked at, and what was has no answer, or not all answers.
fn not_known(id: &CommandId, target: &Target, gap: &Gap, back_to: Option<Timestamp>) -> Problem {
    let flow = answer::target(target);
    let on_its_way = "or it is on its way";
    let what = if *target == Target::Every { "not every partition's answer" } else { "no answer" };
    let none = format!("{what} to command `{id}` of flow `{flow}` is remembered, or stands in the audit");
    let since = back_to.map_or_else(String::new, |time| format!(" since {time}"));
    let (command, of_flow) = (url::encode(id.as_str()), url::encode(flow));
    let audit = match target {
        Target::Flow(_) => format!("/api/v1/audit?flow={of_flow}&event=answer&command={command}"),
        Target::Every => format!("/api/v1/audit?event=answer&command={command}"),
    };
    let (why, detail) = match gap {
        Gap::Bound(_) => {
            ("bound", format!("{none}{since}; it may be older, {on_its_way}: GET {audit} looks further, page by page"))
        }
        Gap::Deleted(None) => {
            ("deleted", format!("{none}, of which everything was deleted; it may have been there, {on_its_way}"))
        }
        Gap::Deleted(Some(time)) => {
            ("deleted", format!("{none}, of which everything before {time} was deleted; it may be older, {on_its_way}"))
        }
        Gap::OpenTransaction | Gap::Unreadable(_) => {
            ("open-transaction", format!("{none}, as far as a transaction that stays open lets it be seen; try again"))
        }
    };
    let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "answer-not-known", detail)
        .with("why", why.into())
        .with("back_to", back_to.map(|time| time.to_string()).into())
        .with("audit", audit.into());
    if let Gap::Bound(Progress { scanned, total, .. }) = gap {
        problem = problem.with("scanned", (*scanned).into()).with("total", (*total).into());
    }
    // What is hidden is seen once that transaction has ended. How far an answer looks, and what is left of the audit, stays as it is.
    if why == "open-transaction" { problem.retry_after(1) } else { problem }
}

/// What the states remember.
fn remembered(flows: &Flows, target: &Target, id: &CommandId) -> Answers {
    let count = flows.partitions.values().next().map_or(1, |record| record.enrollments);
    let (by, asked): (BTreeMap<i32, Answered>, i32) = match target {
        Target::Flow(flow) => {
            let home = partition_for(flow.as_str().as_bytes(), count);
            let state = flows.known.get(flow).and_then(|kept| kept.flow());
            let of_home = || flows.partitions.get(&home)?.answered(flow.as_str(), id);
            let found = state.and_then(|state| state.answered(id)).or_else(of_home);
            (found.map(|found| (home, found.clone())).into_iter().collect(), 1)
        }
        Target::Every => {
            let of = |(number, record): (&i32, &Partition)| Some((*number, record.answered("*", id)?.clone()));
            (flows.partitions.iter().filter_map(of).collect(), count)
        }
    };
    Answers { by, asked: usize::try_from(asked).unwrap_or(1), back_to: None, gap: None }
}
