//! Lists of flows: orders, pages, all of them at once, and ids of every kind.

use std::time::Duration;

use super::*;
use crate::cli::tests::flows::{live, paused};
use crate::client::states::Change;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Ids that URLs, JSON, terminals and file systems have trouble with.
const ODD: [&str; 9] = ["a/b", "q\"'<>", "\u{202e}rtl\u{5d0}", "new\nline", " ", "%2F", "a?b#c&d=e", "\u{0}", "流\\"];

fn known(board: &Board, flows: Vec<crate::client::states::Known>) {
    let changes = flows.into_iter().map(|known| Change::Flow(Box::new(known))).collect();
    board.learn(changes, Reached { as_of: NOW, ..READ });
}

/// Three that are paused, one that is live and holds nothing.
fn some() -> Arc<Board> {
    let (board, hour) = (new_board(), Duration::from_secs(3600));
    let of = |id, held, hours: u32| paused(id, held, NOW, NOW.after(hour * hours));
    known(&board, vec![of("a", 5, 3), of("b", 9, 2), live("c"), of("d", 5, 1)]);
    board
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["flows"].as_array().unwrap().iter().map(|flow| flow["flow_id"].as_str().unwrap()).collect()
}

/// Every byte percent-encoded.
fn encoded(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn each_order_goes_on_where_its_last_page_ended() {
    let board = some();
    for (sort, order) in
        [("id", ["a", "b", "c", "d"]), ("held", ["b", "a", "d", "c"]), ("resumes_at", ["d", "b", "a", "c"])]
    {
        for limit in 1..=4 {
            let (mut all, mut after) = (Vec::new(), String::new());
            loop {
                let page = get(&board, &format!("/api/v1/flows?sort={sort}&limit={limit}{after}")).json();
                all.extend(ids(&page).into_iter().map(str::to_owned));
                assert_eq!((&page["known"], &page["as_of"]), (&4.into(), &"2027-01-15T08:00:00.000Z".into()));
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
            assert_eq!(all, order, "{sort} by {limit}");
        }
    }
}

/// Goal: what comes and goes between two pages moves nothing else.
#[test]
fn a_page_begins_behind_the_last_flow_whatever_has_come_meanwhile() {
    let board = some();
    let next = get(&board, "/api/v1/flows?sort=held&limit=2").json()["next"].as_str().unwrap().to_owned();
    known(&board, vec![paused("0", 100, NOW, NOW), live("b")]);
    let rest = get(&board, &format!("/api/v1/flows?sort=held&limit=2&after={next}")).json();
    assert_eq!(ids(&rest), ["d", "b"]);
}

#[test]
fn a_cursor_is_for_its_own_list_on_every_instance_of_the_prefix() {
    let board = some();
    let next = get(&board, "/api/v1/flows?sort=held&limit=1&state=paused").json()["next"].as_str().unwrap().to_owned();
    // Another process has made nothing but its setup.
    let other = some();
    let page = get(&other, &format!("/api/v1/flows?sort=held&limit=1&state=paused&after={next}")).json();
    assert_eq!(ids(&page), ["a"]);
    for query in [
        format!("sort=held&limit=1&after={next}"),
        format!("sort=id&state=paused&after={next}"),
        format!("sort=held&state=paused&match=a&after={next}"),
        format!("sort=held&state=paused&after={next}00"),
        "after=a".to_owned(),
        "after=".to_owned(),
    ] {
        let found = problem(&get(&board, &format!("/api/v1/flows?{query}")), 400, "bad-parameter");
        assert_eq!(found["parameter"], "after", "{query}");
    }
}

#[test]
fn an_id_of_any_bytes_is_found_by_its_path() {
    let board = new_board();
    let longest = "\u{d7ff}".repeat(33);
    known(&board, ODD.iter().copied().chain([longest.as_str()]).map(live).collect());
    for id in ODD.iter().copied().chain([longest.as_str()]) {
        let flow = get(&board, &format!("/api/v1/flows/{}", encoded(id))).json();
        assert_eq!(flow["flow_id"], id, "{flow}");
        assert_eq!(flow["as_of"], "2027-01-15T08:00:00.000Z");
    }
    problem(&get(&board, &format!("/api/v1/flows/{}", "x".repeat(100))), 404, "unknown-flow");
    // `*` is no id: it says that a parameter has it.
    for (id, parameter) in [("x".repeat(101), "id"), ("*".to_owned(), "flow")] {
        let found = problem(&get(&board, &format!("/api/v1/flows/{id}")), 400, "bad-parameter");
        assert_eq!(found["parameter"], parameter);
    }
}

#[test]
fn all_flows_come_in_one_answer_a_line_each() {
    let board = new_board();
    let many: Vec<String> = (0..1234).map(|number| format!("flow\n{number:04}")).collect();
    known(&board, many.iter().map(|id| live(id)).chain([paused("z", 1, NOW, NOW)]).collect());
    let lines = |query: &str| {
        let request = Request::builder().uri(format!("/api/v1/flows{query}")).header("host", "localhost");
        let request = request.header("accept", "text/html, application/x-ndjson;q=0.9").body(Body::empty()).unwrap();
        answer(&board, &setup(), request)
    };
    let all = lines("");
    assert_eq!(all.kind, "application/x-ndjson");
    let all: Vec<Value> = all.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all.len(), 1235);
    assert!(all.iter().all(|flow| flow["as_of"] == "2027-01-15T08:00:00.000Z"));
    assert_eq!((&all[1]["flow_id"], &all[1234]["held"]["total"]), (&"flow\n0001".into(), &1.into()));
    assert_eq!(lines("?state=paused").text.lines().count(), 1);
    assert_eq!(lines("?match=00").text.lines().count(), 121);
    problem(&lines("?sort=held"), 400, "bad-parameter");
}

#[test]
fn who_comes_too_early_is_told_how_far_it_is() {
    let board = new_board();
    let reached = Reached { complete: false, progress: Progress { read: 3, end: 10 }, as_of: NOW };
    board.learn(Vec::new(), reached);
    for path in ["/api/v1/flows", "/api/v1/flows/x"] {
        let found = problem(&get(&board, path), 503, "still-reading");
        assert_eq!((&found["read"], &found["end"]), (&3.into(), &10.into()));
    }
    board.learn(Vec::new(), READ);
    board.learn(Vec::new(), reached);
    assert_eq!(get(&board, "/api/v1/flows").status, StatusCode::OK, "what is known stays known");
}
