//! Requests that a tool makes from the OpenAPI document, many of them odd: none may bring an error of the server, or an answer that
//! the document does not describe.
//!
//! The tool is schemathesis, which is not Rust: who has it says where it is, as `.ci/run` does.

use std::process::Command;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::api;
use crate::config::{Hash, Role, Token};

const TOKEN: &str = "of the chief";

/// A gate with something of everything, served until what is returned is dropped.
fn served(place: &Place, board: &Arc<Board>) -> (String, oneshot::Sender<()>) {
    place.good(&["pause", "a/b", "--command-id", "c"]);
    place.event("a/b", "r1");
    place.event("live", "r1");
    place.send(Some(0), "no json");
    eventually("held", || get(board, "/api/v1/flows/a%2Fb").json()["held"]["total"] == 1);
    place.good(&["pause", "purged"]);
    place.event("purged", "r1");
    eventually("held", || get(board, "/api/v1/flows/purged").json()["held"]["total"] == 1);
    place.good(&["purge", "purged", "--yes"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let tokens = vec![Token { name: "chief".to_owned(), role: Role::Admin, hash: Hash::of(TOKEN) }];
    let setup = Setup { tokens, hosts: Hosts::new(address, &[]), ..setup() };
    let (end, ended) = oneshot::channel();
    let board = Arc::clone(board);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            tokio::select! {
                never = api::Server::new(&board, setup, Limits::default()).serve(listener) => match never {},
                _ = ended => {}
            }
        });
    });
    (format!("http://{address}"), end)
}

#[test]
#[ignore = "takes schemathesis: .ci/run installs it"]
fn nothing_that_is_sent_brings_an_error_or_an_answer_that_nobody_described() {
    let tool = std::env::var_os("SCHEMATHESIS").expect("SCHEMATHESIS says where the tool is");
    let place = Place::new();
    let gate = place.gate();
    let (address, _end) = served(&place, &gate.board);
    // Where it keeps what it remembers.
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(tool);
    command.current_dir(folder.path());
    command.args(["run", &format!("{address}/api/v1/openapi.json"), "--no-color"]);
    command.args(["-H", &format!("Authorization: Bearer {TOKEN}")]);
    // Events come without end.
    command.args(["--exclude-path", "/api/v1/events", "--phases", "examples,coverage,fuzzing"]);
    command.args(["--max-examples", "100", "--seed", "4711", "--generation-database", "none"]);
    // What the document calls a text may have rules of its own, such as those of durations: 400 and 422 tell them.
    command.args(["--exclude-checks", "positive_data_acceptance"]);
    let out = command.output().unwrap();
    let [said, told] = [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    println!("{said}{told}");
    assert!(out.status.success(), "{:?}", out.status);
    // It has seen what is there, and the gate still works.
    assert_eq!(get(&gate.board, "/api/v1/flows/live").json()["flow_id"], json!("live"));
    gate.stop().unwrap();
}
