//! Topics by handles: sending to one of a thousand by its name looks through all of them, for each record.
//!
//! rdkafka sends by name alone: it has such handles (`NativeTopic`), and keeps them to itself. The gate's own adapter has a
//! safe way to send by them, but a loop that stood on it would be no measure of it. So three calls of librdkafka are made here.

use std::ffi::CString;
use std::ptr;
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::Result;

pub struct Handles<'a> {
    producer: &'a BaseProducer,
    topics: Vec<*mut sys::rd_kafka_topic_t>,
}

impl<'a> Handles<'a> {
    pub fn new(producer: &'a BaseProducer) -> Self {
        Self { producer, topics: Vec::new() }
    }

    /// The number by which the topic is sent to.
    pub fn add(&mut self, topic: &str) -> Result<usize> {
        let name = CString::new(topic)?;
        // SAFETY: the client lives as long as `self`; the name is copied.
        let handle =
            unsafe { sys::rd_kafka_topic_new(self.producer.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        if handle.is_null() {
            return Err(format!("no handle for {topic}").into());
        }
        self.topics.push(handle);
        Ok(self.topics.len() - 1)
    }

    /// Asks until all of them have leaders: looked up one by one at the first records, that would take seconds.
    pub fn find_leaders(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let metadata = self.producer.client().fetch_metadata(None, limit)?;
            let led =
                |topic: &&rdkafka::metadata::MetadataTopic| topic.partitions().iter().all(|one| one.leader() >= 0);
            if metadata.topics().iter().filter(led).count() >= self.topics.len() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err("topics without leaders".into());
            }
        }
    }

    pub fn send(&self, topic: usize, partition: i32, key: &[u8], value: &[u8]) -> Result<()> {
        loop {
            // SAFETY: the handle is of this client, which lives; key and value are copied during the call. The opaque of a
            // producer of rdkafka without a context is never looked at.
            let refused = unsafe {
                sys::rd_kafka_produce(
                    self.topics[topic],
                    partition,
                    sys::RD_KAFKA_MSG_F_COPY,
                    value.as_ptr().cast_mut().cast(),
                    value.len(),
                    key.as_ptr().cast(),
                    key.len(),
                    ptr::null_mut(),
                )
            };
            if refused == 0 {
                return Ok(());
            }
            // SAFETY: the last error of this thread.
            let error = RDKafkaErrorCode::from(unsafe { sys::rd_kafka_last_error() });
            if error != RDKafkaErrorCode::QueueFull {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(1));
        }
    }
}

impl Drop for Handles<'_> {
    fn drop(&mut self) {
        for topic in &self.topics {
            // SAFETY: made by us, and not used any more.
            unsafe { sys::rd_kafka_topic_destroy(*topic) };
        }
    }
}
