//! The process `flowgate`, as a person or a supervisor starts it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// This version's.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_flowgate");

/// Not yet started. The settings of whoever runs the tests are none of its.
pub fn flowgate(brokers: &str, prefix: &str, args: &[&str]) -> Command {
    flowgate_of(Path::new(PROGRAM), brokers, prefix, args)
}

fn flowgate_of(program: &Path, brokers: &str, prefix: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLOWGATE_")) {
        command.env_remove(name);
    }
    command.args(args).args(["--prefix", prefix]);
    command.env("FLOWGATE_BROKERS", brokers);
    command
}

/// A gate that logs in JSON, and where it serves HTTP: an address that was free a moment ago. Not yet started.
pub fn gate(brokers: &str, prefix: &str, instance: &str) -> (Command, String) {
    gate_of(Path::new(PROGRAM), brokers, prefix, instance)
}

/// The same of another version.
pub fn gate_of(program: &Path, brokers: &str, prefix: &str, instance: &str) -> (Command, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let http = format!("127.0.0.1:{port}");
    let args = ["run", "--instance", instance, "--http", &http, "--log-format", "json"];
    (flowgate_of(program, brokers, prefix, &args), http)
}

/// What is answered there to an HTTP request, with its head; `None` if nothing is.
pub fn ask(address: &str, request: &str, patience: Duration) -> Option<String> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.set_read_timeout(Some(patience)).ok()?;
    connection.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    connection.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The request for a path.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")
}

/// Sends it a signal. `false`: it has ended by itself.
pub fn signal(child: &mut Child, name: &str) -> bool {
    // Asking first: the number of a process that has ended may be another's soon.
    child.try_wait().unwrap().is_none()
        && Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success()
}

#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
