//! Users who may do what `flowgate acls` prints for their roles, and no more; and each of its lines taken away.

use std::process::Output;
use std::time::{Duration, Instant};

use flowgate::broker::kafka::{Kafka, KafkaOptions};
use flowgate::broker::{Admin as _, Broker as _, Code, Isolation, PollLimit, Publication, Publisher as _, Reader as _};
use serde_json::json;

use crate::PATIENCE;
use crate::company::{Company, Gate, happened, is_live};
use crate::process::{eventually, flowgate};
use crate::prometheus::Prometheus;
use crate::server::KafkaServer;
use crate::server::secured::Secured;
use crate::upstream::Partitioner;

const ROLES: [&str; 7] = ["gate", "setup", "viewer", "operator", "admin", "upstream", "executor"];

fn user(role: &str) -> String {
    format!("flowgate-{role}")
}

/// A cluster with a user for each role, who has all the rights that are printed for it; its topics are made by the one who may.
struct Place {
    secured: Secured,
    company: Company,
    prefix: &'static str,
}

impl Place {
    /// Gates come with a certificate.
    fn new(prefix: &'static str) -> Self {
        Self::with_gates_at(prefix, |server| server.mutual_tls_brokers())
    }

    fn with_gates_at(prefix: &'static str, listener: impl FnOnce(&KafkaServer) -> String) -> Self {
        let mut secured = Secured::start(&ROLES.map(user).each_ref().map(String::as_str));
        let plain = secured.server.brokers();
        secured.acls(&printed(&plain, prefix, &[]));
        for role in ROLES {
            // A broker takes a moment until it knows.
            eventually(role, || by(&secured, prefix, role, &["acls", role, "--check"]).status.success());
        }
        let made = by(&secured, prefix, "setup", &["topics", "create", "--partitions", "3"]);
        assert!(made.status.success(), "{made:?}");
        // The test sees everything, by the listener that asks for nothing.
        let company = Company::on(&plain, &listener(&secured.server), prefix, 3, 1);
        Self { secured, company, prefix }
    }

    /// A gate that shows the certificate of the gate.
    fn gate(&self, instance: &str) -> Gate {
        self.gate_with(instance, &self.secured.by_certificate(&user("gate")))
    }

