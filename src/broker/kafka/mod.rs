//! The adapter to Kafka: librdkafka through rdkafka's bindings. Its pointers are all in `native`; the other files decide what
//! is asked of it, and what its answers mean.
//!
//! Every call blocks for as long as its limit says: they belong on threads of their own, never on an async runtime's.

mod admin;
mod client;
mod consumer;
mod describe;
mod errors;
mod fetches;
mod mask;
mod member;
#[expect(unsafe_code, reason = "librdkafka is a library in C")]
mod native;
mod offsets;
pub mod oidc;
mod producer;
mod publisher;
mod reader;
mod record;
mod sending;
pub mod settings;
mod shared;
mod transaction;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaType;

pub use admin::KafkaAdmin;
pub use mask::REDACTED;
pub use member::KafkaMember;
pub use publisher::KafkaPublisher;
pub use reader::KafkaReader;
pub use sending::KafkaProducer;
pub use transaction::KafkaTransaction;

use self::client::Client;
use self::consumer::Consumer;
use self::native::{Of, millis};
use self::oidc::Keeper;
use self::shared::Shared;
use super::{BATCH_BYTES, Broker, Code, Compression, Error, Isolation, MemberOptions, ProducerOptions, Result};

/// Larger than any topic allows: librdkafka measures a record before it is compressed, the broker's word is what counts.
const LARGEST_RECORD: &str = "50000000";

/// How long a transaction's record waits at most for its batch to be full; the end of a turn flushes all of them. librdkafka
/// makes a request of each batch: with 5 ms, events held for 100 flows cost the broker six times the CPU, and were held at
/// less than half of the speed (measured).
const LINGER: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct KafkaOptions {
    /// Some brokers of the cluster, `host:port` with commas between.
    pub brokers: String,
    /// More of librdkafka's settings, for all clients: TLS, SASL and the like.
    pub client: BTreeMap<String, String>,
    /// The group that readers name, which they never join: where a cluster has ACLs it must be one we may read.
    pub reader_group: String,
    /// User and password stand where others replace them, and come by [`Kafka::set_login`]: a login that is refused after others were
    /// not is only final when it has been refused for three minutes.
    pub login_may_change: bool,
    /// What each consumer may have fetched ahead, in bytes of records.
    pub fetched_bytes: usize,
    /// A reader that has met so many topics goes on with another client, unless it reads more than half of them.
    /// librdkafka (2.12.1) forgets no topic, and for each topic in an answer of a broker it looks through all of them: whoever
    /// reads 10,000 queues one after another would keep a core busy with that alone.
    pub reader_topics: usize,
}

impl KafkaOptions {
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            client: BTreeMap::new(),
            reader_group: "flowgate".to_owned(),
            login_may_change: false,
            fetched_bytes: 8 * 1024 * 1024,
            reader_topics: 2_048,
        }
    }
}

/// Without the values of librdkafka's settings.
impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, client, reader_group, login_may_change, fetched_bytes, reader_topics } = self;
        let names: Vec<_> = client.keys().collect();
        f.debug_struct("KafkaOptions")
            .field("brokers", brokers)
            .field("client", &names)
            .field("reader_group", reader_group)
            .field("login_may_change", login_may_change)
            .field("fetched_bytes", fetched_bytes)
            .field("reader_topics", reader_topics)
            .finish()
    }
}

/// A Kafka cluster.
#[derive(Clone)]
pub struct Kafka {
    options: Arc<KafkaOptions>,
    shared: Arc<Shared>,
}

impl Kafka {
    /// Nothing is connected yet: see [`Kafka::connect`]. Values of settings that may not be shown are kept out of all
    /// errors and logs of this process from here on.
    #[must_use]
    pub fn new(options: KafkaOptions) -> Self {
        let secrets = options.client.iter().filter(|(name, value)| !settings::may_show(name, value));
        mask::hide(secrets.map(|(_, value)| value.as_str()));
        // What is wrong with them is for whoever reads the settings; librdkafka refuses them here.
        let tokens = oidc::read(&options.client).ok().flatten().map(Keeper::new);
        let shared = Arc::new(Shared::new(options.login_may_change, tokens));
        Self { options: Arc::new(options), shared }
    }

