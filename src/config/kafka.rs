//! What of librdkafka may be set: everything but what exactly-once stands on. And what of it is shown: only the values
//! that [`settings::may_show`] lets through.

use std::collections::BTreeMap;
use std::fmt;

use super::fields::{self, KAFKA};
use super::files::is_path;
use crate::broker::kafka::{REDACTED, settings};

/// Settings that are refused, each with what depends on it.
const REFUSED: &[(&str, &str)] = &[
    ("isolation.level", "the gate reads only what is committed"),
    ("enable.auto.commit", "offsets are committed in the transaction of the turn, and nowhere else"),
    ("auto.commit.interval.ms", "offsets are committed in the transaction of the turn, and nowhere else"),
    ("enable.auto.offset.store", "offsets are committed in the transaction of the turn, and nowhere else"),
    ("offset.store.method", "offsets are committed in the transaction of the turn, and nowhere else"),
    ("auto.offset.reset", "a lost position must stop the gate, not skip or repeat events"),
    ("enable.partition.eof", "the end of a partition tells when its state is restored"),
    ("transactional.id", "it is made from prefix, instance and worker; set `instance`"),
    ("transaction.timeout.ms", "it has a setting of its own: `transaction_timeout`"),
    ("session.timeout.ms", "it has a setting of its own: `session_timeout`"),
    ("max.poll.interval.ms", "it has a setting of its own: `max_poll_interval`"),
    ("enable.idempotence", "transactions need it"),
    ("enable.gapless.guarantee", "the transaction decides what is stored"),
    ("acks", "a commit counts only what all replicas in sync have"),
    ("request.required.acks", "a commit counts only what all replicas in sync have"),
    ("retries", "the producer has to go on trying until the transaction ends"),
    ("message.send.max.retries", "the producer has to go on trying until the transaction ends"),
    ("max.in.flight", "the order of records depends on it"),
    ("max.in.flight.requests.per.connection", "the order of records depends on it"),
    ("group.id", "it is made from the prefix: all gates of a prefix are one group"),
    ("group.instance.id", "it is made from prefix, instance and worker where `instance` is given"),
    ("compression.type", "the gate compresses only what is refused for its size"),
    ("compression.codec", "the gate compresses only what is refused for its size"),
    ("allow.auto.create.topics", "topics have to be made with their settings, by `flowgate topics create`"),
    ("delivery.report.only.error", "a turn is committed when every record of it was acknowledged"),
    ("bootstrap.servers", "it has a setting of its own: `brokers`"),
    ("metadata.broker.list", "it has a setting of its own: `brokers`"),
];

/// Why a setting of librdkafka's is not to be set.
#[must_use]
pub fn refused(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why)
}

/// Java's names for what librdkafka calls otherwise.
const JAVA: &[(&str, &str)] = &[
    ("sasl.jaas.config", "sasl.password"),
    ("ssl.truststore.location", "ssl.ca.location"),
    ("ssl.truststore.certificates", "ssl.ca.pem"),
    ("ssl.keystore.key", "ssl.key.pem"),
    ("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
];

/// The name of librdkafka's that was probably meant, be it written with dots or, as in the environment, with `_`.
#[must_use]
pub fn closest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('_', ".");
    let name = name.strip_prefix(KAFKA).unwrap_or(&name);
    let java = JAVA.iter().find(|(java, _)| *java == name).map(|(_, here)| *here);
    java.or_else(|| fields::nearest(name, settings::names()))
}

/// What is wrong with a setting that librdkafka does not have, and what was probably meant.
#[must_use]
pub fn unknown(name: &str) -> (String, String) {
    if let Some(near) = name.strip_suffix(FILE).and_then(closest) {
        return ("librdkafka has no such setting".to_owned(), format!("did you mean `{KAFKA}{near}{FILE}`?"));
    }
    let fix = match closest(name) {
        Some(near) => format!("did you mean `{KAFKA}{near}`?"),
        None => "librdkafka's CONFIGURATION.md lists all of them".to_owned(),
    };
    ("librdkafka has no such setting".to_owned(), fix)
}

/// Behind the name of a setting: names the file in which its value stands.
pub const FILE: &str = ".file";

/// The setting whose value stands in a file, if this names that file. Some of librdkafka's own names end so too: they are not meant.
#[must_use]
pub fn of_file(name: &str) -> Option<&str> {
    name.strip_suffix(FILE).filter(|of| settings::is_known(of) && !settings::is_known(name))
}

/// Whether the value of a setting may stand in a file: what else there is nobody has to hide.
#[must_use]
pub fn may_be_in_file(name: &str) -> bool {
    name == settings::USERNAME || settings::is_secret(name)
}

/// Whether this value of this setting may be printed, and written on a command line.
#[must_use]
pub fn may_show(name: &str, value: &str) -> bool {
    match of_file(name) {
        Some(_) => is_path(value) && !settings::looks_secret(value),
        None => settings::may_show(name, value),
    }
}

/// The settings that librdkafka is given.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Client(pub BTreeMap<String, String>);

/// Without values that may not be shown.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, value)| (name, shown(name, value)))).finish()
    }
}

/// The value, or what stands for it.
#[must_use]
pub fn shown<'a>(name: &str, value: &'a str) -> &'a str {
    if may_show(name, value) { value } else { REDACTED }
}
