//! The process `flowgate` on real Kafka: what an operator types, what comes back, and how the gate ends.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[path = "process/encrypted.rs"]
mod encrypted;
#[path = "process/image.rs"]
mod image;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/process.rs"]
mod process;
#[path = "process/rotated.rs"]
mod rotated;
#[path = "process/secrets.rs"]
mod secrets;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/kafka.rs"]
mod server;
#[path = "process/siege.rs"]
mod siege;
#[path = "support/tls.rs"]
mod tls;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use flowgate::broker::kafka::{Kafka, KafkaOptions};
use flowgate::broker::{Admin, Broker, Publication, Publisher};
use process::eventually;
use serde_json::Value;

/// How long anything may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs it to its end. What does not come to one is killed, and told.
fn finish(mut command: Command) -> Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{command:?} did not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

/// On the shared broker.
fn flowgate(prefix: &str, args: &[&str]) -> Command {
    process::flowgate(&server::shared().brokers(), prefix, args)
}

fn run(prefix: &str, args: &[&str]) -> Output {
    finish(flowgate(prefix, args))
}

#[track_caller]
fn expect(code: i32, output: &Output) -> (String, String) {
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "stdout:\n{out}\nstderr:\n{err}");
    (out, err)
}

#[track_caller]
fn good(prefix: &str, args: &[&str]) -> String {
    expect(0, &run(prefix, args)).0
}

/// Has Prometheus' own tool judge what it is to read: syntax, names, help, units.
#[track_caller]
fn promtool_accepts(scrape: &str) {
    let install = "the tests need promtool: apt-get install -y --no-install-recommends prometheus";
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().unwrap_or_else(|error| panic!("`promtool` does not run: {error}; {install}"));
    promtool.stdin.take().unwrap().write_all(scrape.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let (out, err) = expect(0, &output);
    assert!(out.is_empty() && err.is_empty(), "{out}{err}");
}

/// What a client brings to a listener that does not take everybody.
fn with(mut command: Command, brokers: &str, settings: &[String]) -> Command {
    command.args(["--brokers", brokers]);
    for setting in settings {
        match setting.strip_prefix("sasl.password=") {
            // Secrets are refused on the command line.
            Some(password) => command.env("FLOWGATE_KAFKA__SASL_PASSWORD", password),
            None => command.args(["-X", &format!("kafka.{setting}")]),
        };
    }
    command
}

fn tls(files: &[(&str, &str)]) -> Vec<String> {
    let file = |(setting, file): &(&str, &str)| {
        format!("ssl.{setting}.location={}", server::shared().certificate(file).display())
    };
    ["security.protocol=SSL".to_owned()].into_iter().chain(files.iter().map(file)).collect()
}

/// `rest`: further headers, and the body behind an empty line.
fn ask(http: &str, method: &str, path: &str, rest: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(http) else { return String::new() };
    let rest = if rest.is_empty() { "\r\n" } else { rest };
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}");
    let mut answer = String::new();
    // It may be closed before all is said, where others ask too: whoever waits for an answer asks again.
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    answer
}

/// A gate that is killed with the test that started it.
struct Gate {
    child: Child,
    http: String,
}

impl Gate {
    fn start(prefix: &str, instance: &str) -> Self {
        Self::start_as(prefix, instance, |command| command)
    }

