//! A prefix of its own on some brokers: gates as processes, an operator at the command line, somebody who looks on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use flowgate::broker::kafka::{Kafka, KafkaOptions, KafkaPublisher};
use flowgate::broker::{Action, Broker, Publication, Publisher};
use flowgate::client::states::States;
use flowgate::demo::proof;
use flowgate::flow::{EveryUnderWay, Flow, State};
use flowgate::schema::topics::Topics;
use flowgate_checker::{Log, Report, Sums};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::PATIENCE;
use crate::process::{self, eventually, flowgate};
use crate::say::say;
use crate::server;
use crate::upstream::{Client, Partitioner};

/// What every gate here is told: a dead one is missed soon.
const QUICK: &[&str] = &["session_timeout=2s", "transaction_timeout=2s"];

/// Reports how often a fault has happened, and fails if that is too seldom.
#[track_caller]
pub fn happened(fault: &str, times: u32, wanted: u32, report: &Report) {
    say(&format!("fault: {fault}: {times} times; {} events compared, 0 anomalies", report.events));
    assert!(times >= wanted, "{fault}: {times} times, wanted {wanted}");
}

/// Random enough to choose moments; the seed is told, so that a run can be looked at.
pub struct Dice(u64);

impl Dice {
    pub fn new(test: &str) -> Self {
        let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
        say(&format!("{test}: moments chosen by seed {seed}"));
        Self(seed)
    }

    /// Those of a seed that was told.
    pub fn of(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Lets a random time up to the limit pass: the moment of a fault.
    pub fn moment(&mut self, limit: Duration) {
        std::thread::sleep(Duration::from_micros(self.below(limit.as_micros() as u64)));
    }
}

pub struct Company {
    pub kafka: Kafka,
    pub topics: Topics,
    brokers: String,
    /// Where gates are told to look for the brokers.
    brokers_of_gates: String,
    control: Mutex<KafkaPublisher>,
    logs: TempDir,
    /// Where the newest gate of each name serves HTTP, and whether with TLS.
    addresses: Mutex<BTreeMap<String, (String, bool)>>,
    gates: AtomicU32,
    commands: AtomicU32,
    clients: AtomicU32,
}

impl Company {
    /// With its topics made.
    pub fn new(prefix: &str, partitions: u32) -> Self {
        let brokers = server::shared().brokers();
        Self::on(&brokers, &brokers, prefix, partitions, 1)
    }

    /// On other brokers than the shared one, which gates may reach in another way.
    pub fn on(brokers: &str, brokers_of_gates: &str, prefix: &str, partitions: u32, replicas: u32) -> Self {
        let kafka = Kafka::new(KafkaOptions::new(brokers));
        let topics = Topics::new(prefix).unwrap();
        let logs = tempfile::tempdir().unwrap();
        let (addresses, gates, commands, clients) = Default::default();
        let control = Mutex::new(kafka.publisher().unwrap());
        let [brokers, brokers_of_gates] = [brokers, brokers_of_gates].map(str::to_owned);
        let company =
            Self { kafka, topics, brokers, brokers_of_gates, control, logs, addresses, gates, commands, clients };
        let [partitions, replicas] = [partitions, replicas].map(|number| number.to_string());
        company.good(&["topics", "create", "--partitions", &partitions, "--replication-factor", &replicas]);
        company
    }

    /// A command of the operator's, to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command_line(args).output().unwrap()
    }

    /// A command of the operator's. Not yet started.
    pub fn command_line(&self, args: &[&str]) -> Command {
        flowgate(&self.brokers, &self.topics.prefix, args)
    }

    /// One that has to go well; what it says.
    #[track_caller]
    pub fn good(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(output.status.success(), "{args:?}: {:?}\n{out}{err}{}", output.status, self.logs());
        out
    }

    /// One that the gate has to answer.
    #[track_caller]
    pub fn order(&self, args: &[&str]) {
        self.good(&[args, &["--timeout", "120s"]].concat());
    }

