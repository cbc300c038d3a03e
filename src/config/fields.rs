//! Every setting there is. What is read, shown and documented comes from this one list.

pub struct Field {
    pub name: &'static str,
    /// As it would be written; empty: none, or worked out from others.
    pub default: &'static str,
    pub meaning: &'static str,
    /// It is never shown, nor taken as a flag.
    pub is_secret: bool,
    /// It names a file: what is no path is not shown.
    pub is_file: bool,
}

const fn field(name: &'static str, default: &'static str, meaning: &'static str) -> Field {
    Field { name, default, meaning, is_secret: false, is_file: false }
}

const fn secret(name: &'static str, meaning: &'static str) -> Field {
    Field { name, default: "", meaning, is_secret: true, is_file: false }
}

const fn file(name: &'static str, meaning: &'static str) -> Field {
    Field { name, default: "", meaning, is_secret: false, is_file: true }
}

pub const FIELDS: &[Field] = &[
    field("brokers", "localhost:9092", "some brokers of the cluster, `host:port` with commas between"),
    field("prefix", "flow", "what the names of all topics start with; the group and transactional ids carry it too"),
    field(
        "instance",
        "",
        "names this instance among those of the prefix; by default host name and HTTP port. One that is given keeps its partitions \
         while it is away, for `session_timeout`",
    ),
    field(
        "forward_to",
        "",
        "another prefix on the same cluster: what would be delivered goes to its enrollments instead, and for good. For moving to it, as \
         docs/migrating.md says",
    ),
    field("workers", "1", "workers of this instance, each a thread that owns partitions"),
    field("http", "127.0.0.1:8714", "where metrics, health, the API and the console are served"),
    field("http_hosts", "", "names by which HTTP may be asked, with commas between, beside `localhost` and addresses"),
    secret(
        "http_tokens",
        "who may ask over HTTP, `NAME:ROLE:SHA256` each, with commas between: `flowgate token create` makes them. Without any, whoever \
         reaches a loopback address may do everything, and on another address nobody anything but ask for metrics and health",
    ),
    file(
        "http_tokens_file",
        "a file with the lines of `http_tokens`, in its place; it is read again when it changes, so that a token can be taken away \
         while the gate runs",
    ),
    file(
        "http_tls_certificate",
        "a PEM file with the certificate that HTTP shows, and the chain to its authority behind it. With it HTTP speaks TLS (1.2 or \
         1.3) and nothing else. It is read again when it changes",
    ),
    file("http_tls_key", "a PEM file with the private key of `http_tls_certificate`, not encrypted"),
    field(
        "http_label",
        "",
        "what people call this cluster, such as `PROD kafka-eu`, 40 characters at most: the console shows it on every page, so that \
         nobody pauses on the wrong one",
    ),
    field("http_read_only", "false", "`true`: no command is taken over HTTP, whoever sends it"),
    secret(
        "http_secret",
        "what sessions of browsers are signed with, 16 characters at least, the same on every instance; without one, who has logged \
         in at one instance has to log in again after its restart, and at each other one",
    ),
    file(
        "http_secret_file",
        "a file with `http_secret`, in its place; it is read again when it changes, which ends all sessions",
    ),
    field("max_pause", "14d", "the longest pause, at most 14d"),
    field(
        "max_known_flows",
        "1000000",
        "flows that one worker records at their first event; further ones pass unrecorded, and can be paused all the same",
    ),
    field("memory", "256MiB", "what may wait in the memory of one worker; where it is used up, the worker waits"),
    field(
        "session_timeout",
        "10s",
        "an instance not heard of for so long has left the group; one whose name is given is waited for after a clean stop too",
    ),
    field("transaction_timeout", "10s", "a transaction open for longer is aborted; at most the session timeout"),
    field("max_poll_interval", "5m", "a worker that does not poll for so long has left the group"),
    field("log.format", "text", "`text` or `json`"),
    field("log.level", "info", "`error`, `warn`, `info`, `debug`, `trace`, also by module: `warn,flowgate=debug`"),
    field(
        "otlp.endpoint",
        "",
        "where spans of traces are sent (OTLP over HTTP): `http://collector:4318`; by default nowhere",
    ),
    field(
        "otlp.sample_ratio",
        "1",
        "of the traces that whoever began them wants recorded, the share whose events get spans: 0 to 1",
    ),
    secret("otlp.headers", "headers for the collector, `NAME=VALUE` each, with commas between"),
    file(
        "otlp.headers_file",
        "a file with the lines `NAME=VALUE`, in the place of `otlp.headers`; it is read again when it changes",
    ),
    file("otlp.ca_file", "a PEM file with the CAs of the collector's certificate; by default the system's"),
    field(
        "otlp.resource",
        "",
        "attributes of the resource that spans belong to, `NAME=VALUE` each, with commas between",
    ),
    field("queue.topic_ttl", "7d", "a queue topic that was empty for so long is deleted"),
    field("queue.segment", "1d", "segments of queue topics are closed after so long: only closed ones are compacted"),
    field("queue.replication_factor", "", "replicas of queue topics; by default the broker's default"),
    field("turn.records", "100000", "events after which a turn is full"),
    field(
        "turn.time",
        "150ms",
        "how long a turn goes on while there is more to read; 1 ms longer for each queue topic it writes to; a fifth of it where only drains follow a live event",
    ),
    field("turn.slice", "2000", "events of a turn that are decided and sent at once"),
    field("turn.backlog", "100000", "held events passed in a turn, all draining flows together"),
    field("turn.topics", "500", "queue topics made for a turn; it writes to eight times as many at most"),
];

/// Where librdkafka's settings stand.
pub const KAFKA: &str = "kafka.";

#[must_use]
pub fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// The setting that was probably meant.
#[must_use]
pub fn closest(name: &str) -> Option<&'static str> {
    let last = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
    let same_end = FIELDS.iter().find(|field| last(field.name) == last(name)).map(|field| field.name);
    same_end.or_else(|| nearest(name, FIELDS.iter().map(|field| field.name)))
}

/// The name of which the fewest characters differ, if those are few.
pub(super) fn nearest(name: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let near = names.map(|other| (distance(other, name), other)).min();
    near.filter(|(distance, _)| *distance <= 3 && *distance * 2 <= name.len()).map(|(_, name)| name)
}

/// How many characters have to be changed, added or taken away.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in other.iter().enumerate() {
            let kept = before + usize::from(a != *b);
            before = row[column + 1];
            row[column + 1] = kept.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