    /// Has all clients, those that there are and those to come, log in with these from their next connections on. Connections that are
    /// open stay so. For the mechanisms PLAIN and SCRAM. The password is kept out of all errors and logs from here on.
    ///
    /// # Errors
    /// [`super::Code::InvalidArgument`]: a NUL byte is in it.
    pub fn set_login(&self, username: &str, password: &str) -> Result<()> {
        mask::hide([password].into_iter());
        self.shared.set_login(username, password)
    }

    /// Has tokens asked for with this secret from now on. It is kept out of all errors and logs.
    pub fn set_client_secret(&self, secret: &str) {
        mask::hide([secret].into_iter());
        self.shared.set_client_secret(secret);
    }

    /// Why there is no token for the brokers that lets us in, while that is so.
    #[must_use]
    pub fn lacks_token(&self) -> Option<String> {
        self.shared.trouble()
    }

    /// Waits until the cluster answers, up to `limit`.
    ///
    /// # Errors
    /// [`super::Code::Authentication`] with [`super::Action::Stop`] as soon as a broker refuses the password, the
    /// certificate or the protocol (within 2 s; no other call can tell that from a cluster that is down).
    /// [`super::Code::NoToken`] likewise where whoever issues tokens refuses us. [`super::Action::Retry`] if nobody answers. [`super::Code::InvalidArgument`] for settings that librdkafka refuses.
    pub fn connect(&self, limit: Duration) -> Result<()> {
        let client = Client::new(RDKafkaType::RD_KAFKA_PRODUCER, self.config(&[], &[]), Arc::clone(&self.shared))?;
        client.within("connect", limit, |slice| {
            Ok(client.metadata(&Of::Known, slice.min(Duration::from_millis(100))).map(drop).ok())
        })?;
        self.shared.let_in();
        Ok(())
    }

    /// A call into librdkafka that has run for 30 s longer than its own limit, described. Such a call cannot be ended
    /// but with the process.
    #[must_use]
    pub fn overdue(&self, now: Instant) -> Option<String> {
        self.shared.overdue(now)
    }

    /// Settings of a client: `defaults`, which the caller's settings replace, and `fixed`, which exactly-once stands on.
    fn config(&self, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        let everywhere = [
            ("client.id", "flowgate"),
            // The default of 10 s turns a broker's restart into a gap of 20 s.
            ("reconnect.backoff.max.ms", "500"),
            // A broker that has just come back may answer that topics do not exist, and librdkafka believes it until it
            // asks again: by default 5 minutes later, in which a drain would stand still.
            ("topic.metadata.refresh.interval.ms", "10000"),
            ("socket.nagle.disable", "true"),
            // Telling the brokers about ourselves costs requests, and one more when a client ends.
            ("enable.metrics.push", "false"),
        ];
        for (name, value) in everywhere.iter().chain(defaults) {
            config.set(*name, *value);
        }
        let asks = self.shared.tokens().is_some();
        for (name, value) in &self.options.client {
            if !(asks && oidc::OF_OIDC.contains(&name.as_str())) {
                config.set(name, value);
            }
        }
        // A topic that somebody only asks for must not come into being.
        let everywhere = [("bootstrap.servers", self.options.brokers.as_str()), ("allow.auto.create.topics", "false")];
        for (name, value) in everywhere.iter().chain(fixed) {
            config.set(*name, *value);
        }
        config
    }

    fn consumer_config(&self, group: &str, isolation: Isolation) -> ClientConfig {
        let fetched = self.options.fetched_bytes;
        let (fetched, fetched_kib) = (fetched.to_string(), (fetched / 1024).max(1).to_string());
        let defaults = [
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("queued.max.messages.kbytes", fetched_kib.as_str()),
            // The default of 1 s stalls a consumer whose queue was full.
            ("fetch.queue.backoff.ms", "10"),
            // A partition that is added waits for the fetch under way.
            ("fetch.wait.max.ms", "100"),
            // However many partitions are fetched, an answer is no larger.
            ("fetch.max.bytes", fetched.as_str()),
            // That a topic does not exist is told after this long instead of 30 s.
            ("topic.metadata.propagation.max.ms", "5000"),
        ];
        let isolation = match isolation {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        };
        let fixed = [
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            // A position behind the last record is only known from the end of the partition.
            ("enable.partition.eof", "true"),
            ("isolation.level", isolation),
        ];
        self.config(&defaults, &fixed)
    }

