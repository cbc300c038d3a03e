//! Requests of the admin API. Each is sent to the cluster, and its answer comes as an event of the queue. librdkafka copies a
//! request when it is sent, so nothing that is given here has to live longer.

use std::ffi::{CStr, CString};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;
use sys::rd_kafka_ResourceType_t::{RD_KAFKA_RESOURCE_BROKER, RD_KAFKA_RESOURCE_TOPIC};
use sys::rd_kafka_admin_op_t::*;

use super::error::{RespErr, check};
use super::list::Partitions;
use super::queue::Queue;
use super::values::{Unmasked, millis};

/// What has settings of its own.
#[derive(Clone, Copy, Debug)]
pub enum Resource {
    Topic,
    Broker,
}

impl Queue<'_> {
    pub fn create_topics<'t>(&self, topics: impl Iterator<Item = &'t NewTopic>, limit: Duration) {
        let mut topics: Vec<_> = topics.map(|topic| topic.0.as_ptr()).collect();
        self.with_options(RD_KAFKA_ADMIN_OP_CREATETOPICS, limit, |options| {
            // SAFETY: all live during the call, which copies the topics.
            unsafe {
                sys::rd_kafka_CreateTopics(self.client.ptr(), topics.as_mut_ptr(), topics.len(), options, self.ptr());
            }
        });
    }

    pub fn delete_topics(&self, names: &[CString], limit: Duration) {
        // SAFETY: the names live, and are copied; what is made is destroyed below.
        let mut topics: Vec<_> =
            names.iter().map(|name| unsafe { sys::rd_kafka_DeleteTopic_new(name.as_ptr()) }).collect();
        self.with_options(RD_KAFKA_ADMIN_OP_DELETETOPICS, limit, |options| {
            // SAFETY: all live during the call, which copies the names.
            unsafe {
                sys::rd_kafka_DeleteTopics(self.client.ptr(), topics.as_mut_ptr(), topics.len(), options, self.ptr());
            }
        });
        for topic in topics {
            // SAFETY: ours, and not used afterwards.
            unsafe { sys::rd_kafka_DeleteTopic_destroy(topic) };
        }
    }

    /// Deletes the records of each partition below its offset.
    pub fn delete_records(&self, up_to: &Partitions, limit: Duration) {
        self.with_options(RD_KAFKA_ADMIN_OP_DELETERECORDS, limit, |options| {
            // SAFETY: all live during the call, which copies the list; what is made is destroyed here.
            unsafe {
                let mut request = sys::rd_kafka_DeleteRecords_new(up_to.ptr());
                sys::rd_kafka_DeleteRecords(self.client.ptr(), &raw mut request, 1, options, self.ptr());
                sys::rd_kafka_DeleteRecords_destroy(request);
            }
        });
    }

    /// Asks for the partitions of topics, none of which may be named twice. The client takes in what the answer says, as it does
    /// with all metadata.
    pub fn describe_topics(&self, names: &[CString], limit: Duration) {
        self.describe(names, false, limit);
    }

    /// Asks what we may do with a topic.
    pub fn describe_rights(&self, name: &CString, limit: Duration) {
        self.describe(std::slice::from_ref(name), true, limit);
    }

    fn describe(&self, names: &[CString], with_rights: bool, limit: Duration) {
        let mut names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        self.with_options(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, limit, |options| {
            // SAFETY: the names live, and are copied; all live during the call; what is made is destroyed here.
            unsafe {
                if with_rights {
                    include_operations(options);
                }
                let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
                sys::rd_kafka_DescribeTopics(self.client.ptr(), topics, options, self.ptr());
                sys::rd_kafka_TopicCollection_destroy(topics);
            }
        });
    }

    pub fn describe_configs(&self, kind: Resource, name: &CStr, limit: Duration) {
        let kind = match kind {
            Resource::Topic => RD_KAFKA_RESOURCE_TOPIC,
            Resource::Broker => RD_KAFKA_RESOURCE_BROKER,
        };
        self.with_options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, limit, |options| {
            // SAFETY: all live during the call, which copies the resource; what is made is destroyed here.
            unsafe {
                let mut resource = sys::rd_kafka_ConfigResource_new(kind, name.as_ptr());
                sys::rd_kafka_DescribeConfigs(self.client.ptr(), &raw mut resource, 1, options, self.ptr());
                sys::rd_kafka_ConfigResource_destroy(resource);
            }
        });
    }

    pub fn list_group_offsets(&self, group: &CStr, of: &Partitions, limit: Duration) {
        self.with_options(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, limit, |options| {
            // SAFETY: all live during the call, which copies name and list; what is made is destroyed here.
            unsafe {
                let mut request = sys::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), of.ptr());
                sys::rd_kafka_ListConsumerGroupOffsets(self.client.ptr(), &raw mut request, 1, options, self.ptr());
                sys::rd_kafka_ListConsumerGroupOffsets_destroy(request);
            }
        });
    }

    pub fn alter_group_offsets(&self, group: &CStr, offsets: &Partitions, limit: Duration) {
        self.with_options(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, limit, |options| {
            // SAFETY: all live during the call, which copies name and list; what is made is destroyed here.
            unsafe {
                let mut request = sys::rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), offsets.ptr());
                sys::rd_kafka_AlterConsumerGroupOffsets(self.client.ptr(), &raw mut request, 1, options, self.ptr());
                sys::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
            }
        });
    }

    /// Runs `send` with options that give the request and the cluster's work on it `limit` each.
    fn with_options(
        &self,
        operation: sys::rd_kafka_admin_op_t,
        limit: Duration,
        send: impl FnOnce(*mut sys::rd_kafka_AdminOptions_t),
    ) {
        let mut reason = [0; 256];
        // SAFETY: the client lives; the options are copied by the request. A refused option leaves its default.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(self.client.ptr(), operation);
            let limit = millis(limit);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, limit, reason.as_mut_ptr(), reason.len());
            sys::rd_kafka_AdminOptions_set_operation_timeout(options, limit, reason.as_mut_ptr(), reason.len());
            send(options);
            sys::rd_kafka_AdminOptions_destroy(options);
        }
    }
}

