//! Who may do what.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::api::seal::Seal;
use crate::api::session::{Session, Sessions};
use crate::config::{Hash, Role, Secret, Token};

fn token(name: &str, role: Role) -> Token {
    Token { name: name.to_owned(), role, hash: Hash::of(&format!("secret of {name}")) }
}

/// Three tokens, one a role, on an address that is reached from elsewhere.
fn closed() -> Setup {
    let tokens = vec![token("v", Role::Viewer), token("o", Role::Operator), token("a", Role::Admin)];
    Setup { hosts: hosts("0.0.0.0:8714", &[]), is_loopback: false, tokens, ..setup() }
}

fn known_board() -> Arc<Board> {
    let board = new_board();
    board.learn(Vec::new(), READ);
    board
}

fn asked(setup: &Setup, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:8714");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    answer(&known_board(), setup, request.body(Body::empty()).unwrap())
}

fn bearer(name: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer secret of {name}"))
}

fn with<'a>(header: &'a (&'static str, String)) -> [(&'a str, &'a str); 1] {
    [(header.0, header.1.as_str())]
}

#[test]
fn without_a_token_only_probes_are_answered() {
    let nobody = Setup { tokens: Vec::new(), ..closed() };
    for setup in [closed(), nobody, Setup { is_loopback: true, ..closed() }] {
        for path in ["/api/v1/flows", "/api/v1/whoami", "/api/v1/openapi.json", "/api/v1/commands/x?flow=y"] {
            let refused = asked(&setup, "GET", path, &[]);
            problem(&refused, 401, "unauthorized");
            assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"flowgate\"");
        }
        let post = post(&known_board(), &setup, "/api/v1/flows/a/commands", &json!({"action": "pause"}), &[]);
        problem(&post, 401, "unauthorized");
        for path in ["/livez", "/metrics"] {
            assert_eq!(asked(&setup, "GET", path, &[]).status, StatusCode::OK, "{path}");
        }
    }
}

#[test]
fn on_loopback_without_tokens_everybody_is_an_admin() {
    let who = asked(&setup(), "GET", "/api/v1/whoami", &[]).json();
    let [name, role, read_only] = ["name", "role", "read_only"].map(|field| who[field].clone());
    assert_eq!(json!([name, role, read_only]), json!(["http", "admin", false]));
}

#[test]
fn a_token_that_is_not_known_is_refused_whatever_it_is_like() {
    for sent in ["Bearer secret of x", "Bearer ", "Bearer", "secret of v", "Basic secret of v", "Bearer secret of v2"] {
        let refused = asked(&closed(), "GET", "/api/v1/whoami", &[("authorization", sent)]);
        problem(&refused, 401, "unauthorized");
    }
    let who = asked(&closed(), "GET", "/api/v1/whoami", &[("authorization", "bearer secret of o")]).json();
    assert_eq!((&who["name"], &who["role"]), (&"o".into(), &"operator".into()));
}

/// A row an order, and the role that it takes. What a caller may, comes as far as the desk, which is closed here.
#[test]
fn each_order_takes_its_role() {
    let seen = json!({"pause_id": null});
    let every = json!({"commands": [{"flow_id": "*", "action": "pause", "expect": "?"}]});
    let one = "/api/v1/flows/a/commands";
    let token = {
        let show = json!({"action": "pause", "all": true});
        post(&known_board(), &closed(), "/api/v1/previews", &show, &with(&bearer("v"))).json()["expect"].clone()
    };
    let mut every = every;
    every["commands"][0]["expect"] = token;
    for (path, order, needs) in [
        (one, json!({"action": "pause"}), Role::Operator),
        (one, json!({"action": "resume"}), Role::Operator),
        (one, json!({"action": "release", "count": 1}), Role::Operator),
        (one, json!({"action": "purge", "expect": seen}), Role::Admin),
        (one, json!({"action": "accept_loss", "at_most": 1, "expect": seen}), Role::Admin),
        (one, json!({"action": "forget"}), Role::Admin),
        ("/api/v1/commands", every, Role::Admin),
    ] {
        for (name, role) in [("v", Role::Viewer), ("o", Role::Operator), ("a", Role::Admin)] {
            let answer = post(&known_board(), &closed(), path, &order, &with(&bearer(name)));
            if role >= needs {
                problem(&answer, 503, "not-ready");
            } else {
                let refused = problem(&answer, 403, "role-too-low");
                assert_eq!(
                    (&refused["needs"], &refused["role"]),
                    (&needs.word().into(), &role.word().into()),
                    "{order}"
                );
            }
        }
    }
    let read_only = Setup { is_read_only: true, ..closed() };
    let refused = post(&known_board(), &read_only, one, &json!({"action": "pause"}), &with(&bearer("a")));
    problem(&refused, 403, "read-only");
    assert_eq!(asked(&read_only, "GET", "/api/v1/whoami", &with(&bearer("a"))).json()["read_only"], true);
}

