//! A group's committed offsets, seen and set from outside of the group.

use std::collections::HashMap;

use rdkafka::bindings as sys;
use sys::rd_kafka_admin_op_t::*;
use sys::rd_kafka_resp_err_t::*;

use super::admin::{KafkaAdmin, pointers};
use super::errors::{self, invalid, plain};
use super::event::NativeEvent;
use super::list::{Partitions, elements, slice};
use super::mask::words;
use super::native::c_string;
use crate::broker::{Action, Code, Committed, Error, Offset, Result};

impl KafkaAdmin {
    pub(super) fn read_group_offsets(
        &mut self,
        group: &str,
        topic: &str,
        partitions: &[i32],
    ) -> Result<Vec<Option<Committed>>> {
        let (name, mut list) = (c_string(group)?, Partitions::new());
        for partition in partitions {
            list.add(topic, *partition, None)?;
        }
        // SAFETY: name and list live, and are copied; what is made is destroyed below.
        let mut native = unsafe { sys::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), list.ptr()) };
        let operation = RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        let event = self.group_request("list_offsets", operation, |client, options, queue| {
            // SAFETY: all live during the call, which copies the request.
            unsafe { sys::rd_kafka_ListConsumerGroupOffsets(client, &raw mut native, 1, options, queue) }
        });
        // SAFETY: ours, and not used afterwards.
        unsafe { sys::rd_kafka_ListConsumerGroupOffsets_destroy(native) };
        let event = event?;
        // SAFETY: the event is the answer to this request and lives.
        let groups = unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(event.ptr());
            let groups = sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
            pointers(groups, count)
        };
        let mut found = HashMap::new();
        for at in of_group(&event, groups)? {
            if at.err != RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(plain(at.err, group));
            }
            if at.offset >= 0 {
                // SAFETY: the metadata has this many bytes.
                let metadata = unsafe { slice(at.metadata.cast::<u8>(), i32::try_from(at.metadata_size).unwrap_or(0)) };
                let metadata = String::from_utf8_lossy(metadata).into_owned();
                found.insert(at.partition, Committed { offset: at.offset, metadata });
            }
        }
        Ok(partitions.iter().map(|partition| found.remove(partition)).collect())
    }

    pub(super) fn write_group_offset(&mut self, group: &str, offset: &Offset) -> Result<()> {
        if offset.offset < 0 {
            return Err(invalid(format!("{}/{}: a negative offset", offset.topic, offset.partition)));
        }
        let (name, mut list) = (c_string(group)?, Partitions::new());
        list.add_with(&offset.topic, offset.partition, Some(offset.offset), &offset.metadata)?;
        // SAFETY: name and list live, and are copied; what is made is destroyed below.
        let mut native = unsafe { sys::rd_kafka_AlterConsumerGroupOffsets_new(name.as_ptr(), list.ptr()) };
        let operation = RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS;
        let event = self.group_request("alter_offsets", operation, |client, options, queue| {
            // SAFETY: all live during the call, which copies the request.
            unsafe { sys::rd_kafka_AlterConsumerGroupOffsets(client, &raw mut native, 1, options, queue) }
        });
        // SAFETY: ours, and not used afterwards.
        unsafe { sys::rd_kafka_AlterConsumerGroupOffsets_destroy(native) };
        let event = event?;
        // SAFETY: the event is the answer to this request and lives.
        let groups = unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(event.ptr());
            let groups = sys::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count);
            pointers(groups, count)
        };
        let refused = of_group(&event, groups)?.iter().find(|at| at.err != RD_KAFKA_RESP_ERR_NO_ERROR);
        match refused.map(|at| at.err) {
            None => Ok(()),
            // A group with members refuses offsets of anybody that is none.
            Some(err @ (RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID | RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP)) => {
                let detail = format!("the group {group} has members ({}): its offsets are theirs", errors::name(err));
                Err(Error::new(Action::Stop, Code::Busy, detail))
            }
            Some(err) => Err(plain(err, group)),
        }
    }
}

/// The partitions of the one group that was asked about.
fn of_group<'a>(
    _event: &'a NativeEvent,
    groups: &[*const sys::rd_kafka_group_result_t],
) -> Result<&'a [sys::rd_kafka_topic_partition_t]> {
    let Some(&group) = groups.first() else {
        return Err(Error::new(Action::Retry, Code::Other, "no answer about the group"));
    };
    // SAFETY: the event owns the result and everything of it, and lives for `'a`.
    unsafe {
        let error = sys::rd_kafka_group_result_error(group);
        if !error.is_null() {
            return Err(plain(sys::rd_kafka_error_code(error), &words(sys::rd_kafka_error_string(error))));
        }
        Ok(elements(sys::rd_kafka_group_result_partitions(group)))
    }
}
