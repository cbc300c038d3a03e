//! A librdkafka client of either kind, and what it hands out, owned and freed in the right order.
//!
//! Why not rdkafka's own producers and consumers: dropping its consumer leaves the group (a crash must not), its poll
//! hides which topic an end or an error belongs to, its header reader panics on names that are not UTF-8, and its
//! producer polls out every time limit. Its configuration and its bindings are used.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaType;
use sys::rd_kafka_resp_err_t::{
    RD_KAFKA_RESP_ERR__INVALID_ARG, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RD_KAFKA_RESP_ERR_NO_ERROR as OK,
};

use super::errors::{self, Failure, RespErr, invalid, text};
use super::event::{ErrorEvent, Event, NativeEvent};
use super::list::slice;
use super::mask::{masked, words};
use super::settings::may_show;
use super::shared::Shared;
use crate::broker::{Action, Code, Error, Result};

/// How long one blocking call waits before the errors of the client are looked at again: a refused login shows there
/// and nowhere else.
pub(super) const SLICE: Duration = Duration::from_millis(200);

/// A client and the one queue everything of it arrives in. Dropping it is a crash as far as the cluster can tell.
pub(super) struct Client {
    rk: *mut sys::rd_kafka_t,
    queue: *mut sys::rd_kafka_queue_t,
    pub shared: Arc<Shared>,
    transport_errors: Cell<u64>,
}

// SAFETY: librdkafka's handles may be used from any thread; the counter is only reached through this one owner.
unsafe impl Send for Client {}

impl Client {
    pub fn new(kind: RDKafkaType, mut config: ClientConfig, shared: Arc<Shared>) -> Result<Self> {
        // Log lines come as events too, instead of on librdkafka's own threads.
        config.set("log.queue", "true");
        let native = config.create_native_config().map_err(|error| unfit(&error))?;
        let consumer = matches!(kind, RDKafkaType::RD_KAFKA_CONSUMER);
        let events =
            sys::RD_KAFKA_EVENT_ERROR | if consumer { sys::RD_KAFKA_EVENT_REBALANCE } else { sys::RD_KAFKA_EVENT_DR };
        let mut reason = [0 as c_char; 512];
        // Reads the files that the settings name: certificates on a disk that hangs make this call hang.
        let _entered = shared.enter("making a client", SLICE);
        // SAFETY: the configuration lives; on success the client owns it (hence ManuallyDrop), on failure we still do.
        let rk = unsafe {
            sys::rd_kafka_conf_set_events(native.ptr(), events);
            let mut native = ManuallyDrop::new(native);
            let rk = sys::rd_kafka_new(kind, native.ptr(), reason.as_mut_ptr(), reason.len());
            if rk.is_null() {
                ManuallyDrop::drop(&mut native);
                return Err(invalid(words(reason.as_ptr())));
            }
            rk
        };
        // SAFETY: the client was just made; the queue reference is given back when this is dropped.
        let queue = unsafe {
            // Null: log lines go to the client's main queue.
            sys::rd_kafka_set_log_queue(rk, ptr::null_mut());
            if consumer {
                // One queue for records, rebalances, errors and log lines.
                sys::rd_kafka_poll_set_consumer(rk);
                sys::rd_kafka_queue_get_consumer(rk)
            } else {
                sys::rd_kafka_queue_get_main(rk)
            }
        };
        Ok(Self { rk, queue, shared, transport_errors: Cell::new(0) })
    }

    pub fn ptr(&self) -> *mut sys::rd_kafka_t {
        self.rk
    }

    /// How many errors of connections it has reported so far.
    pub fn transport_errors(&self) -> u64 {
        self.transport_errors.get()
    }

    /// The next event, waiting up to `wait`. Log lines are passed on to tracing.
    pub fn poll(&self, wait: Duration) -> Option<Event> {
        self.poll_queue(self.queue, wait)
    }

    /// Passes on log lines and takes note of errors, of which there are few, without waiting. For clients whose queue
    /// brings nothing else that matters now.
    pub fn pump(&self) -> Result<()> {
        while self.poll(Duration::ZERO).is_some() {}
        self.shared.check()
    }

