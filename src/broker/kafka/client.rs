//! A client of the cluster: what all kinds of clients do about log lines, errors, time limits and metadata.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaConfRes, RDKafkaType};

use super::errors::{self, invalid, plain};
use super::mask::{masked, words};
use super::native::RespErr::{RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RD_KAFKA_RESP_ERR_NO_ERROR};
use super::native::{
    ErrorEvent, Errors, Event, LogLine, NativeClient, NativeEvent, Of, Queue, TopicHandle, TopicMetadata, c_string,
};
use super::settings::{self, may_show};
use super::shared::{Entered, Shared};
use crate::broker::{Action, Code, Error, Result};

/// How long one request may take before the call that made it gives up.
pub(super) const REQUEST: Duration = Duration::from_secs(5);

/// How long one blocking call waits before the errors of the client are looked at again: a refused login shows there
/// and nowhere else.
const SLICE: Duration = Duration::from_millis(200);

/// How long an admin request may take, a change of topics for example.
const CHANGE: Duration = Duration::from_secs(20);

/// Dropping it is a crash as far as the cluster can tell.
pub(super) struct Client {
    pub native: Arc<NativeClient>,
    pub shared: Arc<Shared>,
    transport_errors: Cell<u64>,
    /// Requests nobody waits for whose answers are still to come.
    unanswered: Cell<usize>,
    /// The call that destroys `native`. Declared behind it, so that it ends when that is done.
    _destroying: Option<Entered>,
}

impl Client {
    pub fn new(kind: RDKafkaType, config: ClientConfig, shared: Arc<Shared>) -> Result<Self> {
        Self::with(kind, config, shared, Errors::Among)
    }

    /// A consumer whose errors as a whole and log lines come apart from its records: [`Client::poll_apart`].
    pub fn with_errors_apart(config: ClientConfig, shared: Arc<Shared>) -> Result<Self> {
        Self::with(RDKafkaType::RD_KAFKA_CONSUMER, config, shared, Errors::Apart)
    }

    fn with(kind: RDKafkaType, mut config: ClientConfig, shared: Arc<Shared>, errors: Errors) -> Result<Self> {
        // Settings that were kept to make clients of may have an older login.
        if let Some((username, password)) = shared.login() {
            config.set(settings::USERNAME, username).set(settings::PASSWORD, password);
        }
        // Log lines come as events too, instead of on librdkafka's own threads.
        config.set("log.queue", "true");
        let config = config.create_native_config().map_err(|error| unfit(&error))?;
        // Reads the files that the settings name: certificates on a disk that hangs make this call hang.
        let entered = shared.enter("making a client", SLICE);
        let native = NativeClient::new(kind, config, errors).map_err(|reason| invalid(words(&reason)))?;
        drop(entered);
        shared.adopt(&native)?;
        Ok(Self { native, shared, transport_errors: Cell::new(0), unanswered: Cell::new(0), _destroying: None })
    }

    /// How many errors of connections it has reported so far.
    pub fn transport_errors(&self) -> u64 {
        self.transport_errors.get()
    }