#[test]
fn the_name_of_the_token_stands_in_the_state() {
    let place = Place::new();
    let gate = place.gate();
    let paused =
        post(&gate.board, &closed(), "/api/v1/flows/a/commands", &json!({"action": "pause"}), &with(&bearer("o")));
    assert_eq!(paused.status, StatusCode::OK, "{}", paused.text);
    assert!(place.good(&["flow", "a"]).contains(") by o"));
    gate.stop().unwrap();
}

#[test]
fn a_browser_logs_in_and_out() {
    let setup = closed();
    let board = known_board();
    let login = |token: &str| post(&board, &setup, "/api/v1/session", &json!({"token": token}), &[]);
    problem(&login("secret of x"), 401, "unauthorized");
    let begun = login("secret of o");
    assert_eq!(begun.json()["name"], "o");
    let set = begun.headers["set-cookie"].to_str().unwrap();
    assert!(set.contains("; HttpOnly; SameSite=Strict") && set.contains("Path=/;") && !set.contains("Secure"), "{set}");
    let pair = format!("theme=dark; {}", set.split(';').next().unwrap());
    let cookie = ("cookie", pair.as_str());
    assert_eq!(asked(&setup, "GET", "/api/v1/whoami", &[cookie]).json()["name"], "o");
    // Another instance without a secret of all does not know it, one with the same secret does.
    let other = Setup { own_key: OwnKey::random().unwrap(), ..closed() };
    problem(&asked(&other, "GET", "/api/v1/whoami", &[cookie]), 401, "unauthorized");
    let secret = || Some(Secret("0123456789abcdef".to_owned()));
    let (one, two) = (Setup { secret: secret(), ..closed() }, Setup { secret: secret(), ..closed() });
    let shared = post(
        &board,
        &one,
        "/api/v1/session",
        &json!({"token": "secret of v"}),
        &[("origin", "https://localhost:8714")],
    );
    let set = shared.headers["set-cookie"].to_str().unwrap();
    assert!(set.ends_with("; Secure"), "{set}");
    let pair = set.split(';').next().unwrap();
    assert_eq!(asked(&two, "GET", "/api/v1/whoami", &[("cookie", pair)]).json()["name"], "v");
    // A token that was replaced has no sessions any more.
    let mut replaced = Setup { secret: secret(), ..closed() };
    replaced.tokens[0].hash = Hash::of("another");
    problem(&asked(&replaced, "GET", "/api/v1/whoami", &[("cookie", pair)]), 401, "unauthorized");
    let (name, value) = pair.split_at(pair.len() - 2);
    problem(&asked(&two, "GET", "/api/v1/whoami", &[("cookie", &format!("{name}00"))]), 401, "unauthorized");
    assert_ne!(value, "00");
}