    /// Sends a command without waiting for anything.
    pub fn command(&self, flow: &str, action: &str, more: &Value) {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({
            "command_id": format!("c{number}"), "flow_id": flow, "action": action, "issued_by": "test",
            "issued_at": "2026-01-01T00:00:00Z",
        });
        command.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let value = command.to_string();
        let mut publisher = self.control.lock().unwrap();
        let (topic, key, value) = (&self.topics.control, Some(flow.as_bytes()), Some(value.as_bytes()));
        publisher
            .publish(&Publication { topic, partition: Some(0), timestamp: None, key, value, headers: &[] })
            .unwrap();
        assert!(publisher.flush(PATIENCE).unwrap().iter().all(Result::is_ok));
    }

    /// Writes a record as it stands.
    pub fn publish(&self, record: &Publication<'_>) {
        let mut publisher = self.kafka.publisher().unwrap();
        publisher.publish(record).unwrap();
        assert!(publisher.flush(PATIENCE).unwrap().iter().all(Result::is_ok));
    }

    /// No two clients send events that are equal byte for byte: nobody could tell which of them was delivered.
    pub fn client(&self, partitioner: Partitioner) -> Client {
        let before = u64::from(self.clients.fetch_add(1, Ordering::Relaxed)) * 1_000_000_000;
        Client::new(&self.kafka, &self.topics.enrollments, partitioner, before)
    }

    /// Starts a gate with further settings, `name=value`.
    pub fn gate(&self, instance: &str, settings: &[&str]) -> Gate {
        self.gate_of(Path::new(process::PROGRAM), instance, settings)
    }

    /// The same of another version.
    pub fn gate_of(&self, program: &Path, instance: &str, settings: &[&str]) -> Gate {
        let number = self.gates.fetch_add(1, Ordering::Relaxed);
        let log = self.logs.path().join(format!("{number:03}-{instance}.log"));
        let (mut command, http) = process::gate_of(program, &self.brokers_of_gates, &self.topics.prefix, instance);
        for setting in QUICK.iter().chain(settings) {
            command.args(["-X", setting]);
        }
        let child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        watch(&format!("+{}", child.id()));
        let has_tls = settings.iter().any(|setting| setting.starts_with("http_tls_certificate="));
        self.announce(|addresses| drop(addresses.insert(instance.to_owned(), (http.clone(), has_tls))));
        Gate { child, log, http }
    }

    /// The file in which Prometheus finds the newest gate of each name, running or not.
    pub fn targets(&self) -> PathBuf {
        self.logs.path().join("targets.json")
    }

    /// No gate of this name comes again: nobody is to miss it.
    pub fn forget(&self, instance: &str) {
        self.announce(|addresses| drop(addresses.remove(instance)));
    }

    fn announce(&self, change: impl FnOnce(&mut BTreeMap<String, (String, bool)>)) {
        let mut addresses = self.addresses.lock().unwrap();
        change(&mut addresses);
        let target = |(name, (address, has_tls)): (&String, &(String, bool))| {
            let scheme = if *has_tls { "https" } else { "http" };
            json!({"targets": [address], "labels": {"instance": name, "__scheme__": scheme}})
        };
        let targets: Vec<Value> = addresses.iter().map(target).collect();
        let new = self.logs.path().join("targets.new");
        std::fs::write(&new, Value::from(targets).to_string()).unwrap();
        std::fs::rename(new, self.targets()).unwrap();
    }

    /// The ends of the logs of the last gates.
    pub fn logs(&self) -> String {
        let mut logs: Vec<PathBuf> =
            std::fs::read_dir(self.logs.path()).unwrap().map(|at| at.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
        logs.sort();
        let last = logs.iter().rev().take(3).map(|log| {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("\n{}:\n{}", log.display(), lines[lines.len().saturating_sub(15)..].join("\n"))
        });
        last.collect()
    }

    pub fn onlooker(&self) -> Onlooker {
        let mut states = States::open(&self.kafka, &self.topics).unwrap();
        states.catch_up(PATIENCE).unwrap();
        Onlooker { states }
    }

    /// A flow as it is committed now.
    pub fn flow(&self, flow: &str) -> Option<Flow> {
        self.onlooker().flow(flow)
    }

    /// Waits until something holds for a flow, as committed.
    #[track_caller]
    pub fn until(&self, what: &str, flow: &str, holds: impl Fn(&Flow) -> bool) {
        let mut onlooker = self.onlooker();
        let began = Instant::now();
        while !onlooker.flow(flow).is_some_and(|flow| holds(&flow)) {
            let found = onlooker.flow(flow);
            assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}: {found:?}{}", self.logs());
        }
    }

