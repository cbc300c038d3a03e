//! From texts to values. A text that is none leaves the default in its place, so that the rest is looked at too.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use super::fields;
use super::files::{NamedFile, PATH};
use super::origin::Origin;
use super::pairs::Pairs;
use super::problem::{Invalid, Problem};
use super::settings::{Log, LogFormat, Otlp, Queue, Settings};
use super::sources::Sources;
use super::tokens::{Secret, Token};
use crate::broker::kafka::settings;
use crate::duration;
use crate::flow::Limits;
use crate::schema::topics::Topics;
use crate::schema::trace_parent::Sampling;
use crate::worker::{Budget, Shares};

pub(super) struct Reader<'a> {
    pub(super) sources: &'a Sources,
    /// Whether the files of HTTP are read: who only asks the brokers needs none of them, and may not be allowed to read them.
    pub(super) serves_http: bool,
    pub(super) problems: Vec<Problem>,
}

impl Settings {
    /// # Errors
    /// [`Invalid`]: every problem that was found, not only the first.
    pub fn load(sources: &Sources) -> Result<Self, Invalid> {
        Self::load_for(sources, true)
    }

    /// For commands that do not serve HTTP: they must go well also where a certificate or a file of tokens is broken.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load_without_http(sources: &Sources) -> Result<Self, Invalid> {
        Self::load_for(sources, false)
    }

    fn load_for(sources: &Sources, serves_http: bool) -> Result<Self, Invalid> {
        let mut reader = Reader { sources, serves_http, problems: sources.problems().to_vec() };
        let settings = reader.settings();
        match settings {
            Some(settings) if reader.problems.is_empty() => Ok(settings),
            _ => Err(Invalid(reader.problems)),
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Reader<'_> {
    fn settings(&mut self) -> Option<Settings> {
        let http: Option<SocketAddr> =
            self.value("http", "give an address and a port, such as `127.0.0.1:8714`", |text| {
                text.parse().map_err(|_| format!("`{text}` is no address with a port"))
            });
        let http_hosts = self.value("http_hosts", "give names without scheme and port, with commas between", hosts);
        let fix = "give `NAME:ROLE:SHA256`, with commas between; `flowgate token create NAME --role ROLE` prints it";
        let tokens = ["http_tokens", "http_tokens_file"];
        let (http_tokens, http_tokens_file) = self.value_or_file(tokens, fix, [Token::list, Token::list_in_file]);
        let http_read_only = self.value("http_read_only", "use `true` or `false`", |text| {
            text.parse().map_err(|_| format!("`{text}` is neither"))
        });
        let http_label = self.value("http_label", "give 1 to 40 characters of one line, or leave it out", label);
        let fix = "give 16 characters or more, or leave it out";
        let (http_secret, http_secret_file) =
            self.value_or_file(["http_secret", "http_secret_file"], fix, [Secret::read; 2]);
        let (http_tls, http_is_tls) = (self.tls(), self.is_given("http_tls_certificate"));
        let brokers = self.value("brokers", "give `host:port`, with commas between several", brokers);
        let fix = "use letters, digits, `.`, `_` and `-`";
        let topics = self.value("prefix", fix, |text| Topics::new(text).map_err(|why| why.to_string()));
        let topics = topics.and_then(|topics| self.forwarding(topics));
        let instance = self.instance(http);
        let session_timeout = self.duration("session_timeout", SECOND..=Duration::from_secs(1800));
        let transaction_timeout = self.duration("transaction_timeout", SECOND..=Duration::from_secs(900));
        if transaction_timeout > session_timeout {
            let what = format!("it is longer than `session_timeout` ({})", duration::show(session_timeout));
            let fix = "a dead instance would hold its readers back for longer than its partitions; make it shorter";
            self.problem("transaction_timeout", what, fix);
        }
        let format = self.value("log.format", "use `text` or `json`", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("`{text}` is no format of logs")),
        });
        let level = self.value("log.level", "use `info`, or `warn,flowgate=debug`", |text| {
            let parsed = tracing_subscriber::EnvFilter::builder().parse(text);
            parsed.map(|_| text.to_owned()).map_err(|why| format!("`{text}` is no filter: {why}"))
        });
        let otlp = self.otlp();
        let replication_factor = self.sources.get("queue.replication_factor");
        let replication_factor = replication_factor.map(|_| self.number("queue.replication_factor", 1..=32_767));
        let (kafka, kafka_files) = self.kafka();
        Some(Settings {
            workers: self.number("workers", 1..=1024),
            limits: Limits { max_pause: self.duration("max_pause", SECOND..=Limits::MAX_PAUSE) },
            max_known_flows: self.number("max_known_flows", 1..=100_000_000),
            memory: self.size("memory", Shares::LEAST),
            max_poll_interval: self.duration("max_poll_interval", SECOND..=Duration::from_secs(86_400)),
            queue: Queue {
                topic_ttl: self.duration("queue.topic_ttl", SECOND..=YEAR),
                segment: self.duration("queue.segment", SECOND..=YEAR),
                replication_factor,
            },
            turn: Budget {
                records: self.number("turn.records", 1..=10_000_000),
                time: self.duration("turn.time", Duration::from_millis(1)..=Duration::from_secs(5)),
                slice: self.number("turn.slice", 1..=10_000_000),
                backlog: self.number("turn.backlog", 1..=10_000_000),
                topics: self.number("turn.topics", 1..=100_000),
                ..Budget::default()
            },
            session_timeout,
            transaction_timeout,
            kafka,
            kafka_files,
            brokers: brokers?,
            topics: topics?,
            instance: instance?,
            instance_is_given: self.sources.get("instance").is_some(),
            http: http?,
            http_hosts: http_hosts?,
            http_tokens: http_tokens?,
            http_tokens_file,
            http_read_only: http_read_only?,
            http_label: http_label?,
            http_secret: http_secret?,
            http_secret_file,
            http_tls,
            http_is_tls,
            log: Log { format: format?, level: level? },
            otlp,
        })
    }

    /// Where spans go; `None`: nowhere, or there is a problem.
    fn otlp(&mut self) -> Option<Otlp> {
        let url = self.value("otlp.endpoint", "give a URL, such as `http://collector:4318`", collector);
        let sampling = self.value("otlp.sample_ratio", "give 0 to 1, such as 0.05", |text| {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.map(Sampling::share).ok_or_else(|| format!("`{text}` is no share"))
        });
        let fix = "give `NAME=VALUE`";
        let (headers, headers_file) =
            self.value_or_file(["otlp.headers", "otlp.headers_file"], fix, [Pairs::list, Pairs::lines]);
        let ca = self.value("otlp.ca_file", PATH, |text| match text {
            "" => Ok(None),
            text => NamedFile::new("otlp.ca_file", text).map(|file| Some(file.path)),
        });
        let resource = self.value("otlp.resource", fix, Pairs::list);
        if !cfg!(feature = "otlp") && url.as_ref().is_some_and(Option::is_some) {
            self.problem("otlp.endpoint", "this build has no traces".to_owned(), "build with `--features otlp`");
        }
        let (url, sampling, headers, ca, resource) = (url??, sampling?, headers?, ca?, resource?);
        Some(Otlp { url, sampling, headers, headers_file, ca, resource })
    }

    /// By default host name and port: two instances on a machine have different ports.
    fn instance(&mut self, http: Option<SocketAddr>) -> Option<String> {
        const FIX: &str = "give 1 to 100 characters without spaces, different for each instance";
        if self.sources.get("instance").is_some() {
            return self.value("instance", FIX, |text| {
                let fine =
                    (1..=100).contains(&text.len()) && !text.chars().any(|c| c.is_whitespace() || c.is_control());
                if fine { Ok(text.to_owned()) } else { Err(format!("`{text}` names no instance")) }
            });
        }
        let Some(host) = host_name() else {
            self.problem("instance", "the host has no name to make it from".to_owned(), FIX);
            return None;
        };
        Some(format!("{host}-{}", http?.port()))
    }

    /// The topics of the prefix, with those of `forward_to`, if it is given.
    fn forwarding(&mut self, topics: Topics) -> Option<Topics> {
        if self.sources.get("forward_to").is_none() {
            return Some(topics);
        }
        let fix = "name the prefix that the flows move to";
        self.value("forward_to", fix, |text| topics.forward_to(text).map_err(|why| why.to_string()))
    }

    /// Its error quotes the text, unless that looks like a secret.
    pub(super) fn value<T>(
        &mut self,
        name: &str,
        fix: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.sources.get(name).map_or("", |given| given.value.trim());
        match parse(text) {
            Ok(value) => Some(value),
            Err(what) => {
                let what = if settings::looks_secret(text) {
                    "it is not taken, and not told: it looks like a secret".to_owned()
                } else {
                    what
                };
                self.problem(name, what, fix);
                None
            }
        }
    }

    fn duration(&mut self, name: &str, range: std::ops::RangeInclusive<Duration>) -> Duration {
        let (least, most) = (duration::show(*range.start()), duration::show(*range.end()));
        let fix = format!("give {least} to {most}");
        let value = self.value(name, &fix, |text| within(duration::parse(text)?, &range, text));
        value.or_else(|| duration::parse(fields::find(name)?.default).ok()).unwrap_or_default()
    }

    fn number<T>(&mut self, name: &str, range: std::ops::RangeInclusive<T>) -> T
    where
        T: std::str::FromStr + PartialOrd + Display + Copy,
    {
        let fix = format!("give {} to {}", range.start(), range.end());
        let value = self.value(name, &fix, |text| {
            within(text.parse().map_err(|_| format!("`{text}` is no whole number"))?, &range, text)
        });
        value.unwrap_or(*range.start())
    }

    fn size(&mut self, name: &str, least: usize) -> usize {
        let fix = format!("give at least {least}; `64MiB` is 67108864");
        let value = self.value(name, &fix, |text| within(bytes(text)?, &(least..=1 << 46), text));
        value.unwrap_or(least)
    }

    pub(super) fn problem(&mut self, name: &str, what: String, fix: &str) {
        let origin = self.sources.get(name).map_or(Origin::Default, |given| given.origin.clone());
        self.problems.push(Problem { field: name.to_owned(), origin, what, fix: fix.to_owned() });
    }
}

