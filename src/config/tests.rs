#[path = "../../tests/support/certificates.rs"]
pub mod certificates;
mod files;
#[path = "../../tests/support/missing.rs"]
mod missing;

use std::time::Duration;

use super::*;
use crate::worker::Options;

mod sample;

fn file() -> Origin {
    Origin::File("flowgate.toml".into())
}

fn text(text: &str) -> Sources {
    Sources::new().with_text(text, &file())
}

fn problems(sources: &Sources) -> Vec<String> {
    Settings::load(sources).unwrap_err().0.iter().map(ToString::to_string).collect()
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn the_defaults_are_valid_and_those_of_the_worker() {
    let settings = Settings::load(&Sources::new()).unwrap();
    assert_eq!(settings.brokers, "localhost:9092");
    assert_eq!(settings.http.to_string(), "127.0.0.1:8714");
    assert!(settings.instance.ends_with("-8714"), "{}", settings.instance);
    let made = settings.worker(3, "x");
    let plain = Options::new(settings.topics.clone(), settings.instance.clone(), 3, "x");
    assert_eq!(format!("{made:?}"), format!("{plain:?}"), "two places of defaults must agree");
}

#[test]
fn flags_come_before_environment_before_file_before_defaults() {
    let all = "brokers = 'file:1'\nprefix = 'file'\nworkers = 2\n[queue]\ntopic_ttl = '1d'\n";
    let sources = text(all)
        .with_environment(environment(&[("FLOWGATE_BROKERS", "env:1"), ("FLOWGATE_PREFIX", "env"), ("OTHER", "x")]))
        .with_flag("brokers", Some("flag:1".into()))
        .with_flag("workers", None);
    let settings = Settings::load(&sources).unwrap();
    assert_eq!((settings.brokers.as_str(), settings.topics.prefix.as_str(), settings.workers), ("flag:1", "env", 2));
    assert_eq!(settings.queue.topic_ttl, Duration::from_secs(86_400));
    let origins: Vec<_> = sources.shown().map(|(name, _, origin)| format!("{name} {origin}")).collect();
    for expected in ["brokers flag", "prefix FLOWGATE_PREFIX", "workers flowgate.toml", "http default"] {
        assert!(origins.iter().any(|origin| origin == expected), "{expected}: {origins:?}");
    }
}

#[test]
fn names_nest_by_double_underscores_and_librdkafkas_have_dots() {
    let sources = text("[kafka]\n'sasl.mechanism' = 'PLAIN'\n[kafka.ssl]\nca.location = '/ca'\n").with_environment(
        environment(&[("FLOWGATE_QUEUE__TOPIC_TTL", "2d"), ("FLOWGATE_KAFKA__SASL_USERNAME", "ops")]),
    );
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.queue.topic_ttl, Duration::from_secs(2 * 86_400));
    let kafka: Vec<_> = settings.kafka.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(kafka, ["sasl.mechanism=PLAIN", "sasl.username=ops", "ssl.ca.location=/ca"]);
}

/// Goal: only a name that somebody comes back under keeps its place in the group.
#[test]
fn an_instance_that_is_given_keeps_its_place() {
    let keeps = |sources: &Sources| Settings::load(sources).unwrap().worker(0, "x").keeps_place;
    assert!(!keeps(&Sources::new()) && !keeps(&text("workers = 2")));
    assert!(keeps(&text("instance = 'gate-1'")));
    assert!(keeps(&Sources::new().with_flag("instance", Some("gate-1".into()))));
    assert!(keeps(&Sources::new().with_environment(environment(&[("FLOWGATE_INSTANCE", "gate-1")]))));
}