    fn poll_queue(&self, queue: *mut sys::rd_kafka_queue_t, wait: Duration) -> Option<Event> {
        // Most polls do not wait, and need no clock.
        let deadline = (!wait.is_zero()).then(|| Instant::now() + wait);
        loop {
            let left = deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(Instant::now()));
            // SAFETY: client and queue live; the event is owned by the wrapper from here on.
            let event = unsafe { NativeEvent::take(sys::rd_kafka_queue_poll(queue, millis(left))) }?;
            // SAFETY: the event lives.
            let kind = unsafe { sys::rd_kafka_event_type(event.ptr()) };
            return Some(match kind {
                sys::RD_KAFKA_EVENT_FETCH => Event::Record(event),
                sys::RD_KAFKA_EVENT_DR => Event::Deliveries(event),
                sys::RD_KAFKA_EVENT_REBALANCE => event.rebalance(),
                sys::RD_KAFKA_EVENT_ERROR => Event::Error(self.note(&event)),
                sys::RD_KAFKA_EVENT_LOG => {
                    event.log();
                    continue;
                }
                _ => Event::Answer(event),
            });
        }
    }

    fn note(&self, event: &NativeEvent) -> ErrorEvent {
        let error = event.error();
        if error.at.is_none() {
            if errors::is_authentication(error.code, &error.reason) {
                self.shared.refuse(&error.reason);
            }
            if errors::is_transport(error.code) {
                self.transport_errors.set(self.transport_errors.get() + 1);
            }
            tracing::warn!(target: "librdkafka", code = %errors::name(error.code), "{}", error.reason);
        }
        error
    }

    /// Repeats a call with short limits until it answers or `limit` is over, looking for a refused login in between.
    /// `call` gets its limit and says `None` for "not yet". Only for clients whose queue brings nothing but errors.
    pub fn within<T>(
        &self,
        name: &'static str,
        limit: Duration,
        mut call: impl FnMut(c_int) -> Result<Option<T>>,
    ) -> Result<T> {
        let _entered = self.shared.enter(name, limit);
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(answer) = call(millis(left.min(SLICE)))? {
                return Ok(answer);
            }
            self.pump()?;
            if left.is_zero() {
                return Err(Error::new(Action::Retry, Code::TimedOut, format!("{name}: no answer within {limit:?}")));
            }
        }
    }

    /// Metadata of the whole cluster, of one topic, or of the topics that this client knows, within `limit`.
    pub fn metadata<T>(&self, of: &Of<'_>, limit: Duration, read: impl FnOnce(&[TopicMetadata]) -> T) -> Result<T> {
        let (all, only) = match of {
            Of::Cluster => (1, ptr::null_mut()),
            Of::Topic(topic) => (0, topic.0),
            Of::Known => (0, ptr::null_mut()),
        };
        let mut metadata: *const sys::rd_kafka_metadata = ptr::null();
        // SAFETY: client and topic handle live; on success the metadata is ours to destroy.
        let err = unsafe { sys::rd_kafka_metadata(self.rk, all, only, &raw mut metadata, millis(limit)) };
        if err != OK {
            return Err(errors::plain(err, "metadata"));
        }
        // SAFETY: filled in by librdkafka; read before it is destroyed.
        let topics = unsafe {
            let topics = slice((*metadata).topics, (*metadata).topic_cnt).iter().map(|topic| TopicMetadata {
                name: text(topic.topic),
                err: topic.err,
                partitions: topic.partition_cnt,
                replicas: slice(topic.partitions, topic.partition_cnt)
                    .iter()
                    .map(|partition| partition.replica_cnt)
                    .min()
                    .unwrap_or_default(),
                led: slice(topic.partitions, topic.partition_cnt)
                    .iter()
                    .all(|partition| partition.err == OK && partition.leader >= 0),
            });
            let topics: Vec<_> = topics.collect();
            sys::rd_kafka_metadata_destroy(metadata);
            topics
        };
        Ok(read(&topics))
    }

    pub fn topic(&self, name: &str) -> Result<TopicHandle> {
        let c_name = c_string(name)?;
        // SAFETY: the client lives; no topic configuration is given.
        let topic = unsafe { sys::rd_kafka_topic_new(self.rk, c_name.as_ptr(), ptr::null_mut()) };
        if topic.is_null() {
            // SAFETY: reads this thread's last error.
            return Err(errors::plain(unsafe { sys::rd_kafka_last_error() }, "topic"));
        }
        Ok(TopicHandle(topic))
    }

    /// Low and end offset of a partition, as this client's isolation sees the end.
    pub fn watermarks(&self, topic: &str, partition: i32, limit: Duration) -> Result<(i64, i64)> {
        let _entered = self.shared.enter("watermarks", limit);
        let deadline = Instant::now() + limit;
        let asked = |limit| match self.query_watermarks(topic, partition, limit) {
            Err(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) => Ok(None),
            Err(err) => Err(errors::plain(err, "watermarks")),
            Ok(marks) => Ok(Some(marks)),
        };
        if let Some(marks) = asked(limit)? {
            return Ok(marks);
        }
        // After a broker's death librdkafka can remember fewer partitions of a topic than there are, and then answers
        // without asking anybody, for minutes. It learns anew when the topic is asked for.
        let handle = self.topic(topic)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let there = self.metadata(&Of::Topic(&handle), left, |topics| {
            topics.first().is_some_and(|topic| topic.err == OK && topic.partitions > partition)
        })?;
        if !there {
            return Err(errors::plain(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "watermarks"));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        asked(left)?.ok_or_else(|| {
            let detail = format!("watermarks: the client does not know {topic}/{partition}, which is there");
            Error::new(Action::Rebuild, Code::Other, detail)
        })
    }

    fn query_watermarks(
        &self,
        topic: &str,
        partition: i32,
        limit: Duration,
    ) -> std::result::Result<(i64, i64), RespErr> {
        let topic = CString::new(topic).map_err(|_| RD_KAFKA_RESP_ERR__INVALID_ARG)?;
        let (mut low, mut end) = (-1, -1);
        // SAFETY: client, name and both numbers live during the call.
        let err = unsafe {
            sys::rd_kafka_query_watermark_offsets(
                self.rk,
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut end,
                millis(limit),
            )
        };
        if err == OK { Ok((low, end)) } else { Err(err) }
    }

    /// Runs one admin request, which is to answer to the queue it is given, within `limit`.
    pub fn request(
        &self,
        name: &'static str,
        limit: Duration,
        send: impl FnOnce(*mut sys::rd_kafka_queue_t),
    ) -> Result<NativeEvent> {
        // SAFETY: the client lives; the queue is destroyed below.
        let queue = unsafe { sys::rd_kafka_queue_new(self.rk) };
        send(queue);
        let answer = self.within(name, limit, |slice| {
            match self.poll_queue(queue, Duration::from_millis(slice.unsigned_abs().into())) {
                Some(Event::Answer(event)) => Ok(Some(event)),
                _ => Ok(None),
            }
        });
        // SAFETY: not used afterwards; an answer that is still to come is dropped by librdkafka.
        unsafe { sys::rd_kafka_queue_destroy(queue) };
        let event = answer?;
        // SAFETY: the event lives.
        let (err, reason) =
            unsafe { (sys::rd_kafka_event_error(event.ptr()), words(sys::rd_kafka_event_error_string(event.ptr()))) };
        if err == OK { Ok(event) } else { Err(errors::plain(err, &format!("{name}: {reason}"))) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _entered = self.shared.enter("destroy", SLICE);
        // SAFETY: nothing of the client is used afterwards: records are copied out, handles and events are dropped
        // first by those who own both. Not closing means that a group notices only by the session timeout.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue);
            sys::rd_kafka_destroy_flags(self.rk, sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        }
    }
}

/// A setting that librdkafka does not take. Its own words quote the value.
fn unfit(error: &KafkaError) -> Error {
    use sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN;
    invalid(match error {
        KafkaError::ClientConfig(RD_KAFKA_CONF_UNKNOWN, _, name, _) => {
            format!("`kafka.{name}`: librdkafka has no such setting")
        }
        KafkaError::ClientConfig(_, why, name, value) if may_show(name, value) => {
            format!("`kafka.{name}`: librdkafka does not take its value: {}", masked(why.clone()))
        }
        KafkaError::ClientConfig(_, _, name, _) => format!("`kafka.{name}`: librdkafka does not take its value"),
        KafkaError::Nul(_) => "a setting of librdkafka has a NUL byte in it".to_owned(),
        _ => "librdkafka does not take its settings".to_owned(),
    })
}

/// Which topics metadata is asked for.
pub(super) enum Of<'a> {
    Cluster,
    Topic(&'a TopicHandle),
    /// Every topic this client has a handle of.
    Known,
}

pub(super) struct TopicMetadata {
    pub name: String,
    pub err: RespErr,
    pub partitions: c_int,
    /// Of the partition with the fewest.
    pub replicas: c_int,
    /// Whether every partition has a leader.
    pub led: bool,
}

/// A reference to a topic of one client. To be dropped before the client.
pub(super) struct TopicHandle(*mut sys::rd_kafka_topic_t);

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for TopicHandle {}

impl TopicHandle {
    pub fn ptr(&self) -> *mut sys::rd_kafka_topic_t {
        self.0
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: this reference is ours and not used afterwards.
        unsafe { sys::rd_kafka_topic_destroy(self.0) }
    }
}

/// An error object, sorted for calls outside of transactions.
///
/// # Safety
/// As [`Failure::take`].
pub(super) unsafe fn done(error: *mut sys::rd_kafka_error_t) -> Result<()> {
    // SAFETY: by this function's contract.
    match unsafe { Failure::take(error) } {
        None => Ok(()),
        Some(failure) => Err(failure.plain()),
    }
}

pub(super) fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| invalid(format!("a name with a NUL byte: {text:?}")))
}

/// A time limit as librdkafka takes it, in milliseconds, rounded up.
pub(super) fn millis(limit: Duration) -> c_int {
    c_int::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
}