    fn start_as(prefix: &str, instance: &str, set: impl FnOnce(Command) -> Command) -> Self {
        let (command, http) = process::gate(&server::shared().brokers(), prefix, instance);
        let child = set(command).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, http }
    }

    fn ready(self) -> Self {
        eventually("ready", || self.get("/readyz").starts_with("HTTP/1.1 200"));
        self
    }

    fn get(&self, path: &str) -> String {
        self.ask("GET", path, "")
    }

    /// With a body of JSON.
    fn post(&self, path: &str, body: &str) -> String {
        self.ask(
            "POST",
            path,
            &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        )
    }

    /// `rest`: further headers, and the body behind an empty line.
    fn ask(&self, method: &str, path: &str, rest: &str) -> String {
        ask(&self.http, method, path, rest)
    }

    fn body(&self, path: &str) -> String {
        self.get(path).split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.body(path)).unwrap_or_default()
    }

    /// Asks it to end, and says how it did and how long that took.
    fn terminate(mut self) -> (Option<i32>, Duration, String) {
        let (code, took) = self.end();
        (code, took, self.log())
    }

    fn end(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        assert!(process::signal(&mut self.child, "TERM"));
        let status = self.child.wait().unwrap();
        (status.code(), began.elapsed())
    }

    fn log(&mut self) -> String {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(prefix: &str, flow: &str, records: std::ops::Range<u32>) {
    let mut publisher = Kafka::new(KafkaOptions::new(server::shared().brokers())).publisher().unwrap();
    for record in records {
        let value = format!(r#"{{"flow_id":"{flow}","record_id":"r{record}"}}"#);
        let (topic, key, value) = (format!("{prefix}.enrollments"), Some(flow.as_bytes()), Some(value.as_bytes()));
        let event = Publication { topic: &topic, partition: None, timestamp: None, key, value, headers: &[] };
        publisher.publish(&event).unwrap();
    }
    assert!(publisher.flush(PATIENCE).unwrap().iter().all(Result::is_ok));
}

#[test]
fn a_day_of_an_operator() {
    let prefix = "operator";
    let made = good(prefix, &["topics", "create", "--partitions", "3", "--replication-factor", "1"]);
    assert!(made.starts_with("operator.enrollments: created\n"), "{made}");
    let checked = good(prefix, &["topics", "check"]);
    assert!(
        checked.contains("(brokers): offsets.retention.minutes is 10080, wanted: at least 30240 (21d)"),
        "{checked}"
    );
    assert!(!checked.contains("breaks"), "{checked}");
    assert_eq!(good(prefix, &["positions"]).matches("starts at 0").count(), 3);

    let gate = Gate::start(prefix, "one").ready();
    assert!(gate.get("/livez").starts_with("HTTP/1.1 200"));
    send(prefix, "welcome", 0..10);
    let delivered = "\nflowgate_events_total{outcome=\"delivered\"} 10\n";
    eventually("delivered", || gate.get("/metrics").contains(delivered));
    assert!(good(prefix, &["pause", "welcome", "--for", "3d", "--by", "ops"]).contains("welcome  applied"));
    send(prefix, "welcome", 0..500);
    eventually("held", || gate.json("/api/v1/flows/welcome")["held"]["total"] == 500);
    let flows: Value = serde_json::from_str(&good(prefix, &["flows", "--state", "paused", "-o", "json"])).unwrap();
    assert_eq!((flows[0]["flow_id"].as_str(), flows[0]["pause"]["by"].as_str()), (Some("welcome"), Some("ops")));
    let checked = good(prefix, &["topics", "check"]);
    assert!(!checked.contains("breaks"), "the queue topic is as it must be: {checked}");
    let (_, refused) = expect(7, &run(prefix, &["pause", "welcome", "--for", "15d"]));
    assert!(refused.starts_with("error: rejected: "), "{refused}");

    let (out, err) = expect(0, &run(prefix, &["resume", "welcome", "--rate", "200", "--wait"]));
    assert!(out.contains("welcome is live: "), "{out}");
    assert!(err.contains("welcome: ") && err.contains(" passed"), "lines where there is no terminal: {err}");
    eventually("released", || gate.get("/metrics").contains("\nflowgate_passed_total{outcome=\"released\"} 500\n"));
    let scrape = gate.body("/metrics");
    assert!(scrape.contains("\nflowgate_events_total{outcome=\"held\"} 500\n"), "{scrape}");
    promtool_accepts(&scrape);
    let busy = run(prefix, &["positions", "restore", "--partition", "0", "--to-record", "--yes"]);
    assert!(expect(1, &busy).1.contains("members"));
    assert!(good(prefix, &["positions"]).contains("goes on from"));

    let (code, took, log) = gate.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(5), "{took:?}\n{log}");
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    let positions: Value = serde_json::from_str(&good(prefix, &["positions", "-o", "json"])).unwrap();
    for partition in positions.as_array().unwrap() {
        assert_eq!(partition["record"]["clean"], true, "{partition}");
        let (number, input) = (partition["partition"].to_string(), partition["record"]["input"].to_string());
        let restored = ["positions", "restore", "--partition", &number, "--offset", &input, "--yes"];
        // The gate was named: the group keeps its place for a session.
        eventually("the group has no members", || match run(prefix, &restored) {
            done if done.status.success() => true,
            busy => expect(1, &busy).1.is_empty(),
        });
    }
    let (_, silent) = expect(8, &run(prefix, &["pause", "welcome", "--timeout", "1s"]));
    assert!(silent.contains("the command stays in the topic"), "{silent}");
}

#[test]
fn an_equal_fences_the_first() {
    let prefix = "equal";
    good(prefix, &["topics", "create", "--partitions", "1"]);
    let mut first = Gate::start(prefix, "same").ready();
    let _second = Gate::start(prefix, "same");
    let (mut sent, mut ended) = (0, None);
    eventually("the first one ends", || {
        send(prefix, "welcome", sent..sent + 1);
        sent += 1;
        ended = first.child.try_wait().unwrap();
        ended.is_some()
    });
    let log = first.log();
    assert_eq!(ended.unwrap().code(), Some(4), "{log}");
    assert!(log.contains("error: another process runs under the same transactional id"), "{log}");
}

/// The certificate that librdkafka is to read is a pipe that nobody writes to: that call never comes back.
#[test]
fn a_call_that_hangs_ends_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("ca.crt");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let hangs = ["security.protocol=SSL".to_owned(), format!("ssl.ca.location={}", pipe.display())];
    let mut gate = Gate::start_as("hangs", "x", |command| with(command, "127.0.0.1:1", &hangs));
    let (began, mut ended) = (Instant::now(), None);
    eventually("the watchdog ends it", || {
        ended = gate.child.try_wait().unwrap();
        ended.is_some()
    });
    let log = gate.log();
    assert_eq!(ended.unwrap().code(), Some(5), "{log}");
    assert!(began.elapsed() >= Duration::from_secs(30), "too soon: {:?}", began.elapsed());
    assert!(log.contains("error: a call to the brokers hangs: making a client has run for 3"), "{log}");
    assert!(log.contains("hint: start it again"), "{log}");
}