    /// The next event, waiting up to `wait`. Log lines are passed on to tracing.
    pub fn poll(&self, wait: Duration) -> Option<Event<'_>> {
        let event = self.next(wait, |left| self.native.poll(left));
        if let Some(Event::Answer(answer)) = &event {
            self.unanswered.set(self.unanswered.get().saturating_sub(1));
            log_failures(answer);
        }
        event
    }

    /// The next error of the client as a whole, without waiting, if they come apart.
    pub fn poll_apart(&self) -> Option<ErrorEvent> {
        loop {
            if let Event::Error(error) = self.next(Duration::ZERO, |_| self.native.poll_apart())? {
                return Some(error);
            }
        }
    }

    /// Whether an answer to [`Client::start`] is still to come, as far as the events say that have been polled.
    pub fn is_unanswered(&self) -> bool {
        self.unanswered.get() > 0
    }

    /// Sends an admin request whose answer nobody waits for: it is logged, if it is a failure, when it is polled. `send` as for
    /// [`Client::request`]. Only for clients of producing kind.
    pub fn start(&self, send: impl FnOnce(&Queue<'_>, Duration)) {
        self.unanswered.set(self.unanswered.get() + 1);
        send(&self.native.own_queue(), CHANGE / 2);
    }

    /// Passes on log lines and takes note of errors, of which there are few, without waiting. For clients whose queue
    /// brings nothing else that matters now.
    pub fn pump(&self) -> Result<()> {
        while self.poll(Duration::ZERO).is_some() {}
        self.shared.check()
    }

    fn next<'c>(&self, wait: Duration, poll: impl Fn(Duration) -> Option<Event<'c>>) -> Option<Event<'c>> {
        // Most polls do not wait, and need no clock.
        let deadline = (!wait.is_zero()).then(|| Instant::now() + wait);
        loop {
            let left = deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(Instant::now()));
            match poll(left)? {
                Event::Log(line) => log(&line),
                Event::Error(error) => {
                    self.note(&error);
                    return Some(Event::Error(error));
                }
                event => return Some(event),
            }
        }
    }

    /// Takes note of an error, if it is one of the client as a whole.
    pub fn note(&self, error: &ErrorEvent) {
        if error.at.is_some() {
            return;
        }
        let reason = words(&error.reason);
        if errors::is_authentication(error.code, &reason) {
            self.shared.refuse(&reason);
        }
        if errors::is_transport(error.code) {
            self.transport_errors.set(self.transport_errors.get() + 1);
        }
        tracing::warn!(target: "librdkafka", code = %errors::name(error.code), "{reason}");
    }

    /// Repeats a call with short limits until it answers or `limit` is over, looking for a refused login in between.
    /// `call` gets its limit and says `None` for "not yet". Only for clients whose queue brings nothing but errors.
    pub fn within<T>(
        &self,
        name: &'static str,
        limit: Duration,
        mut call: impl FnMut(Duration) -> Result<Option<T>>,
    ) -> Result<T> {
        let _entered = self.shared.enter(name, limit);
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(answer) = call(left.min(SLICE))? {
                return Ok(answer);
            }
            self.pump()?;
            if left.is_zero() {
                return Err(match self.shared.trouble() {
                    // No connection is even tried.
                    Some(trouble) => Error::new(Action::Retry, Code::NoToken, trouble),
                    None => Error::new(Action::Retry, Code::TimedOut, format!("{name}: no answer within {limit:?}")),
                });
            }
        }
    }

    /// Metadata of the whole cluster, of one topic, or of the topics that this client knows, within `limit`.
    pub fn metadata(&self, of: &Of<'_>, limit: Duration) -> Result<Vec<TopicMetadata>> {
        self.native.metadata(of, limit).map_err(|err| plain(err, "metadata"))
    }

    pub fn topic(&self, name: &str) -> Result<TopicHandle> {
        self.native.topic(&c_string(name)?).map_err(|err| plain(err, "topic"))
    }

    /// Low and end offset of a partition, as this client's isolation sees the end.
    pub fn watermarks(&self, topic: &str, partition: i32, limit: Duration) -> Result<(i64, i64)> {
        let _entered = self.shared.enter("watermarks", limit);
        let deadline = Instant::now() + limit;
        let name = c_string(topic)?;
        let asked = |limit| match self.native.watermarks(&name, partition, limit) {
            Err(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) => Ok(None),
            Err(err) => Err(plain(err, "watermarks")),
            Ok(marks) => Ok(Some(marks)),
        };
        if let Some(marks) = asked(limit)? {
            return Ok(marks);
        }
        // After a broker's death librdkafka can remember fewer partitions of a topic than there are, and then answers
        // without asking anybody, for minutes. It learns of them again when the topic is asked for.
        let handle = self.topic(topic)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let topics = self.metadata(&Of::Topic(&handle), left)?;
        match topics.first().map(|of| (of.err, of.partitions > partition)) {
            Some((RD_KAFKA_RESP_ERR_NO_ERROR, true)) => {}
            // Of a topic that we may not see librdkafka says the same as of one that is not there.
            Some((err, _)) if errors::code(err) == Code::Denied => return Err(plain(err, topic)),
            _ => return Err(plain(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "watermarks")),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        asked(left)?.ok_or_else(|| {
            let detail = format!("watermarks: the client does not know {topic}/{partition}, which is there");
            Error::new(Action::Rebuild, Code::Other, detail)
        })
    }

    /// Runs one admin request. `send` gets the queue for the answer, and how long the request and the cluster's work on it
    /// may take each.
    pub fn request(&self, name: &'static str, send: impl FnOnce(&Queue<'_>, Duration)) -> Result<NativeEvent<'_>> {
        self.request_within(name, CHANGE, send)
    }

    /// [`Client::request`] with a limit of its own.
    pub fn request_within(
        &self,
        name: &'static str,
        limit: Duration,
        send: impl FnOnce(&Queue<'_>, Duration),
    ) -> Result<NativeEvent<'_>> {
        let queue = self.native.queue();
        send(&queue, limit / 2);
        let answer = self.within(name, limit, |slice| match self.next(slice, |left| queue.poll(left)) {
            Some(Event::Answer(event)) => Ok(Some(event)),
            _ => Ok(None),
        })?;
        match answer.check() {
            Ok(()) => Ok(answer),
            Err((err, reason)) => Err(plain(err, &format!("{name}: {}", words(&reason)))),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self._destroying = Some(self.shared.enter("destroy", SLICE));
    }
}

fn log(LogLine { level, facility, line }: &LogLine) {
    let line = words(line);
    match level {
        0..=4 => tracing::warn!(target: "librdkafka", facility, "{line}"),
        5..=6 => tracing::info!(target: "librdkafka", facility, "{line}"),
        _ => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// What failed of a deletion of records that nobody waited for.
fn log_failures(answer: &NativeEvent<'_>) {
    if let Err((err, reason)) = answer.check() {
        tracing::warn!(code = %errors::name(err), "records could not be deleted: {}", words(&reason));
    }
    for (topic, err) in answer.deleted_records() {
        if err != RD_KAFKA_RESP_ERR_NO_ERROR {
            tracing::warn!(topic, code = %errors::name(err), "records could not be deleted");
        }
    }
}

/// A setting that librdkafka does not take. Its own words quote the value.
fn unfit(error: &KafkaError) -> Error {
    invalid(match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, name, _) => {
            format!("`kafka.{name}`: librdkafka has no such setting")
        }
        KafkaError::ClientConfig(_, why, name, value) if may_show(name, value) => {
            format!("`kafka.{name}`: librdkafka does not take its value: {}", masked(why))
        }
        KafkaError::ClientConfig(_, _, name, _) => format!("`kafka.{name}`: librdkafka does not take its value"),
        KafkaError::Nul(_) => "a setting of librdkafka has a NUL byte in it".to_owned(),
        _ => "librdkafka does not take its settings".to_owned(),
    })
}