/// A row a problem: what is written, and what the sentence has to say (the field, what is wrong, the fix).
#[test]
fn each_problem_names_the_field_and_the_fix() {
    for (written, says) in [
        ("brokers = ''", ["`brokers`", "it is empty", "host:port"]),
        ("brokers = 'kafka'", ["`brokers`", "`kafka` is no `host:port`", "host:port"]),
        ("prefix = 'a b'", ["`prefix`", "character ' '", "letters"]),
        ("instance = 'a b'", ["`instance`", "names no instance", "without spaces"]),
        ("workers = 0", ["`workers`", "out of range", "1 to 1024"]),
        ("workers = 'two'", ["`workers`", "no whole number", "1 to 1024"]),
        ("http = '8714'", ["`http`", "no address", "127.0.0.1:8714"]),
        ("http_hosts = 'http://gate:8714'", ["`http_hosts`", "`http://gate:8714` is no name", "without scheme"]),
        ("http_tokens = 'ci:operator'", ["`http_tokens`", "not written as NAME:ROLE:SHA256", "token create"]),
        ("http_tokens = 'ci:root:00'", ["`http_tokens`", "the role of `ci` is unknown", "viewer, operator and admin"]),
        ("http_tokens = 'ci:viewer:00'", ["`http_tokens`", "64 hexadecimal digits", "token create"]),
        ("http_tokens = 'http:viewer:00'", ["`http_tokens`", "those who need no token", "token create"]),
        ("http_tokens = 'c i:viewer:00'", ["`http_tokens`", "letters, digits", "token create"]),
        ("http_read_only = 'yes'", ["`http_read_only`", "`yes` is neither", "`true` or `false`"]),
        (
            "http_label = 'a label that is longer than a title has room'",
            ["`http_label`", "it has 44 characters", "1 to 40"],
        ),
        ("http_label = \"two\\nlines\"", ["`http_label`", "it is not taken", "of one line"]),
        ("http_secret = 'short'", ["`http_secret`", "it is too short", "16 characters"]),
        ("max_pause = '15d'", ["`max_pause`", "out of range", "1s to 14d"]),
        ("max_pause = 14", ["`max_pause`", "`14` is no duration", "1s to 14d"]),
        ("memory = '64MB'", ["`memory`", "no size", "at least"]),
        ("memory = '1MiB'", ["`memory`", "out of range", "16777216"]),
        ("session_timeout = '5s'", ["`transaction_timeout`", "longer than `session_timeout` (5s)", "shorter"]),
        ("max_poll_interval = '0s'", ["`max_poll_interval`", "out of range", "1s"]),
        ("log.format = 'xml'", ["`log.format`", "no format", "`json`"]),
        ("log.level = 'flowgate=loud'", ["`log.level`", "no filter", "`info`"]),
        ("otlp.endpoint = 'collector:4318'", ["`otlp.endpoint`", "no URL of HTTP", "http://collector:4318"]),
        ("otlp.sample_ratio = 1.5", ["`otlp.sample_ratio`", "`1.5` is no share", "0 to 1"]),
        ("otlp.headers = 'hunter2'", ["`otlp.headers`", "no `=` in pair 1", "NAME=VALUE"]),
        ("otlp.ca_file = 'ca.crt'", ["`otlp.ca_file`", "it is no path", "beginning with `/`"]),
        ("otlp.resource = 'a b=c'", ["`otlp.resource`", "the name is none", "NAME=VALUE"]),
        ("kafka.sasl.mechanism = 'OAUTHBEARER'", ["`kafka.sasl.oauthbearer.method`", "has no tokens", "write `oidc`"]),
        ("queue.topic_ttl = '1w'", ["`queue.topic_ttl`", "no duration", "give"]),
        ("queue.replication_factor = 0", ["`queue.replication_factor`", "out of range", "1 to"]),
        ("turn.time = '1m'", ["`turn.time`", "out of range", "5s"]),
        ("qeue.topic_ttl = '1d'", ["`qeue.topic_ttl`", "no such setting", "`queue.topic_ttl`"]),
        ("brokerz = 'a:1'", ["`brokerz`", "no such setting", "`brokers`"]),
        ("zzz = 1", ["`zzz`", "no such setting", "config show"]),
        ("workers = [1]", ["`workers`", "no single value", "a number"]),
        ("workers = ", ["flowgate.toml", "line 1", "mend"]),
    ] {
        let found = problems(&text(written));
        assert_eq!(found.len(), 1, "{written}: {found:?}");
        assert!(says.iter().all(|part| found[0].contains(part)), "{written}: {found:?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let sources =
        text("workers = 0\nhttp = 'x'\nnope = 1\n[kafka]\nacks = 1\n").with_flag("prefix", Some(String::new()));
    let found = problems(&sources);
    assert_eq!(found.len(), 5, "{found:?}");
    let all = Settings::load(&sources).unwrap_err().to_string();
    assert!(all.starts_with("5 settings are wrong\n  "), "{all}");
    assert!(all.contains("`prefix` (flag)"), "{all}");
}

#[test]
fn what_exactly_once_stands_on_is_refused() {
    for name in [
        "isolation.level",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "transactional.id",
        "enable.idempotence",
        "group.id",
        "acks",
        "request.required.acks",
        "bootstrap.servers",
        "metadata.broker.list",
    ] {
        let sources = Sources::new().with_flag(&format!("kafka.{name}"), Some("x".into()));
        let found = problems(&sources);
        assert!(found[0].contains(&format!("`kafka.{name}` (flag): it is the gate's own")), "{found:?}");
    }
}

/// Everything that can be printed of these sources.
fn printed(sources: &Sources) -> String {
    let shown: Vec<_> = sources.shown().map(|(name, value, origin)| format!("{name}={value} {origin}")).collect();
    let loaded = Settings::load(sources);
    let problems = loaded.as_ref().map_or_else(ToString::to_string, |_| String::new());
    format!("{}\n{problems}\n{:?}\n{sources:?}\n{loaded:?}", shown.join("\n"), sources.warnings())
}

/// Goal: no value under `[kafka]` is printed but harmless ones, however the name is spelt and wherever it stands.
#[test]
fn secrets_are_not_shown_nor_told() {
    for name in [
        "sasl.password",
        "sasl.pasword",
        "sasl.jaas.config",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "nobody.knows",
    ] {
        let variable = format!("FLOWGATE_KAFKA__{}", name.to_ascii_uppercase().replace('.', "_"));
        let told = [
            printed(&text(&format!("workers = 0\n[kafka]\n{name} = 'hunter2'\n"))),
            printed(&Sources::new().with_environment(environment(&[(&variable, "hunter2")]))),
            printed(&Sources::new().with_assignment(&format!("kafka.{name}=hunter2"))),
            printed(&Sources::new().with_assignment(&format!("kafka.{name}:hunter2"))),
            printed(&Sources::new().with_assignment(&format!("kafka.{name}:hunter2=="))),
            printed(&Sources::new().with_assignment(&format!("{name}=hunter2"))),
            printed(&text(&format!("[kafka]\n'{name}: hunter2' = 1\n"))),
            printed(&text(&format!("[kafka]\n'{name} hunter2' = [1]\n"))),
        ];
        for told in told {
            assert!(told.contains(name) && !told.contains("hunter2"), "{told}");
        }
    }
    for broken in ["sasl.password = 'hunter2", "sasl.password = hunter2", "sasl.password = \u{e9}hunter2", "hunter2"] {
        let told = printed(&text(&format!("[kafka]\n{broken}\n")));
        assert!(told.contains("line 2 is no TOML") && !told.contains("hunter2"), "{told}");
    }
    let hidden = printed(&text(
        "brokers = 'ops:hunter2@kafka:9092'\nhttp = 'https://ops:hunter2@x'\n[kafka]\nclient.id = 'a:hunter2@b'",
    ));
    assert!(!hidden.contains("hunter2") && hidden.contains("`brokers`") && hidden.contains("`http`"), "{hidden}");
    let harmless = printed(&text("[kafka]\nsasl.username = 'ops'\nsocket.timeout.ms = 60000\n"));
    assert!(harmless.contains("kafka.sasl.username=ops") && harmless.contains("=60000"), "{harmless}");
}

/// Goal: neither hashes of tokens nor the secret of HTTP come out, right or wrong.
#[test]
fn secrets_of_http_are_not_shown_nor_taken_as_flags() {
    let hash = "0123456789abcdef".repeat(4);
    let tokens = [format!("ci:operator:{hash}"), format!("ci:viewer:{hash}"), format!("ci:op:{hash}"), hash.clone()];
    let mut written: Vec<String> = tokens.iter().map(|token| format!("http_tokens = ['{token}']")).collect();
    written.push(format!("http_tokens = 'ci:operator:{hash},ci:operator:{hash}'"));
    written.push(format!("http_secret = '{hash}'"));
    for written in written {
        let name = written.split(' ').next().unwrap();
        let value = written.split_once("= ").unwrap().1.trim_matches(['[', ']', '\'']);
        let variable = format!("FLOWGATE_{}", name.to_ascii_uppercase());
        let flag = Sources::new().with_assignment(&format!("{name}={value}"));
        assert!(problems(&flag)[0].contains(&format!("set {variable}")), "{flag:?}");
        for sources in [text(&written), Sources::new().with_environment(environment(&[(&variable, value)])), flag] {
            let told = printed(&sources);
            assert!(told.contains(name) && !told.contains(&hash[..16]), "{told}");
        }
    }
    let both = format!("http_tokens = ['a:viewer:{hash}', 'b:admin:{hash}']\nhttp_read_only = true\n");
    let settings = Settings::load(&text(&both)).unwrap();
    let tokens: Vec<_> = settings.http_tokens.iter().map(|token| (token.name.as_str(), token.role)).collect();
    assert_eq!((tokens, settings.http_read_only), (vec![("a", Role::Viewer), ("b", Role::Admin)], true));
}

#[test]
fn a_secret_as_a_flag_is_refused_with_the_right_way() {
    let told = problems(&Sources::new().with_assignment("kafka.sasl.password=x"));
    let right = "write `sasl.password` under `[kafka]` in flowgate.toml, or set FLOWGATE_KAFKA__SASL_PASSWORD";
    assert!(told.len() == 1 && told[0].contains("every user can read (`ps`)") && told[0].ends_with(right), "{told:?}");
    let told = problems(&Sources::new().with_assignment("kafka.sasl.pasword=x"));
    assert!(told[0].contains("did you mean `kafka.sasl.password`?") && told[0].ends_with(right), "{told:?}");
    let user = Sources::new().with_assignment("kafka.sasl.username=ops").with_assignment("kafka.security.protocol=SSL");
    assert_eq!(Settings::load(&user).unwrap().kafka.0.len(), 2);
    let url = "kafka.sasl.oauthbearer.token.endpoint.url=https://ops:x@idp/token";
    assert!(problems(&Sources::new().with_assignment(url))[0].contains("may be a secret"));
}

#[test]
fn a_misspelt_name_of_librdkafka_shows_the_nearest_right_one() {
    for (written, near) in [
        ("[kafka]\nsasl.pasword = 'x'", Some("kafka.sasl.password")),
        ("[kafka]\nssl.ca.locaton = 'x'", Some("kafka.ssl.ca.location")),
        ("[kafka]\nsasl.jaas.config = 'x'", Some("kafka.sasl.password")),
        ("[sasl]\npassword = 'x'", Some("kafka.sasl.password")),
        ("[kafka]\nwhatever.this.is = 'x'", None),
    ] {
        let told = problems(&text(written));
        let says = near.map_or("CONFIGURATION.md".to_owned(), |near| format!("did you mean `{near}`?"));
        assert!(told.len() == 1 && told[0].contains(&says), "{written}: {told:?}");
    }
    // A plugin brings settings of its own.
    let plugin = text("[kafka]\nplugin.library.paths = 'monitoring'\nwhatever.this.is = 'x'");
    assert_eq!(Settings::load(&plugin).unwrap().kafka.0.len(), 2);
}

/// Rust's own reader of the environment panics there, and shows the value.
#[test]
fn a_variable_that_is_no_utf8_is_a_problem_without_its_value() {
    use std::os::unix::ffi::OsStringExt as _;
    let value = std::ffi::OsString::from_vec(b"hunter2\xff".to_vec());
    let sources = Sources::new().with_environment([("FLOWGATE_KAFKA__SASL_PASSWORD".into(), value)]);
    let told = problems(&sources);
    assert!(told[0].contains("`kafka.sasl.password`") && told[0].contains("no UTF-8"), "{told:?}");
    assert!(!printed(&sources).contains("hunter2"));
}

#[test]
fn a_file_with_secrets_that_everybody_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flowgate.toml");
    for (written, mode, warned) in [
        ("[kafka]\nsasl.password = 'x'\n", 0o644, true),
        ("[kafka]\nsasl.password = 'x'\n", 0o640, false),
        ("http_secret = '0123456789abcdef'\n", 0o644, true),
        ("[kafka]\nsasl.username = 'x'\n", 0o644, false),
    ] {
        std::fs::write(&path, written).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let sources = Sources::new().with_file(&path, true);
        assert_eq!(sources.warnings().iter().any(|text| text.contains("chmod o-r")), warned, "{written} {mode:o}");
    }
}

#[test]
fn variables_that_set_nothing_are_warned_about_and_those_of_kubernetes_are_not() {
    let sources = Sources::new().with_environment(environment(&[
        ("FLOWGATE_SERVICE_HOST", "10.0.0.1"),
        ("FLOWGATE_PORT_8714_TCP", "tcp://10.0.0.1:8714"),
        ("FLOWGATE_CONFIG", "x.toml"),
        ("FLOWGATE_CONTEXT", "x"),
        ("FLOWGATE_BROKER", "a:1"),
        ("FLOWGATE_KAFKA_SASL_PASSWORD", "x"),
    ]));
    assert!(Settings::load(&sources).is_ok());
    let told = [
        "FLOWGATE_BROKER sets nothing; did you mean FLOWGATE_BROKERS?",
        "FLOWGATE_KAFKA_SASL_PASSWORD sets nothing; did you mean FLOWGATE_KAFKA__SASL_PASSWORD?",
    ];
    assert_eq!(sources.warnings(), told);
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let nowhere = std::path::Path::new("/nonexistent/flowgate.toml");
    assert!(Settings::load(&Sources::new().with_file(nowhere, false)).is_ok());
    assert!(problems(&Sources::new().with_file(nowhere, true))[0].contains("cannot be read"));
}

/// Goal: one setting says how much may wait in the memory of a worker, whatever for.
#[test]
fn the_memory_of_a_worker_is_divided() {
    const MIB: usize = 1 << 20;
    let shares = |sources: &Sources| {
        let settings = Settings::load(sources).unwrap();
        let options = settings.worker(0, "x");
        [options.turn.bytes, options.index_bytes, settings.shares().fetched]
    };
    assert_eq!(shares(&text("")), [32 * MIB, 64 * MIB, 8 * MIB]);
    assert_eq!(shares(&text("memory = '1GiB'")), [128 * MIB, 256 * MIB, 32 * MIB]);
    assert_eq!(shares(&text("memory = '16MiB'")), [2 * MIB, 4 * MIB, MIB]);
}

/// Goal: the Helm chart takes every setting, and only those: but for the ones that it makes itself, and for secrets, which belong
/// into a Secret. Method: its schema against the list of settings.
#[test]
fn the_chart_takes_every_setting() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/helm/flowgate/values.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut taken = std::collections::BTreeSet::new();
    for (name, within) in schema["properties"]["config"]["properties"].as_object().unwrap() {
        match within["properties"].as_object() {
            Some(inner) => taken.extend(inner.keys().map(|inner| format!("{name}.{inner}"))),
            None if name == "kafka" => {}
            None => drop(taken.insert(name.clone())),
        }
    }
    let by_chart = ["instance", "http", "http_hosts"];
    let wanted = fields::FIELDS.iter().filter(|field| !field.is_secret && !by_chart.contains(&field.name));
    assert_eq!(taken, wanted.map(|field| field.name.to_owned()).collect());
}
