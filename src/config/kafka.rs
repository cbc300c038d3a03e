//! What of librdkafka may be set: everything but what exactly-once stands on.

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
    ("group.instance.id", "a dead instance would keep its partitions until the session ends"),
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

/// Whether its value is not to be shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 5] = ["password", "secret", "passphrase", "private.key", "oauthbearer.config"];
    PARTS.iter().any(|part| name.contains(part)) || name.ends_with("key.pem") || name.ends_with("sasl.jaas.config")
}

/// What stands for a secret.
pub const REDACTED: &str = "********";
