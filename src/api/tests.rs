mod answering;
mod asking;
mod console;
mod crowding;
mod document;
mod encrypted;
mod following;
mod generated;
mod letting_in;
mod looking;
mod naming;
mod ordering;
mod paging;
mod previewing;
mod revoking;
mod serving;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::{Hosts, Limits, OwnKey, Setup};
use crate::cli::tests::{Place, eventually};
use crate::client::states::Progress;
use crate::flow::FlowId;
use crate::instance::{Board, Reached};
use crate::metrics::Metrics;
use crate::schema::topics::Topics;
use crate::time::Timestamp;
use crate::worker::Snapshot;

struct Answer {
    status: StatusCode,
    kind: String,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Empty where the body is no UTF-8.
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

fn ask(board: &Arc<Board>, method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:8714");
    answer(board, &setup(), request.body(Body::empty()).unwrap())
}

/// JSON, with some headers more.
fn post(board: &Arc<Board>, setup: &Setup, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method("POST").uri(path).header("host", "localhost:8714");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    answer(board, setup, request.header("content-type", "application/json").body(body.to_string().into()).unwrap())
}

fn hosts(address: &str, names: &[&str]) -> Hosts {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Hosts::new(address.parse().unwrap(), &names)
}

const READ: Reached = Reached { complete: true, progress: Progress { read: 0, end: 0 }, as_of: Timestamp(0) };

fn new_board() -> Arc<Board> {
    Arc::new(Board::new(Metrics::new().unwrap(), 1))
}

/// On loopback, without tokens.
fn setup() -> Setup {
    Setup {
        hosts: hosts("127.0.0.1:8714", &[]),
        is_loopback: true,
        tokens: Vec::new(),
        is_read_only: false,
        topics: Topics::new("flow").unwrap(),
        secret: None,
        own_key: OwnKey::random().unwrap(),
        tls: None,
        label: None,
    }
}

fn answer(board: &Arc<Board>, setup: &Setup, request: Request<Body>) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let router =
        super::guarded(super::paths(board, setup, Limits::default()), board, setup.hosts.clone(), Limits::default());
    runtime.block_on(async {
        let response = router.oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let kind = headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        let text = String::from_utf8(body.clone()).unwrap_or_default();
        Answer { status, kind, headers, body, text }
    })
}

fn get(board: &Arc<Board>, path: &str) -> Answer {
    ask(board, "GET", path)
}

#[track_caller]
fn problem(answer: &Answer, status: u16, kind: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.kind, "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["type"], format!("urn:flowgate:problem:{kind}"));
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    problem
}

#[test]
fn before_anything_is_up() {
    let board = Arc::new(Board::new(Metrics::new().unwrap(), 1));
    assert_eq!(get(&board, "/livez").status, StatusCode::OK);
    let missing = problem(&get(&board, "/readyz"), 503, "not-ready");
    assert_eq!(missing["missing"], serde_json::json!(["starting"]));
    board.hinder(None);
    let missing = problem(&get(&board, "/readyz"), 503, "not-ready");
    assert_eq!(missing["missing"], serde_json::json!(["worker 0 has not joined the group"]));
    problem(&get(&board, "/api/v1/flows"), 503, "still-reading");
    problem(&get(&board, "/api/v1/flows/x"), 503, "still-reading");
}

#[test]
fn what_is_asked_wrongly_is_a_problem_document() {
    let board = Arc::new(Board::new(Metrics::new().unwrap(), 1));
    board.learn(Vec::new(), READ);
    problem(&get(&board, "/nothing"), 404, "unknown-path");
    problem(&ask(&board, "POST", "/api/v1/flows"), 405, "method-not-allowed");
    problem(&get(&board, "/api/v1/flows/nobody"), 404, "unknown-flow");
    let found = problem(&get(&board, "/api/v1/flows/%ff"), 400, "bad-parameter");
    assert_eq!(found["parameter"], "id");
    for (query, parameter) in [("state=gone", "state"), ("limit=0", "limit"), ("limit=x", "limit"), ("page=2", "page")]
    {
        let found = problem(&get(&board, &format!("/api/v1/flows?{query}")), 400, "bad-parameter");
        assert_eq!(found["parameter"], parameter);
    }
    assert_eq!(get(&board, "/api/v1/flows").json()["flows"], serde_json::json!([]));
}

/// Goal: while the index of a flow is being rebuilt, what is left of that is shown, and nothing else is.
#[test]
fn the_progress_of_an_index_is_shown() {
    let place = Place::new();
    let gate = place.gate();
    place.event("a", "r1");
    place.event("b", "r1");
    let board = Arc::clone(&gate.board);
    eventually("all", || get(&board, "/api/v1/flows").json()["known"] == 2);
    gate.stop().unwrap();
    board.show(0, Snapshot { indexing: [(FlowId::new("a").unwrap(), 17)].into(), ..Snapshot::default() });
    let flows = get(&board, "/api/v1/flows").json()["flows"].clone();
    assert_eq!((&flows[0]["indexing"], flows[1].get("indexing")), (&serde_json::json!({"remaining_events": 17}), None));
    assert_eq!(get(&board, "/api/v1/flows/a").json()["indexing"]["remaining_events"], 17);
    assert_eq!(get(&board, "/api/v1/flows/b").json().get("indexing"), None);
    let metrics = board.scrape();
    assert!(metrics.contains("\nflowgate_indexing_flows 1\n"), "{metrics}");
    assert!(metrics.contains("\nflowgate_indexing_remaining_events 17\n"), "{metrics}");
}

#[test]
fn flows_are_followed_page_by_page() {
    let place = Place::new();
    let gate = place.gate();
    for flow in ["a", "b/c", "流", "d"] {
        place.event(flow, "r1");
    }
    place.good(&["pause", "b/c"]);
    let board = &gate.board;
    eventually("followed", || get(board, "/api/v1/flows?state=paused").json()["flows"][0]["flow_id"] == "b/c");
    eventually("all", || get(board, "/api/v1/flows").json()["known"] == 4);
    let first = get(board, "/api/v1/flows?limit=3").json();
    let next = first["next"].as_str().unwrap();
    assert_eq!((first["flows"].as_array().unwrap().len(), &first["flows"][2]["flow_id"]), (3, &"d".into()));
    let rest = get(board, &format!("/api/v1/flows?limit=3&after={next}")).json();
    assert_eq!((rest["flows"][0]["flow_id"].as_str(), rest["next"].as_str()), (Some("流"), None));
    assert_eq!(get(board, "/api/v1/flows/b%2Fc").json()["state"], "paused");
    assert_eq!(get(board, "/api/v1/flows/%E6%B5%81").json()["held"]["total"], 0);
    assert_eq!(get(board, "/readyz").text, "ready\n");
    assert!(get(board, "/metrics").kind.starts_with("text/plain; version=0.0.4"));
    eventually("metrics", || get(board, "/metrics").text.contains("\nflowgate_flows{state=\"paused\"} 1\n"));
    gate.stop().unwrap();
}
