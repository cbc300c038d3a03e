//! A gate at work whose HTTP is under siege.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::process::eventually;
use crate::{Gate, good, send};

/// Opens as many connections as this process may, each with half a request; once they are that many, each new one
/// takes the place of the oldest. On a thread of its own, until it is dropped.
struct Siege {
    end: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Siege {
    const STRENGTH: usize = 1_500;

    fn lay(http: &str) -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        let (end, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ended, count, http) = (Arc::clone(&end), Arc::clone(&opened), http.to_owned());
        let thread = std::thread::spawn(move || {
            let mut open = VecDeque::new();
            while !ended.load(Ordering::Relaxed) {
                let Ok(mut stream) = TcpStream::connect(&http) else { continue };
                // It may have had to give way already.
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: local");
                open.push_back(stream);
                if count.fetch_add(1, Ordering::Relaxed) >= Self::STRENGTH {
                    open.pop_front();
                    // Not all of the machine is theirs.
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        });
        Self { end, opened, thread: Some(thread) }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// The same command, with so many file handles.
fn with_handles(count: u32, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {count}; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Goal: HTTP takes no file handle that the brokers need, and whoever looks on gets an answer. Method: a gate with 242 of
/// them, 1,500 half-sent requests, and new ones all the time; meanwhile it pauses, makes a queue topic, and drains it.
#[test]
fn requests_without_end_hold_up_neither_the_gate_nor_who_looks_at_it() {
    let prefix = "besieged";
    good(prefix, &["topics", "create", "--partitions", "3", "--replication-factor", "1"]);
    let gate = Gate::start_as(prefix, "one", |command| with_handles(242, &command)).ready();
    let open_files = || std::fs::read_dir(format!("/proc/{}/fd", gate.child.id())).unwrap().count();
    let says = |line: &str| gate.get("/metrics").contains(&format!("\nflowgate_{line}\n"));
    send(prefix, "welcome", 0..10);
    eventually("delivered", || says("events_total{outcome=\"delivered\"} 10"));
    let before = open_files();

    let siege = Siege::lay(&gate.http);
    eventually("all are there", || siege.opened() >= Siege::STRENGTH);
    let mut most = open_files();
    eventually("alive", || gate.get("/livez").starts_with("HTTP/1.1 200"));
    good(prefix, &["pause", "welcome"]);
    send(prefix, "welcome", 0..500);
    eventually("held", || says("events_total{outcome=\"held\"} 500"));
    most = most.max(open_files());
    good(prefix, &["resume", "welcome", "--wait"]);
    eventually("released", || says("passed_total{outcome=\"released\"} 500"));
    send(prefix, "welcome", 500..510);
    eventually("still at work", || says("events_total{outcome=\"delivered\"} 20"));
    most = most.max(open_files());
    println!("{} half-sent requests; files open: {before} before, at most {most} meanwhile", siege.opened());
    // 41 connections and the newest one; a client of the brokers that comes and goes may be there too.
    assert!(most <= before + 42 + 16, "{before} files open before, {most} meanwhile");
    drop(siege);
    eventually("the file handles are back", || open_files() <= before + 16 && says("http_connections 1"));
    let (code, _, log) = gate.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("Too many open files"), "{log}");
}