    /// Where its brokers are.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// All that is in the topics; the brokers may need a while for it.
    pub fn log(&self) -> Log {
        self.patiently(|| proof::log(&self.kafka, &self.topics))
    }

    /// The same when nothing happens any more.
    pub fn log_at_rest(&self) -> Log {
        self.patiently(|| proof::at_rest(&self.kafka, &self.topics))
    }

    /// Makes a call again while that may help.
    #[track_caller]
    pub fn patiently<T>(&self, mut call: impl FnMut() -> flowgate::broker::Result<T>) -> T {
        let began = Instant::now();
        loop {
            match call() {
                Ok(answer) => return answer,
                Err(error) => {
                    let again = error.action == Action::Retry && began.elapsed() < PATIENCE;
                    assert!(again, "{error}{}", self.logs());
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    /// Waits until what is in the topics satisfies the condition.
    #[track_caller]
    pub fn until_log(&self, what: &str, holds: impl Fn(&Log) -> bool) {
        let began = Instant::now();
        loop {
            let log = self.log();
            if holds(&log) {
                return;
            }
            let found = format!("{} in, {} out", log.enrollments.len(), log.records.len());
            assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}: {found}{}", self.logs());
        }
    }

    /// Waits until every command is answered, and every event has found its place.
    #[track_caller]
    pub fn until_all_is_read(&self) {
        self.until_log("all is read", |log| {
            let Report { flows, commands, .. } = flowgate_checker::check(log);
            let answered = commands.applied + commands.unchanged + commands.rejected + commands.dead;
            // One for every flow is answered by each partition.
            let of_every = log.control.iter().filter(|command| command.key.as_deref() == Some(b"*")).count() as u64;
            let wanted = commands.read + of_every * u64::from(log.enrollment_partitions.unsigned_abs() - 1);
            let placed =
                |of: &Sums| of.delivered_live + of.queued.total() + of.turned_away.total() + of.dead + of.rerouted;
            answered == wanted && log.enrollments.len() as u64 == flows.values().map(placed).sum::<u64>()
        });
    }

    /// Has the checker look at everything. The gates must have read all.
    #[track_caller]
    pub fn check(&self) -> Report {
        let log = self.log();
        let report = flowgate_checker::check(&log);
        let mut anomalies: Vec<String> = report.anomalies.iter().take(20).map(ToString::to_string).collect();
        anomalies.extend(flowgate_checker::replay(&log).differences.iter().take(20).map(ToString::to_string));
        assert!(report.is_green() && anomalies.is_empty(), "{anomalies:#?}\n{:#?}{}", report.flows, self.logs());
        report
    }
}

impl Drop for Company {
    /// A test that fails leaves the logs of its gates behind.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.logs.disable_cleanup(true);
            say(&format!("the logs of the gates: {}", self.logs.path().display()));
        }
    }
}

/// Reads the public states of flows.
pub struct Onlooker {
    states: States<Kafka>,
}

impl Onlooker {
    /// As it is known by now; reads on.
    pub fn flow(&mut self, flow: &str) -> Option<Flow> {
        self.states.poll().unwrap();
        self.states.flows.get(flow).map(|known| known.flow.clone())
    }

    /// How far a command for every flow has come that is under way in a partition.
    pub fn every(&mut self, partition: i32) -> Option<EveryUnderWay> {
        self.states.poll().unwrap();
        self.states.partitions.get(&partition)?.every.clone()
    }

    /// Whether something holds for every flow there is by now.
    pub fn all(&mut self, holds: impl Fn(&Flow) -> bool) -> bool {
        self.states.poll().unwrap();
        self.known().all(holds)
    }

