use super::*;
use crate::broker::memory::Call;
use crate::cli::tests::schemas::judge;

/// What is printed under these settings. No broker is asked.
pub fn printed(settings: &Settings, args: &[&str]) -> String {
    let cli = Cli::try_parse_from(["flowgate", "acls"].iter().chain(args)).unwrap_or_else(|error| panic!("{error}"));
    let Command::Acls(args) = cli.command else { panic!("not acls") };
    let mut out = Vec::new();
    args.print(settings, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub fn settings(lines: &str) -> Settings {
    let origin = crate::config::Origin::File("flowgate.toml".to_owned());
    Settings::load(&Sources::new().with_text(lines, &origin)).unwrap()
}

#[test]
fn lines_are_for_a_shell() {
    let settings = settings("prefix = \"crm\"\nbrokers = \"kafka-1:9092,kafka-2:9092\"");
    let executor =
        printed(&settings, &["executor", "--principal", "User:it's me", "--command-config", "admin.properties"]);
    let begin = "kafka-acls --bootstrap-server kafka-1:9092,kafka-2:9092 --command-config admin.properties --add \
                 --allow-principal 'User:it'\\''s me' --operation Read";
    let lines = [
        "# executor".to_owned(),
        format!("{begin} --topic crm.records  # what is delivered is taken"),
        format!("{begin} --topic crm.state  # a paused flow freezes what its executor has"),
        format!("{begin} --group crm-executor  # its own offsets are committed"),
    ];
    assert_eq!(executor.lines().collect::<Vec<_>>(), lines);
    let gate = printed(&settings, &["gate"]);
    assert!(
        gate.contains("--operation Create --operation Delete --topic crm.queue. --resource-pattern-type prefixed"),
        "{gate}"
    );
    assert!(gate.contains("--transactional-id flowgate-crm- --resource-pattern-type prefixed"), "{gate}");
    assert!(printed(&settings, &["setup"]).contains("--operation DescribeConfigs --cluster  #"));
    let all = printed(&settings, &[]);
    assert_eq!(all.lines().filter(|line| line.starts_with("# ")).count(), 7);
    assert!(printed(&settings, &["executor", "--group", "mine"]).contains("--group mine  #"));
}

#[test]
fn a_gate_that_takes_no_commands_writes_none() {
    let writes = |lines: &str| {
        let gate = printed(&settings(lines), &["gate"]);
        let control = gate.lines().find(|line| line.contains("--topic flow.control")).unwrap().to_owned();
        control.contains("--operation Write")
    };
    assert!(writes("") && !writes("http_read_only = true"));
}

#[test]
fn strimzi_gets_a_resource_for_each() {
    let yaml = printed(&settings(""), &["upstream", "setup", "-o", "strimzi", "--cluster", "prod"]);
    let upstream = "---
apiVersion: kafka.strimzi.io/v1
kind: KafkaUser
metadata:
  name: flowgate-upstream
  labels:
    strimzi.io/cluster: prod
spec:
  authorization:
    type: simple
    acls:
      # events are sent
      - resource: {type: topic, name: flow.enrollments, patternType: literal}
        operations: [Write]
";
    assert!(yaml.starts_with(upstream), "{yaml}");
    assert!(yaml.contains("patternType: prefix}") && yaml.contains("resource: {type: cluster}"), "{yaml}");
    assert!(
        printed(&settings(""), &["upstream", "-o", "strimzi", "--principal", "User:on"]).contains("  name: \"on\"\n")
    );
}

#[test]
fn json_is_as_its_schema_says() {
    let document: Value = serde_json::from_str(&printed(&settings(""), &["-o", "json"])).unwrap();
    judge("cli/acls", &document);
    assert_eq!(document[0]["operations"], json!(["Read", "Write", "DescribeConfigs"]));
    judge("cli/acls", &serde_json::from_str(&Place::new().good(&["acls", "viewer", "--check", "-o", "json"])).unwrap());
}

#[test]
fn a_wrong_word_is_answered_with_the_right_ones() {
    for (args, says) in [
        (&["acls", "gates"][..], "one of gate, setup, viewer"),
        (&["acls", "--principal", "me"], "such as User:flowgate"),
    ] {
        let error = Cli::try_parse_from(["flowgate"].iter().chain(args)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// Takes the right to see a topic away.
fn deny(memory: &Memory, denied: bool) {
    let refused = Error::new(Action::Retry, Code::Denied, "flow.audit: Broker: Topic authorization failed");
    let hook = move |call: &Call<'_>| {
        let asked = call.operation == Operation::Partitions && call.subject == "flow.audit";
        asked.then(|| Fault::Fail(refused.clone()))
    };
    memory.set_fault_hook(if denied { Some(Box::new(hook)) } else { None });
}

#[test]
fn what_is_missing_is_shown_with_what_gives_it() {
    let place = Place::new();
    assert!(place.good(&["acls", "gate", "--check"]).starts_with("# nothing is missing"));
    deny(&place.memory, true);
    let (outcome, said) = place.run(&["acls", "gate", "--check"]);
    let lacking = "--allow-principal User:flowgate-gate --operation Read --operation Write --operation DescribeConfigs \
                   --topic flow.audit  # what happens is written; HTTP shows it\n";
    assert!(said.ends_with(lacking) && said.lines().count() == 2, "{said}");
    let failure = outcome.unwrap_err();
    assert_eq!((failure.code, failure.what.as_str()), (exit::OTHER, "3 rights are missing"));
}

#[test]
fn a_gate_without_a_right_waits_for_it_and_says_so() {
    let place = Place::new();
    deny(&place.memory, true);
    let gate = place.starting();
    let says = || gate.board.missing().join("; ");
    eventually("it waits", || says().starts_with("waiting for rights: the brokers do not allow this user: Write on"));
    assert!(
        says().contains("on the topic `flow.audit` (what happens is written; HTTP shows it); `flowgate acls gate`"),
        "{}",
        says()
    );
    deny(&place.memory, false);
    eventually("it goes on", || says().is_empty());
    deny(&place.memory, true);
    eventually("it is told later, too", || says().starts_with("the brokers do not allow this user: Write on"));
    deny(&place.memory, false);
    eventually("and that it is given again", || says().is_empty());
    gate.stop().unwrap();
}

/// Goal: a gate is not kept from events by what they do not need.
#[test]
fn a_gate_without_a_right_that_only_http_needs_begins_and_says_so() {
    let wanted = crate::topics::acls::Role::Gate.acls(&crate::topics::acls::Needs {
        topics: &settings("").topics,
        is_read_only: false,
        executors: "",
    });
    let vital = crate::topics::acls::vital(&wanted);
    let of = |name: &str| {
        let found = vital.iter().find(|acl| acl.name == name).unwrap();
        found.operations.iter().map(|operation| operation.word()).collect::<Vec<_>>().join(" ")
    };
    let rows = [
        ("flow.enrollments", "Read"),
        ("flow.control", "Read"),
        ("flow.records", "Write"),
        ("flow.state", "Read Write"),
        ("flow.audit", "Write"),
        ("flow.discarded", "Write"),
        ("flow.dead-letters", "Write"),
        ("flow.queue.", "Read Write"),
    ];
    for (name, operations) in rows {
        assert_eq!(of(name), operations, "{name}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let place = Place::new();
    let failure = place.run(&["acls", "--check"]).0.unwrap_err();
    assert_eq!(
        (failure.code, failure.hint.as_deref()),
        (exit::CONFIGURATION, Some("name it: `flowgate acls gate --check`"))
    );
    let cli = Cli::try_parse_from(["flowgate", "acls", "-o", "strimzi", "--principal", "User:a"]).unwrap();
    let Command::Acls(args) = cli.command else { panic!("not acls") };
    assert_eq!(args.print(&settings(""), &mut Vec::new()).unwrap_err().code, exit::CONFIGURATION);
}