#[test]
fn what_is_wrong_is_told_in_a_sentence_with_an_exit_code() {
    let (_, err) = expect(2, &run("bad", &["run", "--workers", "0", "-X", "kafka.acks=1"]));
    assert!(err.contains("2 settings are wrong") && err.contains("`kafka.acks` (flag)"), "{err}");
    let (_, err) = expect(3, &run("nowhere", &["run", "--instance", "x", "--http", "127.0.0.1:0"]));
    assert!(err.contains("error: `topic` of `nowhere.enrollments` is missing"), "{err}");
    let (_, err) = expect(3, &run("nowhere", &["flows"]));
    assert!(err.contains("flowgate topics create"), "{err}");
    let no_such_file = ["security.protocol=SSL".to_owned(), "ssl.ca.location=/no/such/file".to_owned()];
    let (_, err) = expect(2, &finish(with(flowgate("bad", &["flows"]), "127.0.0.1:1", &no_such_file)));
    assert!(err.contains("error: ssl.ca.location failed"), "{err}");
}

#[test]
fn settings_that_brokers_or_librdkafka_refuse_are_exit_2_and_named() {
    let prefix = "refused";
    good(prefix, &["topics", "create", "--partitions", "1"]);
    let rows: [(&[&str], &str); 3] = [
        (&["session_timeout=20m"], "`session_timeout`: the brokers refuse it"),
        (&["session_timeout=10m", "transaction_timeout=6m"], "`transaction_timeout`: the brokers refuse it"),
        (&["kafka.socket.timeout.ms=60000"], "socket.timeout.ms"),
    ];
    for (settings, what) in rows {
        let set = |mut command: Command| {
            for setting in settings {
                command.args(["-X", setting]);
            }
            command
        };
        let mut gate = Gate::start_as(prefix, "x", set);
        eventually("it ends", || gate.child.try_wait().unwrap().is_some());
        let (code, log) = (gate.child.wait().unwrap().code(), gate.log());
        assert!(code == Some(2) && log.contains(what), "{settings:?}: {code:?}: {log}");
    }
}

