//! The process `flowgate` on the shared broker, as a person or a supervisor starts it.

use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::{PATIENCE, server};

/// Not yet started. The settings of whoever runs the tests are none of its.
pub fn flowgate(prefix: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLOWGATE_")) {
        command.env_remove(name);
    }
    command.args(args).args(["--prefix", prefix]);
    command.env("FLOWGATE_BROKERS", server::shared().brokers());
    command
}

/// A gate that logs in JSON, and where it serves HTTP: an address that was free a moment ago. Not yet started.
pub fn gate(prefix: &str, instance: &str) -> (Command, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let http = format!("127.0.0.1:{port}");
    (flowgate(prefix, &["run", "--instance", instance, "--http", &http, "--log-format", "json"]), http)
}

/// Asks it to end. `false`: it has ended by itself.
pub fn terminate(child: &Child) -> bool {
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success()
}

#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