    fn gate_with(&self, instance: &str, settings: &[String]) -> Gate {
        let settings: Vec<String> = settings.iter().map(|setting| format!("kafka.{setting}")).collect();
        self.company.gate(instance, &settings.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The lines that are printed for a role.
    fn lines(&self, role: &str) -> Vec<String> {
        let printed = printed(&self.secured.server.brokers(), self.prefix, &[role]);
        printed.lines().filter(|line| line.starts_with("kafka-acls ")).map(str::to_owned).collect()
    }

    /// A command of the one who has this role.
    fn by(&self, role: &str, args: &[&str]) -> Output {
        by(&self.secured, self.prefix, role, args)
    }

    #[track_caller]
    fn good(&self, role: &str, args: &[&str]) -> String {
        let output = self.by(role, args);
        assert!(output.status.success(), "{role} {args:?}: {output:?}{}", self.company.logs());
        String::from_utf8(output.stdout).unwrap()
    }

    /// The cluster, as the one with this role reaches it.
    fn kafka(&self, role: &str) -> Kafka {
        let settings = self.secured.by_certificate(&user(role));
        let pair = |setting: &String| setting.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let client = settings.iter().filter_map(pair).collect();
        Kafka::new(KafkaOptions { client, ..KafkaOptions::new(self.secured.server.mutual_tls_brokers()) })
    }

    /// Sends an event as the upstream may, and says how that ended.
    fn send(&self, role: &str, flow: &str, record: &str) -> Result<(), Code> {
        let value = format!(r#"{{"flow_id":"{flow}","record_id":"{record}"}}"#);
        let (topic, key, value) = (&self.company.topics.enrollments, Some(flow.as_bytes()), Some(value.as_bytes()));
        let event = Publication { topic, partition: None, timestamp: None, key, value, headers: &[] };
        let mut publisher = self.kafka(role).publisher().unwrap();
        publisher.publish(&event).map_err(|error| error.code)?;
        let receipts = publisher.flush(PATIENCE).map_err(|error| error.code)?;
        receipts.into_iter().next().unwrap().map(drop).map_err(|error| error.code)
    }

    /// Reads a topic from its beginning until there is a record, and says how that ended.
    fn read(&self, role: &str, topic: &str) -> Result<(), Code> {
        // A reader waits for a topic that it may not see, as for one that is not there yet.
        self.kafka(role).admin().unwrap().partitions(topic).map_err(|error| error.code)?;
        let mut reader = self.kafka(role).reader(Isolation::ReadCommitted).unwrap();
        let limit = PollLimit { records: 10, bytes: 1_000_000, wait: Duration::from_millis(100) };
        let began = Instant::now();
        (0..3).try_for_each(|partition| reader.assign(topic, partition, 0)).map_err(|error| error.code)?;
        let mut records = Vec::new();
        while records.is_empty() {
            match reader.poll(limit, &mut records) {
                // It asks for the coordinator of its group, and needs none to read what it is told to.
                Err(error) if error.code == Code::Denied && error.detail.contains("Group") => {}
                other => drop(other.map_err(|error| error.code)?),
            }
            assert!(began.elapsed() < PATIENCE, "{topic} stays empty");
        }
        Ok(())
    }
}

/// What `flowgate acls` prints for these roles.
fn printed(brokers: &str, prefix: &str, roles: &[&str]) -> String {
    let output = flowgate(brokers, prefix, &[&["acls"], roles].concat()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn by(secured: &Secured, prefix: &str, role: &str, args: &[&str]) -> Output {
    let mut command = flowgate(&secured.server.mutual_tls_brokers(), prefix, args);
    for setting in secured.by_certificate(&user(role)) {
        command.args(["-X", &format!("kafka.{setting}")]);
    }
    command.output().unwrap()
}

/// What the line is about: the last word that is no option of the pattern.
fn resource(line: &str) -> &str {
    let words: Vec<&str> = line.split("  # ").next().unwrap().split(' ').collect();
    match words.as_slice() {
        [.., name, "--resource-pattern-type", "prefixed"] => name,
        [.., name] => name,
        [] => "",
    }
}

/// Goal: with the rights that are printed every role does its work, by certificate; without any one line of the others than the
/// gate something does not, and the error names what is missing. Method: a day of all of them on a cluster that allows nothing else.
#[test]
fn each_role_has_what_it_needs_and_no_more() {
    let mut place = Place::new("roles");
    let gate = place.gate("a").restored();
    for record in ["r1", "r2", "r3", "r4"] {
        place.send("upstream", "welcome", record).unwrap();
    }
    place.good("operator", &["pause", "welcome", "--keep", "all"]);
    for record in ["r5", "r6", "r7", "r8"] {
        place.send("upstream", "welcome", record).unwrap();
    }
    place.company.until("held", "welcome", |flow| flow.counts.held().total() == 4);
    place.good("operator", &["release", "welcome", "--count", "1"]);
    place.good("operator", &["purge", "welcome", "--through", "2", "--yes", "--command-id", "oops"]);
    place.good("admin", &["redrive", "discarded", "--command", "oops", "--yes"]);
    over_http(&place, &gate);
    for args in [&["flows"][..], &["flow", "welcome"], &["queue", "welcome"], &["audit"], &["letters", "discarded"]] {
        place.good("viewer", args);
    }
    assert!(place.good("viewer", &["positions"]).contains("goes on from"));
    place.read("executor", &place.company.topics.records).unwrap();
    place.read("executor", &place.company.topics.state).unwrap();
    for role in ROLES {
        assert!(place.good(role, &["acls", role, "--check"]).contains("nothing is missing"), "{role}");
    }
    each_line_is_needed(&mut place);
    place.good("operator", &["resume", "welcome", "--wait"]);
    place.company.until("live", "welcome", is_live);
    place.company.until_all_is_read();
    gate.stop();
    happened("a role has its rights and no more", ROLES.len() as u32, 7, &place.company.check());
}

/// Whatever a gate does over HTTP it does with its own rights.
fn over_http(place: &Place, gate: &Gate) {
    place.good("operator", &["purge", "welcome", "--through", "3", "--yes", "--command-id", "oops-2"]);
    let queue = "flows/welcome/queue?values=true";
    for path in ["flows", "flows/welcome", queue, "flows/welcome/depth", "audit", "letters/discarded", "letters/dead"] {
        gate.json(&format!("/api/v1/{path}"), None);
    }
    let preview = gate.json("/api/v1/redrives", Some(&json!({"kind": "discarded", "command": "oops-2"})));
    let which = json!({"kind": "discarded", "command": "oops-2", "expect": preview["expect"]});
    let redriven = gate.json("/api/v1/redrives", Some(&which));
    assert_eq!(redriven["letters"], 1, "{redriven}");
    place.company.until("both are held again", "welcome", |flow| flow.counts.queued.total() == 6);
}

/// Of a role: what is about this resource, and is refused without the line; what it says then.
fn refused(place: &Place, role: &str, resource: &str) -> String {
    let said = |args: &[&str]| {
        let output = place.by(role, args);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(!output.status.success() || text.contains("cannot be looked up"), "{role} {args:?}: {text}");
        text
    };
    let code = |outcome: Result<(), Code>| {
        assert_eq!(outcome, Err(Code::Denied), "{role} {resource}");
        format!("{resource} authorization failed")
    };
    let topics = &place.company.topics;
    match (role, resource) {
        ("viewer", at) if at == topics.state => said(&["flows"]),
        ("viewer", at) if at == topics.audit => said(&["audit"]),
        ("viewer", at) if at == topics.records => said(&["flow", "welcome"]),
        ("viewer", at) if at == topics.discarded => said(&["letters", "discarded"]),
        ("viewer", at) if at == topics.dead_letters => said(&["letters", "dead"]),
        ("viewer", at) if at == topics.queue_prefix() => said(&["queue", "welcome"]),
        ("viewer", _) => said(&["positions"]),
        ("operator", _) => said(&["pause", "other"]),
        ("admin", _) => said(&["redrive", "discarded", "--command", "oops", "--again", "--yes"]),
        ("setup", at) if at == topics.group => said(&["positions"]),
        // Where not all can be looked at the rest is.
        ("setup", _) => {
            let output = place.by(role, &["topics", "check"]);
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
        }
        ("upstream", _) => code(place.send("upstream", "welcome", "never")),
        ("executor", at) => code(place.read("executor", at)),
        (role, at) => panic!("{role}: nothing is known that needs {at}"),
    }
}

/// Of a role that has what another one has too only the lines of its own are looked at.
fn each_line_is_needed(place: &mut Place) {
    let mut seen = 0;
    let (of_setup, of_viewer) = (place.lines("setup").len(), place.lines("viewer").len());
    for (role, skip) in [
        ("setup", 0),
        ("viewer", 0),
        ("operator", of_viewer),
        ("admin", of_viewer + 1),
        ("upstream", 0),
        ("executor", 0),
    ] {
        for line in place.lines(role).into_iter().skip(skip) {
            let resource = resource(&line).to_owned();
            // Which group the executors have is for themselves to know: they bring a consumer of their own.
            if role == "executor" && line.contains("--group") {
                continue;
            }
            place.secured.remove(&line);
            let began = Instant::now();
            let said = loop {
                // A broker takes a moment until it knows.
                let checked = place.by(role, &["acls", role, "--check"]);
                if !checked.status.success() || began.elapsed() > Duration::from_secs(2) {
                    break refused(place, role, &resource);
                }
            };
            let names_it = said.contains(&resource)
                || line.contains("--group")
                || (line.contains("--cluster") && said.contains("(brokers)"));
            let is_refusal = ["authorization failed", "denied"].iter().any(|word| said.to_lowercase().contains(word));
            assert!(names_it && is_refusal, "{role} without {resource}: {said}");
            place.secured.acls(&line);
            seen += 1;
        }
    }
    assert_eq!(seen, of_setup + of_viewer + 1 + 3 + 1 + 2);
}

/// Goal: a right of the gate that is taken away while it works, each in turn, is named in its log and by its probe; nothing is lost or
/// doubled, and the gate goes on when it is given back. Method: events and commands come all the while.
#[test]
fn each_right_of_the_gate_is_taken_away_and_given_back() {
    let mut place = Place::new("taken");
    let gate = place.gate("a").restored();
    let mut client = place.company.client(Partitioner::Java);
    place.company.order(&["pause", "first", "--keep", "all"]);
    client.burst("first", 20);
    place.company.until("held", "first", |flow| flow.counts.held().total() > 0);
    let prometheus = Prometheus::watching(&place.company);
    let mut times = 0;
    for line in place.lines("gate") {
        let resource = resource(&line).to_owned();
        let (held, live) = (format!("held-{times}"), format!("live-{times}"));
        place.company.order(&["pause", &held, "--keep", "all"]);
        let before = gate.log().len();
        place.secured.remove(&line);
        client.burst(&held, 20);
        client.burst(&live, 20);
        client.send(&live, format!(r#"{{"flow_id":"{live}"}}"#).as_bytes());
        place.company.command(&held, "resume", &json!({}));
        eventually(&format!("the gate says that `{resource}` is not allowed: {}", place.company.logs()), || {
            let log = gate.log();
            log[before..].lines().any(|line| line.contains("do not allow") && line.contains(&resource))
        });
        place.secured.acls(&line);
        place.company.until("live again", &held, is_live);
        times += 1;
    }
    prometheus.sees("FlowgateAborts", r#"instance="a""#);
    place.company.order(&["resume", "first"]);
    place.company.until("live", "first", is_live);
    place.company.until_all_is_read();
    gate.stop();
    happened("a right of the gate taken away", times, 10, &place.company.check());
}

/// Goal: with a password (SASL_SSL, SCRAM-SHA-512) and the rights that are printed a gate pauses, holds and drains, also when it is
/// killed on the way. Method: flows paused, filled, resumed; a kill while events are held and one while they are drained.
#[test]
fn a_gate_with_a_password_pauses_holds_and_drains() {
    let place = Place::with_gates_at("password", KafkaServer::sasl_brokers);
    let settings = place.secured.by_password(&user("gate"));
    let gate = place.gate_with("a", &settings).restored();
    let mut client = place.company.client(Partitioner::Java);
    place.company.order(&["pause", "held", "--keep", "all"]);
    client.burst("held", 400);
    client.burst("live", 100);
    place.company.until("held", "held", |flow| flow.counts.held().total() > 100);
    gate.kill();
    let gate = place.gate_with("a", &settings);
    place.company.order(&["resume", "held", "--rate", "100"]);
    place.company.until("drains", "held", |flow| flow.counts.released.total() > 20);
    gate.kill();
    let gate = place.gate_with("a", &settings);
    place.company.order(&["resume", "held", "--rate", "100000"]);
    place.company.until("live", "held", is_live);
    place.company.until_all_is_read();
    gate.stop();
    happened("kill -9 of a gate with a password", 2, 2, &place.company.check());
}