/// Goal: a session that was ended is refused where it was ended. Method: one router for all requests.
#[test]
fn a_session_ends_when_it_is_told_to() {
    let (board, setup) = (known_board(), closed());
    let router = crate::api::guarded(
        crate::api::paths(&board, &setup, Limits::default()),
        &board,
        setup.hosts.clone(),
        Limits::default(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let send = |request: axum::http::request::Builder, body: &str| {
        let request = request.header("host", "localhost:8714").body(Body::from(body.to_owned())).unwrap();
        runtime.block_on(router.clone().oneshot(request)).unwrap()
    };
    let login = Request::builder().method("POST").uri("/api/v1/session").header("content-type", "application/json");
    let begun = send(login, r#"{"token":"secret of v"}"#);
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let with = |method: &str, path: &str| Request::builder().method(method).uri(path).header("cookie", &cookie);
    assert_eq!(send(with("GET", "/api/v1/whoami"), "").status(), StatusCode::OK);
    let ended = send(with("DELETE", "/api/v1/session").header("sec-fetch-site", "same-origin"), "");
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert!(ended.headers()["set-cookie"].to_str().unwrap().starts_with("flowgate_session=; Path=/; Max-Age=0;"));
    assert_eq!(send(with("GET", "/api/v1/whoami"), "").status(), StatusCode::UNAUTHORIZED);
    let (name, value) = cookie.split_once('=').unwrap();
    let respelled =
        Request::builder().uri("/api/v1/whoami").header("cookie", format!("{name}={}", value.to_uppercase()));
    assert_eq!(send(respelled, "").status(), StatusCode::UNAUTHORIZED, "written otherwise it is the same session");
}

/// A cookie of the viewer's, as it was given out so long ago.
fn cookie(setup: &Setup, ago: Duration) -> (Sessions, Session, String) {
    let sessions = Sessions::new(Seal::of_secret(setup.secret.as_ref().unwrap()), Limits::default().lasts);
    let session = sessions.begin(&setup.tokens[0], true, crate::clock::now().before(ago)).unwrap();
    let cookie = format!("flowgate_session={}", sessions.sealed(&session));
    (sessions, session, cookie)
}

const MINUTE: Duration = Duration::from_secs(60);

/// Goal: who keeps asking stays logged in for a day's work and no longer, and a cookie alone is worth little.
#[test]
fn a_session_is_renewed_while_it_is_used() {
    let setup = Setup { secret: Some(Secret("0123456789abcdef".to_owned())), ..closed() };
    let ask = |cookie: &str| asked(&setup, "GET", "/api/v1/whoami", &[("cookie", cookie)]);
    let (_, _, young) = cookie(&setup, MINUTE * 7);
    assert_eq!((ask(&young).status, ask(&young).headers.get("set-cookie")), (StatusCode::OK, None));
    let (sessions, _, old) = cookie(&setup, MINUTE * 8);
    let answer = ask(&old);
    let set = answer.headers["set-cookie"].to_str().unwrap();
    let (new, attributes) = set.split_once("; ").unwrap();
    let left = attributes.split_once("Max-Age=").and_then(|(_, rest)| rest.split(';').next()?.parse::<u64>().ok());
    assert!(new != old && attributes.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{set}");
    assert!((600..=900).contains(&left.unwrap()), "{set}");
    assert_eq!((ask(new).status, ask(new).headers.get("set-cookie")), (StatusCode::OK, None));
    problem(&ask(&cookie(&setup, MINUTE * 15).2), 401, "unauthorized");
    // However often, no further than from the login on.
    let login = crate::clock::now();
    let (mut now, mut renewed) = (login, 0);
    let mut session = sessions.begin(&setup.tokens[0], true, login).unwrap();
    while let Some(next) = sessions.renewed(&session, now.after(MINUTE * 10)) {
        (session, now, renewed) = (next, now.after(MINUTE * 10), renewed + 1);
    }
    assert_eq!((renewed, now.since(login) + session.left_at(now)), (71, MINUTE * 60 * 12));
    // Where it is refused nothing is renewed.
    assert!(
        post(&known_board(), &setup, "/api/v1/previews", &json!({}), &[("cookie", old.as_str())])
            .headers
            .get("set-cookie")
            .is_none()
    );
}

/// Goal: a logout ends all cookies of the session where it is told, and no other session. Elsewhere the cookie is good until it ends:
/// that is what is documented.
#[test]
fn logging_out_ends_every_cookie_of_the_session_on_this_instance() {
    let setup = Setup { secret: Some(Secret("0123456789abcdef".to_owned())), ..closed() };
    let (one, two) = (Browser::new(&setup), Browser::new(&setup));
    let (_, _, old) = cookie(&setup, MINUTE * 8);
    let (_, _, other) = cookie(&setup, MINUTE * 8);
    let renewed = one.send("GET", "/api/v1/whoami", &old);
    let new = renewed.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let out = one.send("DELETE", "/api/v1/session", &old);
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert_eq!(out.headers().get_all("set-cookie").iter().count(), 1, "{:?}", out.headers());
    assert!(
        out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"),
        "it is not renewed: {:?}",
        out.headers()
    );
    let status = |browser: &Browser, cookie: &str| browser.send("GET", "/api/v1/whoami", cookie).status().as_u16();
    assert_eq!([&old, &new, &other].map(|cookie| status(&one, cookie)), [401, 401, 200]);
    assert_eq!([&old, &new, &other].map(|cookie| status(&two, cookie)), [200; 3]);
}

/// Goal: a browser that logs in again has one session, whatever is under way of the one before; and nobody between keeps its answers.
#[test]
fn a_login_ends_the_session_that_the_browser_had() {
    let setup = closed();
    let browser = Browser::new(&setup);
    let login = json!({"token": "secret of a"});
    let first = browser.ask("POST", "/api/v1/session", "", &login.to_string());
    let old = first.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let known = browser.send("GET", "/api/v1/whoami", &old);
    assert_eq!((known.status(), known.headers()["cache-control"].to_str().unwrap()), (StatusCode::OK, "no-store"));
    let second = browser.ask("POST", "/api/v1/session", &old, &login.to_string());
    let new = second.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let status = |cookie: &str| browser.send("GET", "/api/v1/whoami", cookie).status().as_u16();
    assert_eq!((status(&old), status(&new)), (401, 200));
}

/// What a browser asks an instance.
struct Browser {
    router: axum::Router,
    runtime: tokio::runtime::Runtime,
}

impl Browser {
    fn new(setup: &Setup) -> Self {
        let (board, limits) = (known_board(), Limits::default());
        let paths = crate::api::paths(&board, setup, limits);
        let router = crate::api::guarded(paths, &board, setup.hosts.clone(), limits);
        Self { router, runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap() }
    }

    fn send(&self, method: &str, path: &str, cookie: &str) -> axum::response::Response {
        self.ask(method, path, cookie, "")
    }

    fn ask(&self, method: &str, path: &str, cookie: &str, body: &str) -> axum::response::Response {
        let request = Request::builder().method(method).uri(path).header("host", "localhost:8714");
        let request = request.header("cookie", cookie).header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/json").body(Body::from(body.to_owned()));
        self.runtime.block_on(self.router.clone().oneshot(request.unwrap())).unwrap()
    }
}

/// A row what a browser says, and whether a cookie, or an open address, lets an order in.
#[test]
fn a_page_from_elsewhere_orders_nothing() {
    let (board, setup) = (known_board(), closed());
    let begun = post(&board, &setup, "/api/v1/session", &json!({"token": "secret of a"}), &[]);
    let cookie = begun.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (order, path) = (json!({"action": "pause"}), "/api/v1/flows/a/commands");
    let own = ("origin", "http://localhost:8714");
    for (headers, by_cookie, open) in [
        (vec![], false, true),
        (vec![own], true, true),
        (vec![("sec-fetch-site", "same-origin")], true, true),
        (vec![own, ("sec-fetch-site", "same-origin")], true, true),
        (vec![("origin", "http://localhost:3000"), ("sec-fetch-site", "same-origin")], true, true),
        (vec![("sec-fetch-site", "same-site")], false, false),
        (vec![("sec-fetch-site", "cross-site")], false, false),
        (vec![("origin", "http://localhost:3000")], false, false),
        (vec![own, ("sec-fetch-site", "cross-site")], false, false),
    ] {
        let with_cookie: Vec<_> = headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        let let_in = |answer: &Answer| answer.status == StatusCode::SERVICE_UNAVAILABLE;
        let answer = post(&board, &setup, path, &order, &with_cookie);
        assert_eq!(let_in(&answer), by_cookie, "{headers:?}: {}", answer.text);
        if !by_cookie {
            problem(&answer, 403, "cross-site");
        }
        assert_eq!(let_in(&post(&board, &super::setup(), path, &order, &headers)), open, "{headers:?}");
        // What a page cannot add lets in from anywhere.
        let token: Vec<_> = [("authorization", "Bearer secret of a")].into();
        assert!(let_in(&post(&board, &setup, path, &order, &token)));
    }
}