/// Has the answer say what we may do. A broker or a librdkafka that cannot leaves it out.
///
/// # Safety
/// The options live.
unsafe fn include_operations(options: *mut sys::rd_kafka_AdminOptions_t) {
    // SAFETY: by this function's contract; the error, if there is one, is ours.
    unsafe {
        let error = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        if !error.is_null() {
            sys::rd_kafka_error_destroy(error);
        }
    }
}

/// A topic to be created, freed on drop.
pub struct NewTopic(ptr::NonNull<sys::rd_kafka_NewTopic_t>);

impl NewTopic {
    /// `replication_factor` `None`: the broker's default.
    pub fn new(name: &CStr, partitions: i32, replication_factor: Option<i32>) -> Result<Self, Unmasked> {
        let mut reason = [0; 256];
        // SAFETY: name and buffer live during the call, which fills the buffer in if it returns null.
        unsafe {
            let topic = sys::rd_kafka_NewTopic_new(
                name.as_ptr(),
                partitions,
                replication_factor.unwrap_or(-1),
                reason.as_mut_ptr(),
                reason.len(),
            );
            ptr::NonNull::new(topic).map(Self).ok_or_else(|| Unmasked::new(reason.as_ptr()))
        }
    }

    pub fn set_config(&mut self, name: &CStr, value: &CStr) -> Result<(), RespErr> {
        // SAFETY: all live during the call, which copies both.
        check(unsafe { sys::rd_kafka_NewTopic_set_config(self.0.as_ptr(), name.as_ptr(), value.as_ptr()) })
    }
}

impl Drop for NewTopic {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_NewTopic_destroy(self.0.as_ptr()) }
    }
}