#[test]
fn brokers_that_want_tls_are_served() {
    let server = server::shared();
    let (ca, own) = (("ca", "ca.crt"), [("certificate", "client.crt"), ("key", "client.key")]);
    let on = |brokers: &str, files: &[(&str, &str)], args: &[&str]| {
        expect(0, &finish(with(flowgate("tls", args), brokers, &tls(files)))).0
    };
    let made = on(&server.tls_brokers(), &[ca], &["topics", "create", "--partitions", "1"]);
    assert!(made.starts_with("tls.enrollments: created\n"), "{made}");
    let flows = on(&server.mutual_tls_brokers(), &[ca, own[0], own[1]], &["flows", "-o", "json"]);
    assert_eq!(flows.trim(), "[]");
    let settings = tls(&[ca, own[0], own[1]]);
    let gate = Gate::start_as("tls", "one", |command| with(command, &server.mutual_tls_brokers(), &settings)).ready();
    let (code, _, log) = gate.terminate();
    assert_eq!(code, Some(0), "{log}");
}

/// From the start of the process to its end: a refusal is told within this.
const SOON: Duration = Duration::from_secs(2);

/// The machine may be busy, which no refusal of ours is to blame for: one of three tries has to be in time. (Each takes
/// 0.1 to 0.4 s; code that waits for a limit of its own is late each time.)
#[test]
fn a_refused_login_is_told_soon_and_is_exit_6() {
    let server = server::shared();
    let password =
        ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=gate", "sasl.password=no"];
    let refusals = [
        ("a wrong password", server.sasl_brokers(), password.map(str::to_owned).to_vec(), "Authentication failed"),
        ("a CA that signed nothing", server.tls_brokers(), tls(&[("ca", "stranger.crt")]), "certificate verify failed"),
        ("no CA, so the system's", server.tls_brokers(), tls(&[]), "certificate verify failed"),
        ("no certificate", server.mutual_tls_brokers(), tls(&[("ca", "ca.crt")]), "alert"),
    ];
    for (what, brokers, settings, reason) in refusals {
        for args in
            [&["flows"][..], &["run", "--instance", "x", "--http", "127.0.0.1:0"], &["demo"], &["demo", "--fast"]]
        {
            let mut tries = Vec::new();
            while tries.len() < 3 && tries.iter().all(|took| *took >= SOON) {
                let began = Instant::now();
                let output = finish(with(flowgate("secret", args), &brokers, &settings));
                tries.push(began.elapsed());
                let (_, err) = expect(6, &output);
                assert!(
                    err.contains("error: the brokers refuse to let us in") && err.contains(reason),
                    "{what}: {err}"
                );
            }
            assert!(tries.iter().any(|took| *took < SOON), "{what}, {args:?}: {tries:?}");
        }
    }
}

/// The names of the topics that start so.
fn topics(start: &str) -> Vec<String> {
    Kafka::new(KafkaOptions::new(server::shared().brokers())).admin().unwrap().topics(start).unwrap()
}

