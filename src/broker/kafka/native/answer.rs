//! Answers to requests of the admin API. An event that answers another request holds nothing of what is asked for.

use std::collections::{BTreeMap, HashMap, HashSet};

use rdkafka::bindings as sys;
pub use sys::rd_kafka_AclOperation_t as AclOperation;

use super::error::{RespErr, check};
use super::event::NativeEvent;
use super::list::{Partition, elements};
use super::values::{Unmasked, array, text};

/// About one group: its partitions, or why there are none; `None` if the answer does not mention it. The event owns all of
/// it.
pub type GroupAnswer<'e> = Option<Result<Vec<Partition<'e>>, (RespErr, Unmasked)>>;

impl NativeEvent<'_> {
    /// How the creation of each topic ended.
    pub fn created_topics(&self) -> HashMap<String, RespErr> {
        let mut count = 0;
        // SAFETY: the event lives and owns its result; null is an answer to something else.
        unsafe {
            let result = sys::rd_kafka_event_CreateTopics_result(self.ptr());
            if result.is_null() {
                return HashMap::new();
            }
            topic_results(sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count), count)
        }
    }

    /// How the deletion of each topic ended.
    pub fn deleted_topics(&self) -> HashMap<String, RespErr> {
        let mut count = 0;
        // SAFETY: the event lives and owns its result; null is an answer to something else.
        unsafe {
            let result = sys::rd_kafka_event_DeleteTopics_result(self.ptr());
            if result.is_null() {
                return HashMap::new();
            }
            topic_results(sys::rd_kafka_DeleteTopics_result_topics(result, &raw mut count), count)
        }
    }

    /// How the deletion of records ended, by topic: meant for requests about one partition of each.
    pub fn deleted_records(&self) -> HashMap<String, RespErr> {
        // SAFETY: the event lives and owns its result, and that the list; null is an answer to something else.
        unsafe {
            let result = sys::rd_kafka_event_DeleteRecords_result(self.ptr());
            // librdkafka ends the process over an answer that is an error as a whole: it has no list.
            if result.is_null() || self.check().is_err() {
                return HashMap::new();
            }
            let partitions = elements(sys::rd_kafka_DeleteRecords_result_offsets(result));
            partitions.iter().map(|at| (text(at.topic), at.err)).collect()
        }
    }

    /// The topics that exist and have a leader for each of their partitions.
    pub fn led_topics(&self) -> HashSet<String> {
        let (mut led, mut count) = (HashSet::new(), 0);
        // SAFETY: the event lives and owns its result, and that the topics; null is an answer to something else.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(self.ptr());
            if result.is_null() {
                return led;
            }
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            for topic in array(topics, count) {
                let mut count = 0;
                // Of a topic with an error there are none.
                let partitions = sys::rd_kafka_TopicDescription_partitions(*topic, &raw mut count);
                let partitions = array(partitions, count);
                let is_led = |partition: &_| !sys::rd_kafka_TopicPartitionInfo_leader(*partition).is_null();
                if !partitions.is_empty() && partitions.iter().all(is_led) {
                    led.insert(text(sys::rd_kafka_TopicDescription_name(*topic)));
                }
            }
        }
        led
    }

    /// The settings of what was asked about, without those that have no value.
    pub fn described_configs(&self) -> Result<BTreeMap<String, String>, (RespErr, Unmasked)> {
        let (mut settings, mut count) = (BTreeMap::new(), 0);
        // SAFETY: the event lives and owns its result, and that resources and entries; null is an answer to something else.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(self.ptr());
            if result.is_null() {
                return Ok(settings);
            }
            let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            for resource in array(resources, count) {
                let err = sys::rd_kafka_ConfigResource_error(*resource);
                if err != RespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Err((err, Unmasked::new(sys::rd_kafka_ConfigResource_error_string(*resource))));
                }
                let mut count = 0;
                let entries = sys::rd_kafka_ConfigResource_configs(*resource, &raw mut count);
                for entry in array(entries, count) {
                    let value = sys::rd_kafka_ConfigEntry_value(*entry);
                    if !value.is_null() {
                        settings.insert(text(sys::rd_kafka_ConfigEntry_name(*entry)), text(value));
                    }
                }
            }
        }
        Ok(settings)
    }

    /// What we may do with the topic that was asked about; `None` if the answer does not say. Of the operations that a broker
    /// names librdkafka gives those that its enumeration has.
    pub fn described_rights(&self) -> Result<Option<Vec<AclOperation>>, RespErr> {
        let (mut count, mut operations) = (0, 0);
        // SAFETY: the event lives and owns its result, and that the topics; null is an answer to something else.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(self.ptr());
            if result.is_null() {
                return Ok(None);
            }
            let topics = array(sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count), count);
            let Some(topic) = topics.first() else { return Ok(None) };
            let error = sys::rd_kafka_TopicDescription_error(*topic);
            if !error.is_null() {
                check(sys::rd_kafka_error_code(error))?;
            }
            let first = sys::rd_kafka_TopicDescription_authorized_operations(*topic, &raw mut operations);
            Ok((!first.is_null()).then(|| array(first, operations).to_vec()))
        }
    }

    pub fn listed_group_offsets(&self) -> GroupAnswer<'_> {
        let mut count = 0;
        // SAFETY: the event lives and owns its result; null is an answer to something else.
        unsafe {
            let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(self.ptr());
            if result.is_null() {
                return None;
            }
            first_group(sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count), count)
        }
    }

    pub fn altered_group_offsets(&self) -> GroupAnswer<'_> {
        let mut count = 0;
        // SAFETY: the event lives and owns its result; null is an answer to something else.
        unsafe {
            let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(self.ptr());
            if result.is_null() {
                return None;
            }
            first_group(sys::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count), count)
        }
    }
}

/// # Safety
/// `count` results live at `first` during the call.
unsafe fn topic_results(first: *mut *const sys::rd_kafka_topic_result_t, count: usize) -> HashMap<String, RespErr> {
    // SAFETY: by this function's contract.
    unsafe {
        let results = array(first, count).iter();
        let result =
            |&result: &_| (text(sys::rd_kafka_topic_result_name(result)), sys::rd_kafka_topic_result_error(result));
        results.map(result).collect()
    }
}

/// # Safety
/// `count` groups live at `first`, unchanged, for `'e`.
unsafe fn first_group<'e>(first: *mut *const sys::rd_kafka_group_result_t, count: usize) -> GroupAnswer<'e> {
    // SAFETY: by this function's contract; a group owns its error and its partitions.
    unsafe {
        let group = *array(first, count).first()?;
        let error = sys::rd_kafka_group_result_error(group);
        if !error.is_null() {
            let reason = Unmasked::new(sys::rd_kafka_error_string(error));
            return Some(Err((sys::rd_kafka_error_code(error), reason)));
        }
        Some(Ok(Partition::all(sys::rd_kafka_group_result_partitions(group))))
    }
}
