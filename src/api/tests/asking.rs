//! By which names HTTP may be asked.

use axum::http::request::Builder;

use super::*;

fn ask_with(board: &Arc<Board>, hosts: &Hosts, set: impl FnOnce(Builder) -> Builder) -> Answer {
    let setup = Setup { hosts: hosts.clone(), ..setup() };
    answer(board, &setup, set(Request::builder().uri("/livez")).body(Body::empty()).unwrap())
}

/// Goal: a name that a stranger chose reaches nothing, and an address always may be asked for. Method: a row a `Host`.
#[test]
fn only_hosts_of_ours_are_answered() {
    let (board, own) = (new_board(), ["gate", "flow.example.com"]);
    let (here, six) = (hosts("127.0.0.1:8714", &[]), hosts("[::1]:8714", &[]));
    let (wide, named) = (hosts("0.0.0.0:8714", &own), hosts("127.0.0.1:8714", &own));
    let rows: [(&Hosts, &str, u16); 27] = [
        (&here, "localhost", 200),
        (&here, "LocalHost:9", 200),
        (&here, "127.0.0.1:8714", 200),
        (&here, "127.0.0.1", 200),
        (&here, "[::1]:1", 200),
        (&here, "[::1]", 200),
        (&six, "localhost:8714", 200),
        (&here, "gate:8714", 421),
        (&here, "evil.example:8714", 421),
        (&here, "localhost.evil.example", 421),
        (&here, "127.0.0.1.evil.example", 421),
        (&here, "10.1.2.3:8714", 421),
        (&here, "[2001:db8::1]:8714", 421),
        (&here, "2130706433", 421),
        (&here, "localhost@evil.example", 400),
        (&here, "evil.example#localhost", 400),
        (&here, "localhost:http", 400),
        (&here, "localhost:99999", 400),
        (&here, "[::1", 400),
        (&here, "", 400),
        (&wide, "10.1.2.3:8714", 200),
        (&wide, "[2001:db8::1]:8714", 200),
        (&wide, "Flow.Example.com", 200),
        (&wide, "gate:80", 200),
        (&wide, "localhost", 200),
        (&wide, "evil.example", 421),
        (&named, "gate:8714", 200),
    ];
    let mut refused = 0;
    for (hosts, host, status) in rows {
        let answer = ask_with(&board, hosts, |request| request.header("host", host));
        assert_eq!(answer.status.as_u16(), status, "{host:?} of {hosts:?}: {}", answer.text);
        if status != 200 {
            refused += 1;
            let problem = problem(&answer, status, if status == 421 { "unknown-host" } else { "bad-host" });
            assert_eq!(problem["field"], "Host");
            let detail = problem["detail"].as_str().unwrap();
            assert!(status != 421 || detail.contains(host.split(':').next().unwrap()), "{detail}");
            assert!(status != 421 || detail.contains("`http_hosts`"), "{detail}");
        }
    }
    let counted = format!("\nflowgate_http_refused_total{{reason=\"host\"}} {refused}\n");
    assert!(board.metrics.text().contains(&counted), "{}", board.metrics.text());
}

#[test]
fn a_host_is_named_once_whatever_the_target_says() {
    let (board, here) = (new_board(), hosts("127.0.0.1:8714", &[]));
    let missing = problem(&ask_with(&board, &here, |request| request), 400, "bad-host");
    assert!(missing["detail"].as_str().unwrap().contains("`Host` is missing"), "{missing}");
    let twice = |request: Builder| request.header("host", "localhost").header("host", "localhost");
    let twice = problem(&ask_with(&board, &here, twice), 400, "bad-host");
    assert!(twice["detail"].as_str().unwrap().contains("more than once"), "{twice}");
    let odd = problem(&ask_with(&board, &here, |request| request.header("host", "\u{6d41}")), 400, "bad-host");
    assert!(odd["detail"].as_str().unwrap().contains("not ASCII"), "{odd}");
    let target = |uri: &'static str| move |request: Builder| request.uri(uri).header("host", "localhost");
    problem(&ask_with(&board, &here, target("http://evil.example/livez")), 421, "unknown-host");
    assert_eq!(ask_with(&board, &here, target("http://127.0.0.1/livez")).status, StatusCode::OK);
}

#[test]
fn a_page_of_a_stranger_gets_no_answer() {
    let (board, here) = (new_board(), hosts("127.0.0.1:8714", &[]));
    let from = |origin: &'static str| {
        ask_with(&board, &here, move |request| request.header("host", "localhost").header("origin", origin))
    };
    for origin in ["http://localhost:8714", "http://127.0.0.1", "https://[::1]:3000"] {
        assert_eq!(from(origin).status, StatusCode::OK, "{origin}");
    }
    for origin in ["http://evil.example", "null", "localhost", "http://localhost@evil.example", "http://"] {
        assert_eq!(problem(&from(origin), 403, "foreign-origin")["field"], "Origin", "{origin}");
    }
}