/// Goal: the demo holds on a cluster what it holds in memory, and leaves nothing there. Method: all eighteen months, and
/// the checker's word on the topics.
#[test]
fn the_demo_on_a_cluster_proves_itself_and_removes_its_topics() {
    let output = run("tryout", &["demo", "--fast", "--brokers", &server::shared().brokers()]);
    let (out, err) = expect(0, &output);
    println!("{out}\n{err}");
    assert_eq!(out.matches("  closes\n").count(), 8, "{out}");
    assert!(out.contains("28,094 events compared with"), "{out}");
    assert!(out.contains(", 14 commands: 0 anomalies; "), "{out}");
    let line = |parts: &[&str]| assert!(out.lines().any(|line| parts.iter().all(|part| line.contains(part))), "{out}");
    line(&["1997-01-13 09:00", "post-purchase", "paused by ops", "until 1997-01-27 09:00"]);
    line(&["1997-01-20 09:00", "post-purchase", "resumed by ops", " released, "]);
    // Nobody resumes it: 14 days of the calendar are some seconds here.
    line(&["1997-03-16 15:00", "post-purchase", "expired, resumed by the timer"]);
    line(&["1997-05-08 12:00", "win-back", "withdraw of 05870 delivered at once"]);
    line(&["1997-12-15 09:00", "win-back", "pause by ops rejected"]);
    assert!(err.contains(" start with `tryout-") && err.ends_with("the topics are removed\n"), "{err}");
    eventually("the topics are gone", || topics("tryout-").is_empty());
}

/// Goal: without a terminal, a line a day from a cluster too, and a console; a signal ends it well, and what is to be kept is kept.
#[test]
fn the_demo_on_a_cluster_prints_a_line_a_day_until_it_is_ended() {
    let args = ["demo", "--day", "200ms", "--keep", "--brokers", &server::shared().brokers()];
    let mut child = flowgate("daily", &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut told, mut err) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !err.contains("console: http://") {
        assert!(told.read_line(&mut err).unwrap() > 0, "{err}");
    }
    let http = err.rsplit_once("console: http://").and_then(|(_, link)| link.split('/').next()).unwrap().to_owned();
    assert!(ask(&http, "GET", "/", "").contains("\r\ncontent-security-policy: default-src 'self'; "));
    // The gate lives by the wall clock there.
    let whoami = ask(&http, "GET", "/api/v1/whoami", "");
    assert!(whoami.contains("\"label\":\"demo\"") && whoami.contains("\"per_second\":1.0"), "{whoami}");
    let mut days = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    for day in 1..=12 {
        let line = days.next().unwrap();
        assert!(line.starts_with(&format!("1997-01-{day:02}  in ")), "{line}");
    }
    // Its queue topic comes with the first event that is held, which may be a day later.
    let holds = |line: &String| line.contains("  post-purchase paused (resumes in ") && !line.contains("held 0 ");
    let paused = days.by_ref().take(30).find(holds).unwrap();
    assert!(!paused.contains("delivered 0 "), "{paused}");
    let flows = ask(&http, "GET", "/api/v1/flows", "");
    assert!(
        ["welcome", "post-purchase"].iter().all(|name| flows.contains(&format!("\"flow_id\":\"{name}\""))),
        "{flows}"
    );
    assert!(process::signal(&mut child, "TERM"));
    told.read_to_string(&mut err).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{err}");
    let kept = topics("daily-");
    assert!(kept.iter().any(|name| name.ends_with(".records")) && kept.len() >= 8, "{kept:?}");
    let prefix = kept[0].split('.').next().unwrap();
    assert!(err.contains(&format!("--delete --topic '{prefix}\\..*'")), "{err}");
    assert!(good(prefix, &["flows"]).contains("post-purchase"));
}

/// Goal: a cluster that is merely configured is not touched.
#[test]
fn the_demo_keeps_off_a_cluster_that_was_not_named_for_it() {
    expect(0, &run("untouched", &["demo", "--fast"]));
    assert_eq!(topics("untouched"), Vec::<String>::new());
    assert_eq!(topics("flowgate-demo"), Vec::<String>::new());
    let (_, err) = expect(2, &run("untouched", &["demo", "--fast", "--keep"]));
    assert!(err.contains("name its brokers with `--brokers`"), "{err}");
}
