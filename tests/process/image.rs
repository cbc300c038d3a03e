//! The image, as a platform would run it: not as root, nothing to write to, no capability, and nothing in it but flowgate.
//!
//! It is built by `deploy/image/check`, which calls these tests and says in FLOWGATE_IMAGE how it is called.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use flowgate::broker::kafka::{Kafka, KafkaOptions};
use flowgate::demo::proof;
use flowgate::schema::topics::Topics;

use super::{eventually, expect, finish, send, server};

/// How each container is restricted. The limits are those that most machines allow whoever starts it.
const RESTRICTED: &[&str] = &[
    "--rm",
    "--network=host",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
];

fn engine() -> Command {
    Command::new(std::env::var("FLOWGATE_ENGINE").expect("FLOWGATE_ENGINE says what runs images: podman or docker"))
}

/// Not yet started. `options` are the engine's, `args` flowgate's.
fn container(options: &[&str], args: &[&str]) -> Command {
    let image =
        std::env::var("FLOWGATE_IMAGE").expect("FLOWGATE_IMAGE says what `deploy/image/build` has called the image");
    let mut command = engine();
    command.arg("run").args(RESTRICTED).args(options).arg(image).args(args);
    command
}

/// The options that give a variable to a container.
fn set(variables: &[(&str, &str)]) -> Vec<String> {
    variables.iter().map(|(name, value)| format!("--env=FLOWGATE_{name}={value}")).collect()
}

/// The option that shows a file to a container.
fn show(file: &Path, at: &str) -> String {
    format!("--volume={}:{at}:ro", file.display())
}

/// Runs it to its end in the image.
fn run(options: &[String], args: &[&str]) -> Output {
    finish(container(&options.iter().map(String::as_str).collect::<Vec<_>>(), args))
}

/// A gate in a container, which is removed with the test that started it.
struct Gate {
    child: Child,
    name: String,
}

impl Gate {
    fn start(name: &str, options: &[String]) -> Self {
        let name = format!("flowgate-test-{}-{name}", std::process::id());
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let named = [format!("--name={name}"), format!("--env=FLOWGATE_HTTP={http}")];
        let all: Vec<&str> = options.iter().chain(&named).map(String::as_str).collect();
        // Without a command, so that it is what the image does by itself.
        let child = container(&all, &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, name }
    }

    /// As a health check asks: there is no shell in the image, and nothing else that could.
    fn asks_whether_it_is_ready(&self) -> Output {
        engine().args(["exec", &self.name, "/flowgate", "ready"]).output().unwrap()
    }

    fn ready(self) -> Self {
        let mut said = None;
        let began = Instant::now();
        eventually("ready", || {
            let output = self.asks_whether_it_is_ready();
            let is_ready = output.status.success();
            said = Some(output);
            is_ready || began.elapsed() > Duration::from_secs(60)
        });
        assert_eq!(expect(0, &said.unwrap()).0, "ready\n");
        self
    }

    /// Asks it to end as an engine does, by the signal that the image names: how it did, how long that took, what it said.
    fn stop(mut self) -> (Option<i32>, Duration, String) {
        let began = Instant::now();
        let stopped = engine().args(["stop", "-t", "10", &self.name]).stdout(Stdio::null()).status().unwrap();
        assert!(stopped.success(), "{stopped}");
        let status = self.child.wait().unwrap();
        let took = began.elapsed();
        let mut log = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut log).unwrap();
        (status.code(), took, log)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = engine().args(["rm", "--force", &self.name]).stdout(Stdio::null()).stderr(Stdio::null()).status();
            let _ = self.child.wait();
        }
    }
}

