//! What a client can find out of its cluster.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;

use super::client::NativeClient;
use super::error::{RespErr, check};
use super::topic::TopicHandle;
use super::values::{millis, slice, text};

/// Which topics metadata is asked for.
pub enum Of<'a> {
    Cluster,
    Topic(&'a TopicHandle),
    /// Every topic this client has a handle of.
    Known,
}

pub struct TopicMetadata {
    pub name: String,
    pub err: RespErr,
    pub partitions: c_int,
    /// Of the partition with the fewest.
    pub replicas: c_int,
}

impl NativeClient {
    pub fn metadata(&self, of: &Of<'_>, limit: Duration) -> Result<Vec<TopicMetadata>, RespErr> {
        self.ask(of, limit, |answer| {
            // SAFETY: filled in by librdkafka; copied before it is destroyed.
            unsafe { slice(answer.topics, answer.topic_cnt).iter().map(|topic| describe(topic)).collect() }
        })
    }

    /// How many brokers the cluster has that are up.
    pub fn brokers(&self, limit: Duration) -> Result<usize, RespErr> {
        self.ask(&Of::Known, limit, |answer| usize::try_from(answer.broker_cnt).unwrap_or_default())
    }

    fn ask<T>(
        &self,
        of: &Of<'_>,
        limit: Duration,
        read: impl FnOnce(&sys::rd_kafka_metadata) -> T,
    ) -> Result<T, RespErr> {
        let (all, only) = match of {
            Of::Cluster => (1, ptr::null_mut()),
            Of::Topic(topic) => (0, topic.ptr()),
            Of::Known => (0, ptr::null_mut()),
        };
        let mut metadata: *const sys::rd_kafka_metadata = ptr::null();
        // SAFETY: client and topic live; of the topic only the name is read. On success the metadata is ours to destroy.
        check(unsafe { sys::rd_kafka_metadata(self.ptr(), all, only, &raw mut metadata, millis(limit)) })?;
        // SAFETY: filled in by librdkafka; nothing of it is kept when it is destroyed.
        unsafe {
            let read = read(&*metadata);
            sys::rd_kafka_metadata_destroy(metadata);
            Ok(read)
        }
    }

    /// Low and end offset of a partition, as this client's isolation sees the end.
    pub fn watermarks(&self, topic: &CStr, partition: i32, limit: Duration) -> Result<(i64, i64), RespErr> {
        let (mut low, mut end) = (-1, -1);
        // SAFETY: client, name and both numbers live during the call.
        let err = unsafe {
            sys::rd_kafka_query_watermark_offsets(
                self.ptr(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut end,
                millis(limit),
            )
        };
        check(err).map(|()| (low, end))
    }

    /// The broker that the cluster gives as its controller; `None` if that is not known in time.
    pub fn controller_id(&self, limit: Duration) -> Option<i32> {
        // SAFETY: the client lives.
        let id = unsafe { sys::rd_kafka_controllerid(self.ptr(), millis(limit)) };
        (id >= 0).then_some(id)
    }
}

/// # Safety
/// The topic's name and partitions live during the call.
unsafe fn describe(topic: &sys::rd_kafka_metadata_topic) -> TopicMetadata {
    // SAFETY: by this function's contract.
    let (name, partitions) = unsafe { (text(topic.topic), slice(topic.partitions, topic.partition_cnt)) };
    TopicMetadata {
        name,
        err: topic.err,
        partitions: topic.partition_cnt,
        replicas: partitions.iter().map(|partition| partition.replica_cnt).min().unwrap_or_default(),
    }
}
