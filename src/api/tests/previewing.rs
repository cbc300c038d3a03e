//! What is shown before a command is given.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::cli::tests::flows::{live, paused};
use crate::client::states::Change;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn some() -> Arc<Board> {
    let (board, hour) = (new_board(), Duration::from_secs(3600));
    let known = [paused("a", 100, NOW, NOW.after(hour)), paused("b", 300, NOW.before(hour), NOW), live("c")];
    board.learn(known.into_iter().map(|known| Change::Flow(Box::new(known))).collect(), READ);
    board
}

fn show(board: &Arc<Board>, asked: Value) -> Answer {
    post(board, &setup(), "/api/v1/previews", &asked, &[])
}

#[test]
fn named_and_selected_flows_are_shown_each_with_what_to_expect() {
    let board = some();
    let named =
        show(&board, json!({"action": "resume", "flows": ["b", "a", "b", "new"], "options": {"max_rate": 500}})).json();
    assert_eq!(
        named["sentence"],
        "This resumes 3 flows, which hold 400 events now: b, a, new. 1 of them is not known so far: new."
    );
    assert_eq!((&named["count"], &named["held"], &named["exact"]), (&3.into(), &400.into(), &false.into()));
    assert_eq!((&named["oldest_held_at"], &named["eta_seconds"]), (&"2027-01-15T07:00:00.000Z".into(), &1.into()));
    assert_eq!(named["expect"], Value::Null);
    let of_b = &named["flows"][0];
    assert_eq!((&of_b["expect"], &of_b["max_rate"]), (&json!({"pause_id": "pause-of-b"}), &json!(374.065)));
    assert_eq!(named["flows"][2]["expect"], json!({"pause_id": null}));
    let selected = show(&board, json!({"action": "resume", "select": "held>=0"})).json();
    assert_eq!((&selected["count"], &selected["flows"][0]["flow_id"]), (&2.into(), &"a".into()));
    let pause = show(&board, json!({"action": "pause", "select": "state=live"})).json();
    assert_eq!((&pause["exact"], &pause["expect"]), (&true.into(), &json!({"pause_id": null})));
}

#[test]
fn a_purge_is_shown_with_the_entry_at_which_it_ends() {
    let purge = show(&some(), json!({"action": "purge", "flows": ["a"]})).json();
    assert_eq!(
        (&purge["flows"][0]["through_entry"], &purge["expect"]),
        (&100.into(), &json!({"pause_id": "pause-of-a"}))
    );
    let detail = "This discards what `a` holds up to entry 7 of 100, of 100 events held in all, to `flow.discarded`";
    let part = show(&some(), json!({"action": "purge", "flows": ["a"], "options": {"through_entry": 7}})).json();
    assert!(part["sentence"].as_str().unwrap().starts_with(detail), "{part}");
}

#[test]
fn what_is_asked_wrongly_names_the_field() {
    for (asked, field) in [
        (json!({"action": "pause"}), "flows"),
        (json!({"action": "pause", "all": true, "flows": ["a"]}), "flows"),
        (json!({"action": "pause", "flows": []}), "flows"),
        (json!({"action": "pause", "flows": ["a", ""]}), "flows[1]"),
        (json!({"action": "pause", "select": "stat=live"}), "select"),
        (json!({"action": "stop", "flows": ["a"]}), "action"),
        (json!({"action": "purge", "all": true}), "action"),
        (json!({"action": "pause", "flows": ["a"], "options": {"max_rate": 1}}), "options.max_rate"),
        (json!({"action": "pause", "flows": ["a"], "options": {"reason": "x"}}), "options.reason"),
        (json!({"action": "resume", "flows": ["a", "b"], "options": {"max_rate": 0.001}}), "options.max_rate"),
        (json!({"flows": ["a"]}), "action"),
        (json!({"action": "pause", "flow": "a"}), "flow"),
    ] {
        let wrong = problem(&show(&some(), asked.clone()), 422, "wrong-field");
        assert_eq!(wrong["field"], field, "{asked}: {wrong}");
    }
    problem(&show(&new_board(), json!({"action": "pause", "flows": ["a"]})), 503, "still-reading");
}
