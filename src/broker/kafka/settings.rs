//! The settings of librdkafka by name, and which of their values may be shown.
//!
//! A value is hidden unless its name is on the list of harmless ones: a name that is misspelt, new or forgotten here
//! hides its value too. What stands on the list is still hidden where it looks like a secret that went astray.

/// A login by a user and a password, which can be replaced in a client that runs.
pub const USERNAME: &str = "sasl.username";
pub const PASSWORD: &str = "sasl.password";

/// Numbers, words that librdkafka gives, names and paths: nobody gets in with one of them.
const HARMLESS: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "batch.num.messages",
    "batch.size",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "builtin.features",
    "check.crcs",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "client.software.name",
    "client.software.version",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "debug",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.metrics.push",
    "enable.partition.eof",
    "enable.random.seed",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.sparse.connections",
    "enable.ssl.certificate.verification",
    "enable_sasl_queue",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "https.ca.location",
    "internal.termination.signal",
    "isolation.level",
    "linger.ms",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.copy.max.bytes",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metadata.request.timeout.ms",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "partitioner",
    "plugin.library.paths",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "queuing.strategy",
    "receive.message.max.bytes",
    "reconnect.backoff.jitter.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.assertion.algorithm",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "socket.blocking.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.certificate.stores",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.engine.id",
    "ssl.engine.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.providers",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "sticky.partitioning.linger.ms",
    "test.mock.broker.rtt",
    "test.mock.num.brokers",
    "topic.blacklist",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.cnt",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
    "transaction.timeout.ms",
    "transactional.id",
];

/// Secrets, and what may hold one: a PEM text its private key, a command its password, a list of claims anything.
const HIDDEN: &[&str] = &[
    "https.ca.pem",
    "sasl.kerberos.kinit.cmd",
    "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    "sasl.oauthbearer.assertion.claim.iss",
    "sasl.oauthbearer.assertion.claim.jti.include",
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.claim.sub",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.password",
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Every setting that there is.
pub fn names() -> impl Iterator<Item = &'static str> {
    HARMLESS.iter().chain(HIDDEN).copied()
}

/// Whether the values of this setting are secrets, or may be.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    HIDDEN.contains(&name)
}

/// Whether librdkafka has a setting of this name. A plugin of its may bring more.
#[must_use]
pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Whether this value of this setting may be printed, logged, and written on a command line.
#[must_use]
pub fn may_show(name: &str, value: &str) -> bool {
    HARMLESS.contains(&name) && !looks_secret(value)
}

/// Whether a value looks like a secret, whatever its name says: a user with a password before an `@`, a key, a token, a
/// line of JAAS. Too often is better than too seldom.
#[must_use]
pub fn looks_secret(value: &str) -> bool {
    const LONGEST: usize = 256;
    const SIGNS: [&str; 7] = ["password", "passphrase", "secret", "token=", "required ", "-----begin", "bearer "];
    let lower = value.to_ascii_lowercase();
    let login = value.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'));
    let token = value.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.starts_with("eyJ"));
    // A path may well be named after what it holds.
    let named = !value.starts_with('/') && SIGNS.iter().any(|sign| lower.contains(sign));
    login || token || named || value.len() > LONGEST || value.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::super::native::{c_string, has_setting, setting_names};
    use super::*;

    fn is_there(name: &str) -> bool {
        has_setting(&c_string(name).unwrap())
    }

    /// Goal: a setting that a newer librdkafka brings is sorted by somebody, and no name here is misspelt. Method: both
    /// lists against librdkafka's own.
    #[test]
    fn every_setting_is_sorted_once_and_exists() {
        const NO_TEXTS: [&str; 9] = [
            "enabled_events",
            "opaque",
            "interceptors",
            "default_topic_conf",
            "msg_order_cmp",
            "ssl_key",
            "ssl_certificate",
            "ssl_ca",
            "ssl_engine_callback_data",
        ];
        let all = setting_names();
        assert!(all.len() > 100 && !is_there("no.such.setting"), "{all:?}");
        for name in &all {
            let no_text = name.ends_with("_cb") || NO_TEXTS.contains(&name.as_str());
            assert!(no_text || is_known(name), "sort `{name}`: may its value be shown?");
        }
        for name in names() {
            assert_eq!(names().filter(|other| *other == name).count(), 1, "{name}");
            assert!(all.iter().any(|known| known == name) || is_there(name), "librdkafka has no `{name}`");
        }
        for name in ["password", "secret", "pem", "passphrase"] {
            assert!(!HARMLESS.iter().any(|harmless| harmless.contains(name)), "{name}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_hidden_under_every_name() {
        for value in [
            "https://ops:hunter2@idp/token",
            "ops:hunter2@kafka:9092",
            "org.apache.kafka.PlainLoginModule required username=\"a\" password=\"b\";",
            "-----BEGIN PRIVATE KEY-----\nMII",
            "eyJhbGciOiJub25lIn0.e30.",
            "Bearer abc",
            "two\nlines",
        ] {
            assert!(!may_show("client.id", value), "{value}");
        }
        for (name, value) in [
            ("security.protocol", "SASL_SSL"),
            ("sasl.username", "ops@EXAMPLE.COM"),
            ("ssl.key.location", "/run/secrets/client.key"),
            ("sasl.oauthbearer.token.endpoint.url", "https://idp.example.com/oauth2/token"),
            ("ssl.cipher.suites", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"),
        ] {
            assert!(may_show(name, value), "{name} {value}");
        }
        assert!(!may_show("sasl.password", "x") && !may_show("sasl.pasword", "x"));
    }
}