    fn producer_config(&self, linger: Duration, batch_bytes: usize) -> ClientConfig {
        let linger = millis(linger).to_string();
        let defaults = [
            ("linger.ms", linger.as_str()),
            // Sending offsets waits for the group's coordinator, and looks for another one only when some connection of
            // this client comes or goes: after a broker's death that was never. Connections that are not used go.
            ("connections.max.idle.ms", "5000"),
            ("message.max.bytes", LARGEST_RECORD),
            ("queue.buffering.max.kbytes", "65536"),
            // Bytes are the bound; a count would stop a turn of small records.
            ("queue.buffering.max.messages", "0"),
            // A topic that does not exist is told after this long instead of 30 s.
            ("topic.metadata.propagation.max.ms", "5000"),
        ];
        let mut config = self.config(&defaults, &[("enable.idempotence", "true")]);
        // Settings may make batches smaller. Larger ones a topic might refuse, with all that is in them.
        let wanted = config.get("batch.size").and_then(|bytes| bytes.parse().ok()).unwrap_or(usize::MAX);
        config.set("batch.size", wanted.min(batch_bytes).to_string());
        config
    }
}

impl Broker for Kafka {
    type Member = KafkaMember;
    type Reader = KafkaReader;
    type Producer = KafkaProducer;
    type Publisher = KafkaPublisher;
    type Admin = KafkaAdmin;

    fn member(&self, options: &MemberOptions) -> Result<KafkaMember> {
        self.shared.check()?;
        let mut config = self.consumer_config(&options.group, Isolation::ReadCommitted);
        let session = options.session_timeout;
        config.set("client.id", &options.client_id);
        if let Some(instance_id) = &options.instance_id {
            config.set("group.instance.id", instance_id);
        }
        config.set("session.timeout.ms", millis(session).to_string());
        config.set("heartbeat.interval.ms", millis(session / 3).min(3000).to_string());
        // librdkafka wants it no shorter than the session.
        config.set("max.poll.interval.ms", millis(options.max_poll_interval.max(session)).to_string());
        KafkaMember::join(Consumer::new(config, Arc::clone(&self.shared))?, options)
    }

    fn reader(&self, isolation: Isolation) -> Result<KafkaReader> {
        self.shared.check()?;
        let config = self.consumer_config(&self.options.reader_group, isolation);
        KafkaReader::new(config, Arc::clone(&self.shared), self.options.reader_topics)
    }

    fn producer(&self, options: &ProducerOptions) -> Result<KafkaProducer> {
        self.shared.check()?;
        let mut config = self.producer_config(LINGER.min(options.transaction_timeout / 2), options.batch_bytes);
        config.set("transactional.id", &options.transactional_id);
        config.set("transaction.timeout.ms", millis(options.transaction_timeout).to_string());
        config.set(
            "compression.type",
            match options.compression {
                Compression::None => "none",
                Compression::Zstd => "zstd",
            },
        );
        let made = KafkaProducer::connect(config, Arc::clone(&self.shared), options.transaction_timeout);
        made.map_err(|error| match error.code {
            // librdkafka does not name it, and nobody can ask the brokers for it.
            Code::Denied => {
                let id = &options.transactional_id;
                let detail = format!("the brokers do not allow this user the transactional id `{id}`: {error}");
                Error { detail, ..error }
            }
            _ => error,
        })
    }

    fn publisher(&self) -> Result<KafkaPublisher> {
        self.shared.check()?;
        // Nobody says that a record is the last.
        let config = self.producer_config(Duration::from_millis(5), BATCH_BYTES);
        let client = Client::new(RDKafkaType::RD_KAFKA_PRODUCER, config, Arc::clone(&self.shared))?;
        Ok(KafkaPublisher::new(client))
    }

    fn admin(&self) -> Result<KafkaAdmin> {
        self.shared.check()?;
        let client = Client::new(RDKafkaType::RD_KAFKA_PRODUCER, self.config(&[], &[]), Arc::clone(&self.shared))?;
        let groups = self.consumer_config(&self.options.reader_group, Isolation::ReadCommitted);
        Ok(KafkaAdmin::new(client, groups))
    }
}
