use std::time::Duration;

use super::*;

fn file() -> Origin {
    Origin::File("flowgate.toml".into())
}

fn text(text: &str) -> Sources {
    Sources::new().with_text(text, &file())
}

fn problems(sources: &Sources) -> Vec<String> {
    Settings::load(sources).unwrap_err().0.iter().map(ToString::to_string).collect()
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
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
    let kafka: Vec<_> = settings.kafka.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(kafka, ["sasl.mechanism=PLAIN", "sasl.username=ops", "ssl.ca.location=/ca"]);
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
        ("max_pause = '15d'", ["`max_pause`", "out of range", "1s to 14d"]),
        ("max_pause = 14", ["`max_pause`", "`14` is no duration", "1s to 14d"]),
        ("index_bytes = '64MB'", ["`index_bytes`", "no size", "at least"]),
        ("index_bytes = 1", ["`index_bytes`", "out of range", "65536"]),
        ("session_timeout = '5s'", ["`transaction_timeout`", "longer than `session_timeout` (5s)", "shorter"]),
        ("max_poll_interval = '0s'", ["`max_poll_interval`", "out of range", "1s"]),
        ("log.format = 'xml'", ["`log.format`", "no format", "`json`"]),
        ("log.level = 'flowgate=loud'", ["`log.level`", "no filter", "`info`"]),
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

#[test]
fn secrets_are_not_shown_nor_told() {
    let mut sources = Sources::new();
    let secrets =
        ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret", "ssl.keystore.password"];
    for name in secrets {
        sources = sources.with_flag(&format!("kafka.{name}"), Some("hunter2".into()));
    }
    sources = sources.with_flag("kafka.sasl.username", Some("ops".into()));
    let shown: Vec<_> = sources.shown().filter(|(name, ..)| name.starts_with("kafka.")).collect();
    assert_eq!(shown.len(), secrets.len() + 1);
    assert!(shown.iter().all(|(_, value, _)| *value != "hunter2"), "{shown:?}");
    assert!(shown.iter().any(|(_, value, _)| *value == "ops"));
    let broken = text("[kafka]\nsasl.password = 'hunter2\n").with_flag("workers", Some("0".into()));
    assert!(!problems(&broken).join("\n").contains("hunter2"));
}

#[test]
fn variables_that_set_nothing_are_warned_about_and_those_of_kubernetes_are_not() {
    let sources = Sources::new().with_environment(environment(&[
        ("FLOWGATE_SERVICE_HOST", "10.0.0.1"),
        ("FLOWGATE_PORT_8714_TCP", "tcp://10.0.0.1:8714"),
        ("FLOWGATE_CONFIG", "x.toml"),
        ("FLOWGATE_BROKER", "a:1"),
    ]));
    assert!(Settings::load(&sources).is_ok());
    assert_eq!(sources.warnings(), ["FLOWGATE_BROKER sets nothing; did you mean FLOWGATE_BROKERS?"]);
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let nowhere = std::path::Path::new("/nonexistent/flowgate.toml");
    assert!(Settings::load(&Sources::new().with_file(nowhere, false)).is_ok());
    assert!(problems(&Sources::new().with_file(nowhere, true))[0].contains("cannot be read"));
}
