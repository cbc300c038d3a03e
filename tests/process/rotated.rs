//! A password of the brokers that is replaced while a gate runs.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use flowgate::broker::kafka::{Kafka, KafkaOptions};
use flowgate::broker::{Broker, Publication, Publisher};

use super::process::{self, eventually};
use super::server::KafkaServer;
use super::{Gate, PATIENCE, expect, finish};

const PASSWORDS: [&str; 2] = ["first-hunter2-4711", "second-hunter2-4712"];

fn send(server: &KafkaServer, records: std::ops::Range<u32>) {
    let mut publisher = Kafka::new(KafkaOptions::new(server.brokers())).publisher().unwrap();
    for record in records {
        let value = format!(r#"{{"flow_id":"welcome","record_id":"r{record}"}}"#);
        let (key, value) = (Some(b"welcome".as_slice()), Some(value.as_bytes()));
        let topic = "rotated.enrollments";
        publisher.publish(&Publication { topic, partition: None, timestamp: None, key, value, headers: &[] }).unwrap();
    }
    assert!(publisher.flush(PATIENCE).unwrap().iter().all(Result::is_ok));
}

/// In one go, so that no half of it is ever there.
fn write(folder: &Path, name: &str, contents: &str) {
    fs::write(folder.join("new"), contents).unwrap();
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

/// Goal: the brokers take another password, whoever is connected has to log in again and is refused, the file is replaced behind that,
/// and the gate goes on: worker, drain, and the clients of HTTP. Method: brokers that want SCRAM over TLS, and that again every four
/// seconds. Nothing that the gate writes or answers has either password in it, nor has its command line.
#[test]
fn a_password_is_replaced_while_the_gate_runs() {
    let server = KafkaServer::start(KafkaServer::SCRAM);
    server.let_in("gate", PASSWORDS[0]);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "user", "gate\n");
    write(folder.path(), "password", &format!("{}\n", PASSWORDS[0]));
    let made = process::flowgate(&server.brokers(), "rotated", &["topics", "create", "--partitions", "1"]);
    expect(0, &finish(made));

    let (mut command, http) = process::gate(&server.sasl_brokers(), "rotated", "one");
    let file = |name: &str| folder.path().join(name);
    command.args(["-X", "kafka.security.protocol=SASL_SSL", "-X", "kafka.sasl.mechanism=SCRAM-SHA-512"]);
    command.args(["-X", &format!("kafka.ssl.ca.location={}", server.certificate("ca.crt").display())]);
    command.args(["-X", &format!("kafka.sasl.username.file={}", file("user").display())]);
    command.env("FLOWGATE_KAFKA__SASL_PASSWORD_FILE", file("password")).env("FLOWGATE_LOG__LEVEL", "debug");
    let stderr = File::create(file("log")).unwrap();
    let mut gate = Gate { child: command.stdin(Stdio::null()).stderr(stderr).spawn().unwrap(), http }.ready();
    let log = || fs::read_to_string(file("log")).unwrap();
    let says = |line: &str| gate.get("/metrics").contains(&format!("\nflowgate_{line}\n"));
    send(&server, 0..10);
    eventually("delivered", || says("events_total{outcome=\"delivered\"} 10"));
    order(&gate, r#"{"action":"pause"}"#);
    send(&server, 10..110);
    eventually("held", || says("held_events 100"));

    let refused = |log: &str| log.matches("Authentication failed").count();
    server.let_in("gate", PASSWORDS[1]);
    eventually("refused", || refused(&log()) >= 2);
    write(folder.path(), "password", &format!("{}\n", PASSWORDS[1]));
    eventually("read again", || log().contains("were read again"));
    order(&gate, r#"{"action":"resume"}"#);
    eventually("released", || says("passed_total{outcome=\"released\"} 100"));
    send(&server, 110..120);
    eventually("delivered too", || says("events_total{outcome=\"delivered\"} 20"));

    let answers = ["/metrics", "/readyz", "/api/v1/flows", "/api/v1/audit", "/api/v1/openapi.json", "/nothing"];
    let answers: String = answers.iter().map(|path| gate.get(path)).collect();
    let arguments = fs::read(format!("/proc/{}/cmdline", gate.child.id())).unwrap();
    let (code, _) = gate.end();
    let written = log();
    assert_eq!(code, Some(0), "{written}");
    for text in [&written, &answers, &String::from_utf8_lossy(&arguments).into_owned()] {
        assert!(PASSWORDS.iter().all(|password| !text.contains(&password[..12])), "a password came out");
    }
    // The search has seen what it is about.
    assert!(written.contains("DEBUG") && String::from_utf8_lossy(&arguments).contains("sasl.username.file"));
}

fn order(gate: &Gate, command: &str) {
    eventually("ordered", || {
        let answer = gate.post("/api/v1/flows/welcome/commands?wait=5s", command);
        answer.starts_with("HTTP/1.1 200")
    });
}
