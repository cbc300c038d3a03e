//! What a cluster says of itself: partitions, replicas, settings.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::bindings as sys;
use sys::rd_kafka_admin_op_t::*;
use sys::rd_kafka_resp_err_t::*;

use super::REQUEST;
use super::admin::{KafkaAdmin, pointers};
use super::errors::{self, plain, text};
use super::mask::words;
use super::native::{Of, c_string};
use crate::broker::{Action, Code, Error, Result};

impl KafkaAdmin {
    /// Partitions of a topic, and the replicas of the one that has the fewest.
    pub(super) fn describe(&self, topic: &str) -> Result<Option<(i32, i32)>> {
        let handle = self.client.topic(topic)?;
        let (err, partitions, replicas) = self.client.within("metadata", REQUEST, |limit| {
            let limit = Duration::from_millis(limit.unsigned_abs().into());
            let answer = self.client.metadata(&Of::Topic(&handle), limit, |topics| {
                let unknown = (RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, 0, 0);
                topics.first().map_or(unknown, |topic| (topic.err, topic.partitions, topic.replicas))
            });
            Ok(answer.ok())
        })?;
        match err {
            // Between creation and the first leader a topic may show without partitions.
            RD_KAFKA_RESP_ERR_NO_ERROR | RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE if partitions > 0 => {
                Ok(Some((partitions, replicas)))
            }
            RD_KAFKA_RESP_ERR_NO_ERROR | RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE => {
                Err(plain(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, topic))
            }
            err if errors::code(err) == Code::UnknownTopic => Ok(None),
            err => Err(plain(err, topic)),
        }
    }

    /// The id of a broker that is up: what KRaft clusters give for their controller.
    pub(super) fn some_broker(&self) -> Result<i32> {
        self.client.within("broker id", REQUEST, |limit| {
            // SAFETY: the client lives.
            let id = unsafe { sys::rd_kafka_controllerid(self.client.ptr(), limit) };
            Ok((id >= 0).then_some(id))
        })
    }

    pub(super) fn config(&self, kind: sys::rd_kafka_ResourceType_t, of: &str) -> Result<BTreeMap<String, String>> {
        let name = c_string(of)?;
        // SAFETY: the name lives; what is made is destroyed below.
        let mut native = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
        let event = self.request("describe_configs", RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, |client, options, queue| {
            // SAFETY: all live during the call, which copies the resource.
            unsafe { sys::rd_kafka_DescribeConfigs(client, &raw mut native, 1, options, queue) }
        });
        // SAFETY: ours, and not used afterwards.
        unsafe { sys::rd_kafka_ConfigResource_destroy(native) };
        let event = event?;
        let mut settings = BTreeMap::new();
        // SAFETY: the event is the answer to this request, lives, and owns resources and entries.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(event.ptr());
            let mut count = 0;
            let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            for resource in pointers(resources, count) {
                let err = sys::rd_kafka_ConfigResource_error(*resource);
                if err != RD_KAFKA_RESP_ERR_NO_ERROR {
                    let reason = words(sys::rd_kafka_ConfigResource_error_string(*resource));
                    return Err(plain(err, &format!("{of}: {reason}")));
                }
                let mut count = 0;
                let entries = sys::rd_kafka_ConfigResource_configs(*resource, &raw mut count);
                for entry in pointers(entries, count) {
                    let value = sys::rd_kafka_ConfigEntry_value(*entry);
                    if !value.is_null() {
                        settings.insert(text(sys::rd_kafka_ConfigEntry_name(*entry)), text(value));
                    }
                }
            }
        }
        if settings.is_empty() {
            let detail = format!("{of}: the broker shows no settings (DescribeConfigs is not allowed)");
            return Err(Error::new(Action::Retry, Code::Denied, detail));
        }
        Ok(settings)
    }
}