#[test]
#[ignore = "takes an image: deploy/image/check builds one"]
fn a_flow_is_paused_and_resumed_in_the_image() {
    let prefix = "image";
    let brokers = server::shared().brokers();
    let settings = set(&[("BROKERS", &brokers), ("PREFIX", prefix), ("INSTANCE", "gate-1")]);
    let good = |args: &[&str]| expect(0, &run(&settings, args)).0;
    let made = good(&["topics", "create", "--partitions", "3", "--replication-factor", "1"]);
    assert!(made.starts_with("image.enrollments: created\n"), "{made}");
    let gate = Gate::start("day", &settings).ready();
    send(prefix, "welcome", 0..10);
    assert!(good(&["pause", "welcome", "--for", "3d"]).contains("welcome  applied"));
    send(prefix, "welcome", 10..510);
    let held = || good(&["flow", "welcome", "-o", "json"]);
    eventually("held", || {
        let flow: serde_json::Value = serde_json::from_str(&held()).unwrap();
        flow["state"] == "paused" && flow["held"]["total"].as_u64().is_some_and(|held| held >= 500)
    });
    assert!(good(&["resume", "welcome", "--wait"]).contains("welcome is live: "));
    let (code, took, log) = gate.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(8), "{took:?}\n{log}");
    assert!(log.contains("the partitions are marked as cleanly left"), "{log}");
    let kafka = Kafka::new(KafkaOptions::new(&brokers));
    let proof = proof::prove(&kafka, &Topics::new(prefix).unwrap()).unwrap();
    assert!(proof.holds(), "{}", proof.table());
    // Nothing is left that waits: all 510 are downstream.
    let log = proof::log(&kafka, &Topics::new(prefix).unwrap()).unwrap();
    assert_eq!(log.records.len(), 510);
}

#[test]
#[ignore = "takes an image: deploy/image/check builds one"]
fn brokers_that_want_tls_are_served_from_the_image() {
    let server = server::shared();
    let folder = tempfile::tempdir().unwrap();
    let (ca, bundle) = (server.certificate("ca.crt"), "/etc/ssl/certs/ca-certificates.crt");
    let at = |brokers: &str, more: &[(&str, &str)], files: &[String]| {
        let tls = [("BROKERS", brokers), ("PREFIX", "image-tls"), ("KAFKA__SECURITY_PROTOCOL", "SSL")];
        [set(&tls), set(more), files.to_vec()].concat()
    };
    // The CA in a file of its own.
    let named = at(&server.tls_brokers(), &[("KAFKA__SSL_CA_LOCATION", "/ca.crt")], &[show(&ca, "/ca.crt")]);
    let made = expect(0, &run(&named, &["topics", "create", "--partitions", "1"])).0;
    assert!(made.starts_with("image-tls.enrollments: created\n"), "{made}");
    // Without a setting the image's bundle decides. It has the public CAs; ours in its place is found where those are.
    let (_, refused) = expect(6, &run(&at(&server.tls_brokers(), &[], &[]), &["flows"]));
    assert!(refused.contains("certificate verify failed"), "{refused}");
    for more in [&[][..], &[("KAFKA__SSL_CA_LOCATION", "probe")]] {
        let found = at(&server.tls_brokers(), more, &[show(&ca, bundle)]);
        assert_eq!(expect(0, &run(&found, &["flows", "-o", "json"])).0.trim(), "[]", "{more:?}");
    }
    // A certificate of its own, which the image's user has to be allowed to read.
    let key = folder.path().join("client.key");
    std::fs::write(&key, std::fs::read(server.certificate("client.key")).unwrap()).unwrap();
    let own = [
        ("KAFKA__SSL_CA_LOCATION", "/ca.crt"),
        ("KAFKA__SSL_CERTIFICATE_LOCATION", "/client.crt"),
        ("KAFKA__SSL_KEY_LOCATION", "/client.key"),
    ];
    let files =
        [show(&ca, "/ca.crt"), show(&server.certificate("client.crt"), "/client.crt"), show(&key, "/client.key")];
    let gate = Gate::start("tls", &at(&server.mutual_tls_brokers(), &own, &files)).ready();
    let (code, _, log) = gate.stop();
    assert_eq!(code, Some(0), "{log}");
}
