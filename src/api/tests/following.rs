//! Events as they come in.

use std::time::Duration;

use axum::Router;
use axum::body::BodyDataStream;
use futures_util::StreamExt as _;
use serde_json::json;

use super::*;
use crate::api::Lasts;
use crate::cli::tests::flows::{live, paused};
use crate::client::states::{Change, Known};
use crate::config::{Hash, Role, Token};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

#[derive(Debug, Default)]
struct Event {
    id: String,
    kind: String,
    data: String,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// Somebody who reads events.
struct Following {
    runtime: tokio::runtime::Runtime,
    stream: BodyDataStream,
    read: String,
}

impl Following {
    fn new(board: &Arc<Board>, last: Option<&str>) -> Self {
        Self::with(board, last, Limits::default())
    }

    fn with(board: &Arc<Board>, last: Option<&str>, limits: Limits) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let setup = setup();
        let router = crate::api::guarded(crate::api::paths(board, &setup, limits), board, setup.hosts, limits);
        let header = last.map(|last| ("last-event-id", last));
        Self::asking(runtime, router, header)
    }

    fn asking(runtime: tokio::runtime::Runtime, router: Router, header: Option<(&str, &str)>) -> Self {
        let request = Request::builder().uri("/api/v1/events").header("host", "localhost");
        let request = header.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = runtime.block_on(router.oneshot(request.body(Body::empty()).unwrap())).unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().unwrap())
        );
        Self { runtime, stream: answer.into_body().into_data_stream(), read: String::new() }
    }

    /// What stands before the next empty line.
    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let block = block.to_owned();
                self.read = rest.to_owned();
                return block;
            }
            let next = async { tokio::time::timeout(Duration::from_secs(30), self.stream.next()).await };
            let piece = self.runtime.block_on(next).expect("nothing comes").unwrap().unwrap();
            self.read.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    fn next(&mut self) -> Event {
        let mut event = Event::default();
        for line in self.block().lines() {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("id", id) => id.clone_into(&mut event.id),
                ("event", kind) => kind.clone_into(&mut event.kind),
                ("data", data) => data.clone_into(&mut event.data),
                other => panic!("{other:?}"),
            }
        }
        event
    }

    /// Waits for an event, and in the meantime, when nothing is there to be read, this is done.
    fn next_after(&mut self, done: impl Future<Output = ()>) -> Event {
        assert_eq!(self.read, "");
        let Self { runtime, stream, .. } = self;
        let next = async { tokio::time::timeout(Duration::from_secs(30), stream.next()).await };
        let (piece, ()) = runtime.block_on(async {
            futures_util::future::join(next, async {
                tokio::task::yield_now().await;
                done.await;
            })
            .await
        });
        self.read.push_str(std::str::from_utf8(&piece.expect("nothing comes").unwrap().unwrap()).unwrap());
        self.next()
    }

    /// Whether nothing comes any more.
    fn has_ended(&mut self) -> bool {
        let next = async { tokio::time::timeout(Duration::from_secs(30), self.stream.next()).await };
        self.read.is_empty() && self.runtime.block_on(next).expect("nothing comes").is_none()
    }

    fn until(&mut self, kind: &str, holds: impl Fn(&Value) -> bool) -> Event {
        loop {
            let event = self.next();
            if event.kind == kind && holds(&event.json()) {
                return event;
            }
        }
    }
}

fn learn(board: &Board, flows: Vec<Known>) {
    let changes = flows.into_iter().map(|known| Change::Flow(Box::new(known))).collect();
    board.learn(changes, Reached { as_of: NOW, ..READ });
}

/// All of it was read before anybody follows.
fn read_board() -> Arc<Board> {
    let board = new_board();
    learn(&board, vec![live("a"), live("b")]);
    board
}

#[test]
fn what_a_gate_does_is_followed() {
    let place = Place::new();
    let gate = place.gate();
    let mut following = Following::new(&gate.board, None);
    assert_eq!(following.next().kind, "", "only an id, to go on from");
    let pause = json!({"action": "pause"});
    post(&gate.board, &setup(), "/api/v1/flows/a%0Ab/commands", &pause, &[("idempotency-key", "c")]);
    let answer = following.until("audit", |event| event["event"] == "answer");
    assert_eq!((&answer.json()["outcome"], &answer.json()["flow_id"]), (&"applied".into(), &"a\nb".into()));
    let mut following = Following::new(&gate.board, Some(&answer.id));
    place.event("a\nb", "r1");
    let flow = following.until("flow", |flow| flow["held"]["total"] == 1).json();
    let mut shown = get(&gate.board, "/api/v1/flows/a%0Ab").json();
    shown["as_of"] = flow["as_of"].clone();
    assert_eq!(flow, shown);
    gate.stop().unwrap();
}

