//! Tokens and the secret, replaced while it is served.

use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use tokio::runtime::Runtime;

use super::*;
use crate::api::{Keys, Server};
use crate::config::{Hash, Role, Secret, Token};

struct Scene {
    runtime: Runtime,
    router: Router,
    keys: Keys,
}

fn token(name: &str, role: Role) -> Token {
    Token { name: name.to_owned(), role, hash: Hash::of(name) }
}

fn bearer(name: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {name}"))
}

impl Scene {
    /// With the tokens `v` and `w`.
    fn new(secret: Option<&str>) -> Self {
        let tokens = vec![token("v", Role::Viewer), token("w", Role::Viewer)];
        let setup = Setup { tokens, secret: secret.map(|text| Secret(text.to_owned())), ..setup() };
        let board = new_board();
        board.learn(Vec::new(), READ);
        let server = Server::new(&board, setup, Limits::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { runtime, keys: server.keys(), router: server.router }
    }

    fn send(&self, method: &str, path: &str, header: &(&str, String), body: &'static str) -> axum::response::Response {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-type", "application/json").header(header.0, &header.1);
        self.runtime.block_on(self.router.clone().oneshot(request.body(Body::from(body)).unwrap())).unwrap()
    }

    fn log_in(&self) -> (&'static str, String) {
        let answer = self.send("POST", "/api/v1/session", &("x-none", String::new()), r#"{"token":"v"}"#);
        ("cookie", answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned())
    }

    fn status(&self, header: &(&str, String)) -> u16 {
        self.send("GET", "/api/v1/whoami", header, "").status().as_u16()
    }

    fn follow(&self, header: &(&str, String)) -> Body {
        self.send("GET", "/api/v1/events", header, "").into_body()
    }

    /// Everything until the end, if there is one.
    fn rest(&self, body: Body) -> Option<String> {
        let rest = async { tokio::time::timeout(Duration::from_secs(30), axum::body::to_bytes(body, 1 << 20)).await };
        let rest = self.runtime.block_on(rest).ok()?.unwrap();
        Some(String::from_utf8(rest.to_vec()).unwrap())
    }

    fn was_revoked(&self, body: Body) -> bool {
        self.rest(body).unwrap().ends_with("event: session-ended\ndata: {\"reason\":\"revoked\"}\n\n")
    }

    fn goes_on(&self, body: Body) -> bool {
        self.runtime.block_on(async { axum::body::to_bytes(body, 1 << 20).now_or_never().is_none() })
    }
}

/// Goal: a token that is taken away lets nobody in any more, neither itself nor by its sessions, and what they follow ends at once.
#[test]
fn a_token_that_is_taken_away_ends_everything_of_it() {
    let scene = Scene::new(None);
    let cookie = scene.log_in();
    let (itself, session, other) = (scene.follow(&bearer("v")), scene.follow(&cookie), scene.follow(&bearer("w")));
    scene.keys.replace_tokens(vec![token("w", Role::Viewer)]);
    assert!(scene.was_revoked(itself) && scene.was_revoked(session) && scene.goes_on(other));
    assert_eq!([bearer("v"), cookie.clone(), bearer("w")].map(|header| scene.status(&header)), [401, 401, 200]);
    // The same name with another token is somebody else.
    scene.keys.replace_tokens(vec![Token { hash: Hash::of("x"), ..token("v", Role::Viewer) }]);
    assert_eq!([bearer("v"), bearer("x"), cookie].map(|header| scene.status(&header)), [401, 200, 401]);
    scene.keys.replace_tokens(Vec::new());
    assert_eq!(scene.status(&bearer("x")), 401, "nobody is let in, though this is loopback");
}

#[test]
fn who_gets_another_role_has_to_follow_again() {
    let scene = Scene::new(None);
    let (cookie, follows) = (scene.log_in(), scene.follow(&bearer("v")));
    scene.keys.replace_tokens(vec![token("v", Role::Admin), token("w", Role::Viewer)]);
    assert!(scene.was_revoked(follows));
    assert_eq!((scene.status(&bearer("v")), scene.status(&cookie)), (200, 200));
}

#[test]
fn another_secret_ends_sessions_and_nothing_of_tokens() {
    for secret in [None, Some("0123456789abcdef")] {
        let scene = Scene::new(secret);
        let cookie = scene.log_in();
        let (session, itself) = (scene.follow(&cookie), scene.follow(&bearer("v")));
        scene.keys.replace_secret(&Secret("another secret of all".to_owned()));
        assert!(scene.was_revoked(session) && scene.goes_on(itself));
        assert_eq!((scene.status(&cookie), scene.status(&bearer("v")), scene.status(&scene.log_in())), (401, 200, 200));
    }
}
