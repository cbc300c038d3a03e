//! What arrives in a queue.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

use rdkafka::bindings as sys;

use super::client::NativeClient;
use super::error::RespErr;
use super::list::elements;
use super::values::{Unmasked, text};

/// Something that arrived in a queue of a client, which it borrows.
pub enum Event<'c> {
    /// One record that was read.
    Record(NativeEvent<'c>),
    /// Deliveries of records that were sent.
    Deliveries(NativeEvent<'c>),
    Assign(Vec<i32>),
    Revoke(Vec<i32>),
    /// The answer to an admin request.
    Answer(NativeEvent<'c>),
    /// An error, or the end of a partition.
    Error(ErrorEvent),
    Log(LogLine),
}

pub struct ErrorEvent {
    pub code: RespErr,
    pub fatal: bool,
    pub reason: Unmasked,
    /// The partition it is about, with an offset where it is about one.
    pub at: Option<(String, i32, i64)>,
}

pub struct LogLine {
    /// As syslog's: 0 to 7, the smaller the worse.
    pub level: c_int,
    pub facility: String,
    pub line: Unmasked,
}

impl Event<'_> {
    /// Takes over an event from a queue; `None` for null.
    ///
    /// # Safety
    /// `event` is null or an event that nobody else destroys. Its client outlives the lifetime of the result.
    pub(super) unsafe fn take(event: *mut sys::rd_kafka_event_t) -> Option<Self> {
        let event = NativeEvent { event: ptr::NonNull::new(event)?, client: PhantomData };
        // SAFETY: the event lives.
        let kind = unsafe { sys::rd_kafka_event_type(event.ptr()) };
        Some(match kind {
            sys::RD_KAFKA_EVENT_FETCH => Self::Record(event),
            sys::RD_KAFKA_EVENT_DR => Self::Deliveries(event),
            sys::RD_KAFKA_EVENT_REBALANCE => event.rebalance(),
            sys::RD_KAFKA_EVENT_ERROR => Self::Error(event.error()),
            sys::RD_KAFKA_EVENT_LOG => Self::Log(event.log()),
            _ => Self::Answer(event),
        })
    }
}

/// An event, destroyed on drop. It borrows its client, so it is destroyed first.
pub struct NativeEvent<'c> {
    event: ptr::NonNull<sys::rd_kafka_event_t>,
    client: PhantomData<&'c NativeClient>,
}

impl NativeEvent<'_> {
    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.event.as_ptr()
    }

    /// The error of an answer as a whole.
    pub fn check(&self) -> Result<(), (RespErr, Unmasked)> {
        // SAFETY: the event lives and owns the text.
        let (err, reason) = unsafe {
            (sys::rd_kafka_event_error(self.ptr()), Unmasked::new(sys::rd_kafka_event_error_string(self.ptr())))
        };
        if err == RespErr::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err((err, reason)) }
    }

    fn rebalance<'c>(&self) -> Event<'c> {
        // SAFETY: the event lives and owns its list.
        let (err, partitions) = unsafe {
            let list = sys::rd_kafka_event_topic_partition_list(self.ptr());
            (sys::rd_kafka_event_error(self.ptr()), elements(list).iter().map(|at| at.partition).collect())
        };
        match err {
            RespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Event::Assign(partitions),
            _ => Event::Revoke(partitions),
        }
    }

    fn error(&self) -> ErrorEvent {
        // SAFETY: the event lives and is one of an error; the partition, if there is one, is ours to destroy.
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
                reason: Unmasked::new(sys::rd_kafka_event_error_string(self.ptr())),
                at,
            }
        }
    }

    fn log(&self) -> LogLine {
        let (mut facility, mut line, mut level): (*const c_char, *const c_char, c_int) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event lives and owns the strings. It is one of a log line, so the call fills all three in; if it did
        // not, they would stay null.
        unsafe {
            sys::rd_kafka_event_log(self.ptr(), &raw mut facility, &raw mut line, &raw mut level);
            LogLine { level, facility: text(facility), line: Unmasked::new(line) }
        }
    }
}

impl Drop for NativeEvent<'_> {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_event_destroy(self.ptr()) }
    }
}