#[test]
fn who_was_away_goes_on_behind_the_last_event() {
    let board = read_board();
    let mut following = Following::new(&board, None);
    let begun = following.next().id;
    learn(&board, vec![paused("a", 1, NOW, NOW)]);
    board.learn(vec![Change::Gone("b".to_owned())], READ);
    let first = following.next();
    assert_eq!((first.kind.as_str(), &first.json()["held"]["total"]), ("flow", &1.into()));
    drop(following);
    learn(&board, vec![live("c")]);
    let all = |last: &str, count| {
        let mut again = Following::new(&board, Some(last));
        (0..count)
            .map(|_| again.next())
            .map(|event| format!("{} {}", event.kind, event.json()["flow_id"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(all(&first.id, 2), ["flow-gone \"b\"", "flow \"c\""]);
    assert_eq!(all(&begun, 3), ["flow \"a\"", "flow-gone \"b\"", "flow \"c\""]);
}

#[test]
fn who_cannot_go_on_is_told_so() {
    let board = read_board();
    for last in ["", "7", "nonsense-3", &format!("{}-999", board.feed.run)] {
        let mut following = Following::new(&board, Some(last));
        assert_eq!(following.next().kind, "resync", "{last}");
        learn(&board, vec![live("x")]);
        assert_eq!(following.next().json()["flow_id"], "x");
    }
}

/// Goal: who does not keep up misses news, and learns that; and takes no memory for what it has not read.
#[test]
fn who_reads_too_slowly_is_told_so() {
    let board = read_board();
    let mut following = Following::new(&board, None);
    following.next();
    learn(&board, (0..20_000).map(|number| live(&number.to_string())).collect());
    let resync = following.next();
    assert_eq!(resync.kind, "resync");
    learn(&board, vec![live("next")]);
    assert_eq!(following.next().json()["flow_id"], "next");
}

#[test]
fn a_flow_that_changes_often_is_shown_as_it_is_now() {
    let board = read_board();
    let mut following = Following::new(&board, None);
    following.next();
    for held in 1..=3 {
        learn(&board, vec![paused("a", held, NOW, NOW)]);
    }
    learn(&board, vec![live("b")]);
    assert_eq!(following.next().json()["held"]["total"], 3);
    assert_eq!(following.next().json()["flow_id"], "b");
}

/// Goal: a follower that reads the states from their beginning again tells nobody old news as new.
#[test]
fn states_that_are_read_again_are_no_news() {
    let board = read_board();
    let mut following = Following::new(&board, None);
    following.next();
    board.begin_again();
    board.learn(vec![Change::Flow(Box::new(live("a")))], Reached { complete: false, ..READ });
    learn(&board, vec![live("b")]);
    assert_eq!(following.next().kind, "resync");
    learn(&board, vec![live("c")]);
    assert_eq!(following.next().json()["flow_id"], "c");
}

#[test]
fn a_comment_comes_when_nothing_else_does() {
    let limits = Limits { silence: Duration::from_millis(20), ..Limits::default() };
    let mut following = Following::with(&read_board(), None, limits);
    following.next();
    assert!((0..3).all(|_| following.block().starts_with(':')));
}

/// An instance that has one token, and a cookie for it.
fn logged_in(board: &Arc<Board>, lasts: Lasts) -> (Router, String) {
    let token = Token { name: "v".to_owned(), role: Role::Viewer, hash: Hash::of("secret") };
    let (setup, limits) = (Setup { tokens: vec![token], ..setup() }, Limits { lasts, ..Limits::default() });
    let router = crate::api::guarded(crate::api::paths(board, &setup, limits), board, setup.hosts, limits);
    let cookie = log_in(&router);
    (router, cookie)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn log_in(router: &Router) -> String {
    let request = Request::builder().method("POST").uri("/api/v1/session").header("host", "localhost");
    let request = request.header("content-type", "application/json").body(Body::from(r#"{"token":"secret"}"#)).unwrap();
    let answer = runtime().block_on(router.clone().oneshot(request)).unwrap();
    answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn follow(router: &Router, cookie: &str) -> Following {
    Following::asking(runtime(), router.clone(), Some(("cookie", cookie)))
}

async fn log_out(router: Router, cookie: String) {
    let request = Request::builder().method("DELETE").uri("/api/v1/session").header("host", "localhost");
    let request = request.header("cookie", cookie).header("sec-fetch-site", "same-origin").body(Body::empty());
    assert_eq!(router.oneshot(request.unwrap()).await.unwrap().status(), StatusCode::NO_CONTENT);
}

/// Goal: who has logged out is told nothing more, and at once; whoever else follows goes on.
#[test]
fn events_end_when_their_session_is_logged_out() {
    let board = read_board();
    let (router, cookie) = logged_in(&board, Limits::default().lasts);
    let (mut mine, mut again) = (follow(&router, &cookie), follow(&router, &cookie));
    let mut other = follow(&router, &log_in(&router));
    for following in [&mut mine, &mut again, &mut other] {
        following.next();
    }
    learn(&board, vec![live("x")]);
    assert_eq!(mine.next().json()["flow_id"], "x");
    let last = mine.next_after(log_out(router.clone(), cookie.clone()));
    assert_eq!((last.kind.as_str(), last.json()), ("session-ended", json!({"reason": "logged-out"})));
    assert!(mine.has_ended());
    // This one had something to read.
    assert_eq!(again.next().kind, "session-ended");
    assert!(again.has_ended());
    assert_eq!(other.next().json()["flow_id"], "x");
    let refused = Request::builder().uri("/api/v1/events").header("host", "localhost").header("cookie", cookie);
    let refused = runtime().block_on(router.oneshot(refused.body(Body::empty()).unwrap())).unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn events_end_when_their_session_does() {
    let board = read_board();
    let short = Duration::from_secs(3);
    let (router, cookie) = logged_in(&board, Lasts { cookie: short * 2, login: short });
    let began = std::time::Instant::now();
    let mut following = follow(&router, &cookie);
    following.next();
    let last = following.next();
    assert_eq!((last.kind.as_str(), last.json()), ("session-ended", json!({"reason": "expired"})));
    assert!(following.has_ended() && began.elapsed() > short / 2, "{:?}", began.elapsed());
}

/// Goal: who follows for longer than a cookie lasts comes back for a new one in time.
#[test]
fn events_end_before_a_cookie_does_that_can_be_renewed() {
    let board = read_board();
    let (router, cookie) =
        logged_in(&board, Lasts { cookie: Duration::from_secs(8), login: Duration::from_secs(3600) });
    let mut following = follow(&router, &cookie);
    following.next();
    assert_eq!(following.block(), ": come back for a new cookie");
    assert!(following.has_ended());
}
