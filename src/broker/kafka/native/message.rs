//! Messages of an event: records that were read, and deliveries of records that were sent.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::bindings as sys;

use super::error::RespErr;
use super::event::NativeEvent;
use super::headers;
use super::values::bytes;
use crate::broker::{Header, Record};
use crate::time::Timestamp;

/// A message. Its event or its batch owns it and everything that it points to.
pub struct Message<'e> {
    message: NonNull<sys::rd_kafka_message_t>,
    owner: PhantomData<&'e sys::rd_kafka_message_t>,
}

impl NativeEvent<'_> {
    /// The next of the event's messages, which the event keeps until it is destroyed.
    pub fn next_message(&self) -> Option<Message<'_>> {
        // SAFETY: the event lives and owns its messages; other kinds of events have none.
        unsafe { Message::new(sys::rd_kafka_event_message_next(self.ptr())) }
    }
}

impl<'e> Message<'e> {
    /// `None` for null.
    ///
    /// # Safety
    /// `message` is null or lives for `'e`, and nobody but librdkafka changes it.
    pub(super) unsafe fn new(message: *const sys::rd_kafka_message_t) -> Option<Self> {
        NonNull::new(message.cast_mut()).map(|message| Self { message, owner: PhantomData })
    }

    fn fields(&self) -> &'e sys::rd_kafka_message_t {
        // SAFETY: the message lives for `'e`.
        unsafe { self.message.as_ref() }
    }

    /// The topic's name; empty if there is no topic.
    pub fn topic(&self) -> &'e [u8] {
        let topic = self.fields().rkt;
        if topic.is_null() {
            return &[];
        }
        // SAFETY: the message owns a reference to its topic, and that its name.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) }.to_bytes()
    }

    pub fn partition(&self) -> i32 {
        self.fields().partition
    }

    pub fn offset(&self) -> i64 {
        self.fields().offset
    }

    pub(super) fn payload(&self) -> *const c_void {
        self.fields().payload
    }

    /// Of a delivery: why the record was refused. Of a batch: what is said in place of a record.
    pub fn error(&self) -> RespErr {
        self.fields().err
    }

    /// Of a delivery: the tag that the record was sent with.
    pub fn tag(&self) -> u64 {
        self.fields()._private.addr() as u64
    }

    /// Its own time, or the broker's if the topic stamps it.
    pub fn timestamp(&self) -> Timestamp {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message lives.
        Timestamp(unsafe { sys::rd_kafka_message_timestamp(self.message.as_ptr(), &raw mut kind) })
    }

    /// Copies a record that was read: one allocation for all its bytes.
    pub fn record(&self, topic: Arc<str>) -> Record {
        let fields = self.fields();
        // SAFETY: the message lives and owns key, value and headers.
        let (key, value, headers) = unsafe {
            let (key, value) = (bytes(fields.key, fields.key_len), bytes(fields.payload, fields.len));
            (key, value, headers::of_message(self.message.as_ptr()))
        };
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let in_headers: usize = headers.iter().map(|(name, value)| name.len() + length(*value)).sum();
        let mut all = Vec::with_capacity(length(key) + length(value) + in_headers);
        for part in [key, value]
            .into_iter()
            .flatten()
            .chain(headers.iter().flat_map(|(name, value)| [*name].into_iter().chain(*value)))
        {
            all.extend_from_slice(part);
        }
        let all = Bytes::from(all);
        let mut taken = 0;
        let mut take = |part: &[u8]| {
            taken += part.len();
            all.slice(taken - part.len()..taken)
        };
        Record {
            topic,
            partition: fields.partition,
            offset: fields.offset,
            timestamp: self.timestamp(),
            key: key.map(&mut take),
            value: value.map(&mut take),
            headers: headers
                .iter()
                .map(|(name, value)| Header { name: take(name), value: value.map(&mut take) })
                .collect(),
        }
    }
}
