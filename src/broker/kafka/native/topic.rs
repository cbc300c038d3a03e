//! Handles of topics, and sending to them.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::Arc;

use rdkafka::bindings as sys;
use sys::rd_kafka_vtype_t::*;
use sys::{rd_kafka_vu_s__bindgen_ty_1 as Field, rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Memory};

use super::client::NativeClient;
use super::error::{Failure, RespErr};
use super::headers::Headers;
use crate::broker::Header;
use crate::time::Timestamp;

/// A topic of one client, which it keeps alive.
pub struct TopicHandle {
    topic: *mut sys::rd_kafka_topic_t,
    client: Arc<NativeClient>,
}

// SAFETY: librdkafka's topics may be used from any thread.
unsafe impl Send for TopicHandle {}

/// A record on its way to librdkafka.
pub struct ProducerRecord<'a> {
    pub partition: i32,
    pub timestamp: Option<Timestamp>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
    /// Comes back with the delivery.
    pub tag: u64,
}

impl NativeClient {
    pub fn topic(self: &Arc<Self>, name: &CStr) -> Result<TopicHandle, RespErr> {
        // SAFETY: client and name live; no topic configuration is given.
        let topic = unsafe { sys::rd_kafka_topic_new(self.ptr(), name.as_ptr(), ptr::null_mut()) };
        if topic.is_null() {
            // SAFETY: reads this thread's last error.
            return Err(unsafe { sys::rd_kafka_last_error() });
        }
        Ok(TopicHandle { topic, client: Arc::clone(self) })
    }
}

impl TopicHandle {
    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_topic_t {
        self.topic
    }

    /// Hands one record to the topic's client, which copies it.
    pub fn produce(&self, record: &ProducerRecord<'_>) -> Result<(), Failure> {
        const NOTHING: sys::rd_kafka_vu_t = sys::rd_kafka_vu_t { vtype: RD_KAFKA_VTYPE_END, u: Field { i: 0 } };
        if self.client.is_consumer() {
            // librdkafka does not look.
            return Err(Failure::new(RespErr::RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED));
        }
        let mut fields = [NOTHING; 8];
        let mut count = 0;
        let mut add = |vtype, u| {
            fields[count] = sys::rd_kafka_vu_t { vtype, u };
            count += 1;
        };
        let memory = |part: &[u8]| Field { mem: Memory { ptr: part.as_ptr().cast_mut().cast(), size: part.len() } };
        add(RD_KAFKA_VTYPE_RKT, Field { rkt: self.topic });
        add(RD_KAFKA_VTYPE_PARTITION, Field { i32_: record.partition });
        add(RD_KAFKA_VTYPE_MSGFLAGS, Field { i: sys::RD_KAFKA_MSG_F_COPY as c_int });
        add(RD_KAFKA_VTYPE_OPAQUE, Field { ptr: ptr::without_provenance_mut(record.tag as usize) });
        // What is not given stays null: an empty slice has a pointer, null has none.
        if let Some(key) = record.key {
            add(RD_KAFKA_VTYPE_KEY, memory(key));
        }
        if let Some(value) = record.value {
            add(RD_KAFKA_VTYPE_VALUE, memory(value));
        }
        if let Some(timestamp) = record.timestamp {
            // librdkafka reads 0 as "now": the first millisecond of 1970 is carried as the second.
            add(RD_KAFKA_VTYPE_TIMESTAMP, Field { i64_: if timestamp.0 == 0 { 1 } else { timestamp.0 } });
        }
        let headers = (!record.headers.is_empty()).then(|| Headers::new(record.headers));
        if let Some(headers) = &headers {
            add(RD_KAFKA_VTYPE_HEADERS, Field { headers: headers.ptr() });
        }
        // SAFETY: client and topic live, and so do all fields during the call, in which librdkafka copies key and value
        // (MSG_F_COPY). The headers become its own on success only.
        unsafe { Failure::check(sys::rd_kafka_produceva(self.client.ptr(), fields.as_ptr(), count)) }?;
        if let Some(headers) = headers {
            headers.taken();
        }
        Ok(())
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: this reference is ours and not used afterwards; the client goes later at the earliest.
        unsafe { sys::rd_kafka_topic_destroy(self.topic) }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::types::RDKafkaType;

    use super::super::client::Errors;
    use super::*;

    /// A handle of a client that no longer has another owner.
    fn handle(kind: RDKafkaType) -> TopicHandle {
        // It would complain that it knows no cluster.
        let config = ClientConfig::new().set("log_level", "0").create_native_config().unwrap();
        let client = NativeClient::new(kind, config, Errors::Among).unwrap();
        client.topic(c"topic").unwrap()
    }

    fn produce(topic: &TopicHandle) -> Result<(), RespErr> {
        let record =
            ProducerRecord { partition: 0, timestamp: None, key: None, value: Some(b"value"), headers: &[], tag: 0 };
        topic.produce(&record).map_err(|failure| failure.code)
    }

    #[test]
    fn a_handle_can_be_used_after_its_client_was_let_go() {
        assert_eq!(produce(&handle(RDKafkaType::RD_KAFKA_PRODUCER)), Ok(()));
    }

    #[test]
    fn a_consumer_sends_nothing() {
        let refused = RespErr::RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED;
        assert_eq!(produce(&handle(RDKafkaType::RD_KAFKA_CONSUMER)), Err(refused));
    }
}