/// The URL for spans of a collector, or of what stands before it.
fn collector(text: &str) -> Result<Option<String>, String> {
    const PATH: &str = "/v1/traces";
    if text.is_empty() {
        return Ok(None);
    }
    let rest = ["http://", "https://"].iter().find_map(|start| text.strip_prefix(start));
    let host = rest.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty() && !host.contains('@'));
    if host.is_none() || text.chars().any(char::is_whitespace) {
        return Err("it is no URL of HTTP without a user in it".to_owned());
    }
    let text = text.trim_end_matches('/');
    Ok(Some(if text.ends_with(PATH) { text.to_owned() } else { format!("{text}{PATH}") }))
}

fn within<T: PartialOrd>(value: T, range: &std::ops::RangeInclusive<T>, text: &str) -> Result<T, String> {
    if range.contains(&value) { Ok(value) } else { Err(format!("`{text}` is out of range")) }
}

fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no size");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let unit: usize = match text[digits..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

fn brokers(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.contains('@') {
        return Err("it holds a user, which belongs into `kafka.sasl.username` and `kafka.sasl.password`".to_owned());
    }
    for part in &parts {
        let port = part.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse().ok());
        if port.is_none_or(|port: u16| port == 0) {
            return Err(format!("`{part}` is no `host:port`"));
        }
    }
    Ok(parts.join(","))
}

fn hosts(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let is_one = |name: &str| name.chars().all(|sign| sign.is_ascii_alphanumeric() || "-._".contains(sign));
    names
        .map(|name| if is_one(name) { Ok(name.to_owned()) } else { Err(format!("`{name}` is no name of a host")) })
        .collect()
}

fn label(text: &str) -> Result<Option<String>, String> {
    match text.chars().count() {
        0 => Ok(None),
        1..=40 if !text.chars().any(char::is_control) => Ok(Some(text.to_owned())),
        1..=40 => Err("it has signs that nobody sees".to_owned()),
        count => Err(format!("it has {count} characters")),
    }
}

pub(crate) fn host_name() -> Option<String> {
    let of_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = of_kernel.or_else(|| std::env::var("HOSTNAME").ok())?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}