    /// Whether something holds for some flow by now.
    pub fn any(&mut self, holds: impl Fn(&Flow) -> bool) -> bool {
        self.states.poll().unwrap();
        self.known().any(holds)
    }

    /// Every flow that has been read of.
    pub fn known(&self) -> impl Iterator<Item = &Flow> {
        self.states.flows.values().map(|known| &known.flow)
    }

    /// Every flow there is by now.
    pub fn flows(&mut self) -> Vec<String> {
        self.states.poll().unwrap();
        self.known().map(|flow| flow.id.to_string()).collect()
    }
}

pub fn is_live(flow: &Flow) -> bool {
    matches!(flow.state, State::Live)
}

pub fn is_paused(flow: &Flow) -> bool {
    matches!(flow.state, State::Paused(_))
}

pub fn is_resuming(flow: &Flow) -> bool {
    matches!(flow.state, State::Resuming { .. })
}

/// A gate, killed with the test that started it.
pub struct Gate {
    child: Child,
    log: PathBuf,
    http: String,
}

/// Tells a shell which gates are running: it kills those when this process ends, however it ends. (The kernel closes its
/// input then; gates that were stopped by a signal would stay for ever.)
pub fn watch(gate: &str) {
    static SHELL: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let shell = SHELL.get_or_init(|| {
        let script = r#"trap '' INT TERM HUP; gates=' '
            while read -r gate; do
                case $gate in
                    +*) gates="$gates${gate#+} " ;;
                    -*) gates="${gates%% ${gate#-} *} ${gates#* ${gate#-} }" ;;
                esac
            done
            for gate in $gates; do kill -9 "$gate" 2>/dev/null; done"#;
        let shell = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Mutex::new(shell.unwrap().stdin.take().unwrap())
    });
    writeln!(shell.lock().unwrap(), "{gate}").unwrap();
}

impl Gate {
    /// `kill -9`.
    pub fn kill(mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the gate has ended by itself: {status}\n{}", self.log());
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and an end in good order.
    pub fn stop(mut self) -> String {
        assert!(self.signal("TERM"), "the gate has ended by itself:\n{}", self.log());
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log}");
        log
    }

    /// Sends a signal; `false` if there is nobody any more.
    pub fn signal(&mut self, name: &str) -> bool {
        process::signal(&mut self.child, name)
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for an end by itself: its exit code, and what it said.
    #[track_caller]
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut ended = None;
        eventually("the gate ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        (ended.unwrap().code(), self.log())
    }

    /// The command line of its process.
    pub fn arguments(&self) -> String {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.child.id())).unwrap();
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Where it serves HTTP.
    pub fn address(&self) -> &str {
        &self.http
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Its metrics as Prometheus reads them; `None` if it does not answer.
    pub fn metrics(&self) -> Option<String> {
        self.get("/metrics")
    }

    /// What it answers there at once, with its head; `None` if it does not.
    pub fn get(&self, path: &str) -> Option<String> {
        process::ask(&self.http, &process::get(path), Duration::from_secs(2))
    }

    /// The JSON that it answers there, with a body or to a GET; it has to agree.
    #[track_caller]
    pub fn json(&self, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (method, length) = (if body.is_empty() { "GET" } else { "POST" }, body.len());
        let head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n");
        let about = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        let answer = process::ask(&self.http, &format!("{head}{about}{body}"), PATIENCE).unwrap_or_default();
        let json = answer.strip_prefix("HTTP/1.0 200").and_then(|rest| rest.split_once("\r\n\r\n"));
        serde_json::from_str(json.unwrap_or_else(|| panic!("{path} {body}: {answer}")).1).unwrap()
    }

    /// Waits until it owns a partition and has restored it.
    #[track_caller]
    pub fn restored(self) -> Self {
        eventually(&format!("a partition is restored: {}", self.log.display()), || self.is_restored());
        self
    }

    /// Whether it has restored a partition.
    pub fn is_restored(&self) -> bool {
        self.log().contains("\"message\":\"restored\"")
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        watch(&format!("-{}", self.child.id()));
    }
}
