//! Calls of a consumer, named as in librdkafka, whose documentation says what each one does. Safe with every client: lists
//! live during the call, and where the client is no consumer or has no group librdkafka refuses or knows nothing.

use std::ffi::{CStr, CString};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;

use super::client::NativeClient;
use super::error::{Failure, RespErr, check};
use super::list::Partitions;
use super::values::millis;

impl NativeClient {
    pub fn subscribe(&self, topics: &Partitions) -> Result<(), RespErr> {
        // SAFETY: client and list live during the call.
        check(unsafe { sys::rd_kafka_subscribe(self.ptr(), topics.ptr()) })
    }

    /// Replaces the whole assignment; `None` ends it.
    pub fn assign(&self, partitions: Option<&Partitions>) -> Result<(), RespErr> {
        // SAFETY: client and list live during the call; null is no assignment.
        check(unsafe { sys::rd_kafka_assign(self.ptr(), partitions.map_or(ptr::null(), Partitions::ptr)) })
    }

    pub fn incremental_assign(&self, partitions: &Partitions) -> Result<(), Failure> {
        // SAFETY: client and list live during the call; the error is ours.
        unsafe { Failure::check(sys::rd_kafka_incremental_assign(self.ptr(), partitions.ptr())) }
    }

    pub fn incremental_unassign(&self, partitions: &Partitions) -> Result<(), Failure> {
        // SAFETY: client and list live during the call; the error is ours.
        unsafe { Failure::check(sys::rd_kafka_incremental_unassign(self.ptr(), partitions.ptr())) }
    }

    /// Writes an error of its own to each partition.
    pub fn seek(&self, partitions: &mut Partitions, limit: Duration) -> Result<(), Failure> {
        // SAFETY: client and list live during the call; the error is ours.
        unsafe { Failure::check(sys::rd_kafka_seek_partitions(self.ptr(), partitions.ptr_mut(), millis(limit))) }
    }

    /// Looks the times up that stand where offsets do, in milliseconds since 1970, and writes the offsets in their place:
    /// -1, the end, where nothing is as late. Writes an error of its own to each partition.
    pub fn offsets_for_times(&self, partitions: &mut Partitions, limit: Duration) -> Result<(), RespErr> {
        // SAFETY: client and list live during the call.
        check(unsafe { sys::rd_kafka_offsets_for_times(self.ptr(), partitions.ptr_mut(), millis(limit)) })
    }

    /// Writes an error of its own to each partition.
    pub fn pause(&self, partitions: &mut Partitions) -> Result<(), RespErr> {
        // SAFETY: client and list live during the call.
        check(unsafe { sys::rd_kafka_pause_partitions(self.ptr(), partitions.ptr_mut()) })
    }

    /// Writes an error of its own to each partition.
    pub fn resume(&self, partitions: &mut Partitions) -> Result<(), RespErr> {
        // SAFETY: client and list live during the call.
        check(unsafe { sys::rd_kafka_resume_partitions(self.ptr(), partitions.ptr_mut()) })
    }

    /// Writes the group's committed offsets into the list. librdkafka works on a copy, also where the limit is over.
    pub fn committed(&self, partitions: &mut Partitions, limit: Duration) -> Result<(), RespErr> {
        // SAFETY: client and list live during the call.
        check(unsafe { sys::rd_kafka_committed(self.ptr(), partitions.ptr_mut(), millis(limit)) })
    }

    /// `EAGER` or `COOPERATIVE`; `None` without a group.
    pub fn rebalance_protocol(&self) -> Option<&'static CStr> {
        // SAFETY: the client lives; the answer is a static string or null.
        unsafe {
            let protocol = sys::rd_kafka_rebalance_protocol(self.ptr());
            (!protocol.is_null()).then(|| CStr::from_ptr(protocol))
        }
    }

    /// Whether the group has given the assignment away already.
    pub fn assignment_lost(&self) -> bool {
        // SAFETY: the client lives.
        unsafe { sys::rd_kafka_assignment_lost(self.ptr()) != 0 }
    }

    /// The id that the member has in its group: empty before it has one and after it was thrown out, `None` without a group.
    pub fn member_id(&self) -> Option<CString> {
        // SAFETY: the client lives; the string is ours, and freed as librdkafka allocated it.
        unsafe {
            let id = sys::rd_kafka_memberid(self.ptr());
            if id.is_null() {
                return None;
            }
            let copy = CStr::from_ptr(id).to_owned();
            sys::rd_kafka_mem_free(self.ptr(), id.cast());
            Some(copy)
        }
    }

    /// Begins to leave the group. The rebalance events of it go to the client's own queue.
    pub fn close_consumer(&self) -> Result<(), Failure> {
        // SAFETY: the client lives. The queue reference is given back at once, librdkafka keeps its own; for null, which a
        // client without a group gives, the call is refused.
        unsafe {
            let queue = sys::rd_kafka_queue_get_consumer(self.ptr());
            let closing = Failure::check(sys::rd_kafka_consumer_close_queue(self.ptr(), queue));
            if !queue.is_null() {
                sys::rd_kafka_queue_destroy(queue);
            }
            closing
        }
    }

    /// Whether [`NativeClient::close_consumer`] has come to its end.
    pub fn consumer_closed(&self) -> bool {
        // SAFETY: the client lives.
        unsafe { sys::rd_kafka_consumer_closed(self.ptr()) != 0 }
    }
}
