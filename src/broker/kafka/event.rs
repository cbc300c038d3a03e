//! What arrives in a client's queue.

use std::ffi::{c_char, c_int};
use std::ptr;

use rdkafka::bindings as sys;

use super::errors::{RespErr, text};
use super::list::elements;
use super::mask::words;

/// Something that arrived in a client's queue.
pub(super) enum Event {
    /// One record that was read.
    Record(NativeEvent),
    /// Deliveries of records that were sent.
    Deliveries(NativeEvent),
    Assign(Vec<i32>),
    Revoke(Vec<i32>),
    /// The result of an admin request.
    Answer(NativeEvent),
    /// An error, or the end of a partition.
    Error(ErrorEvent),
}

pub(super) struct ErrorEvent {
    pub code: RespErr,
    pub fatal: bool,
    pub reason: String,
    /// The partition it is about, with an offset where it is about one.
    pub at: Option<(String, i32, i64)>,
}

/// An event, destroyed on drop.
pub(super) struct NativeEvent(ptr::NonNull<sys::rd_kafka_event_t>);

impl NativeEvent {
    /// Takes over an event from a queue, `None` for null.
    ///
    /// # Safety
    /// `event` is null or an event that nobody else destroys.
    pub unsafe fn take(event: *mut sys::rd_kafka_event_t) -> Option<Self> {
        ptr::NonNull::new(event).map(Self)
    }

    pub fn ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }

    pub fn rebalance(&self) -> Event {
        // SAFETY: the event lives and owns its list.
        let (err, partitions) = unsafe {
            let list = sys::rd_kafka_event_topic_partition_list(self.ptr());
            (sys::rd_kafka_event_error(self.ptr()), elements(list).iter().map(|at| at.partition).collect())
        };
        match err {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Event::Assign(partitions),
            _ => Event::Revoke(partitions),
        }
    }

    pub fn error(&self) -> ErrorEvent {
        // SAFETY: the event lives; the partition, if there is one, is ours to destroy.
        unsafe {
            let partition = sys::rd_kafka_event_topic_partition(self.ptr());
            let at = (!partition.is_null()).then(|| {
                let at = (text((*partition).topic), (*partition).partition, (*partition).offset);
                sys::rd_kafka_topic_partition_destroy(partition);
                at
            });
            ErrorEvent {
                code: sys::rd_kafka_event_error(self.ptr()),
                fatal: sys::rd_kafka_event_error_is_fatal(self.ptr()) != 0,
                reason: words(sys::rd_kafka_event_error_string(self.ptr())),
                at,
            }
        }
    }

    pub fn log(&self) {
        let (mut facility, mut line, mut level): (*const c_char, *const c_char, c_int) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event lives and owns the strings.
        let (facility, line) = unsafe {
            if sys::rd_kafka_event_log(self.ptr(), &raw mut facility, &raw mut line, &raw mut level) != 0 {
                return;
            }
            (text(facility), words(line))
        };
        match level {
            0..=4 => tracing::warn!(target: "librdkafka", facility, "{line}"),
            5..=6 => tracing::info!(target: "librdkafka", facility, "{line}"),
            _ => tracing::debug!(target: "librdkafka", facility, "{line}"),
        }
    }
}

impl Drop for NativeEvent {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_event_destroy(self.ptr()) }
    }
}
