//! Flows, as their states say.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Problem;
use crate::client::states::{Kept, Known};
use crate::flow::FlowId;
use crate::instance::Board;

/// Flows on a page.
const LIMIT: usize = 100;
const MOST: usize = 1000;

type Parameters = Result<Query<HashMap<String, String>>, QueryRejection>;

pub(super) async fn list(State(board): State<Arc<Board>>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let Query(parameters) = parameters.map_err(|error| wrong("query", error.body_text()))?;
    let wanted = Wanted::read(&parameters)?;
    board.flows(|flows| Json(wanted.page(flows, &board))).ok_or_else(not_yet)
}

type Id = Result<Path<String>, PathRejection>;

pub(super) async fn one(State(board): State<Arc<Board>>, id: Id) -> Result<Json<Value>, Problem> {
    let Path(id) = id.map_err(|_| wrong("id", "the id in the path is no UTF-8; percent-encode the bytes of UTF-8"))?;
    let found = |flows: &BTreeMap<FlowId, Kept>| {
        flows.get_key_value(id.as_str()).map(|(id, kept)| shown(&kept.known(id), &board))
    };
    let known = board.flows(found).ok_or_else(not_yet)?;
    known.map(Json).ok_or_else(|| {
        let detail = format!("no flow `{id}` is known; a flow is known from its first event or pause on");
        Problem::new(StatusCode::NOT_FOUND, "unknown-flow", detail)
    })
}

/// A flow as its state says; and while its index is being rebuilt, how much is still to be read for that.
fn shown(known: &Known, board: &Board) -> Value {
    let mut flow = known.json();
    if let (Some(fields), Some(remaining)) = (flow.as_object_mut(), board.indexing(&known.flow.id)) {
        fields.insert("indexing".to_owned(), json!({"remaining_events": remaining}));
    }
    flow
}

fn not_yet() -> Problem {
    let detail = "the states of flows are still being read; try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "still-reading", detail)
}

fn wrong(parameter: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", detail).with("parameter", parameter.into())
}

struct Wanted {
    state: Option<String>,
    text: Option<String>,
    limit: usize,
    after: Option<String>,
}

impl Wanted {
    fn read(parameters: &HashMap<String, String>) -> Result<Self, Problem> {
        const KNOWN: [&str; 4] = ["state", "match", "limit", "after"];
        if let Some(name) = parameters.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(wrong(name, format!("there is no parameter `{name}`; use {}", KNOWN.join(", "))));
        }
        let get = |name: &str| parameters.get(name).cloned();
        let state = get("state");
        if let Some(state) = state.as_deref().filter(|state| !["live", "paused", "resuming"].contains(state)) {
            return Err(wrong("state", format!("`{state}` is no state; use live, paused or resuming")));
        }
        let limit = match get("limit") {
            None => LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MOST).contains(limit))
                .ok_or_else(|| wrong("limit", format!("`{text}` is no number from 1 to {MOST}")))?,
        };
        Ok(Self { state, text: get("match"), limit, after: get("after") })
    }

    /// `next` is what to ask for `after` to get the page behind it; null on the last one.
    fn page(&self, flows: &BTreeMap<FlowId, Kept>, board: &Board) -> Value {
        let from = self.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut fitting = flows.range::<str, _>((from, Bound::Unbounded)).filter(|(id, kept)| {
            self.state.as_ref().is_none_or(|state| state == kept.state_word())
                && self.text.as_ref().is_none_or(|text| id.as_str().contains(text))
        });
        let page: Vec<_> = fitting.by_ref().take(self.limit).collect();
        let more = fitting.next().is_some();
        let next = page.last().filter(|_| more).map(|(id, _)| id.to_string());
        let shown: Vec<Value> = page.into_iter().map(|(id, kept)| shown(&kept.known(id), board)).collect();
        json!({"flows": shown, "next": next, "known": flows.len()})
    }
}
