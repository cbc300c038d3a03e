//! Who is in a group, as its coordinator says.

use std::ptr;

use rdkafka::bindings as sys;
use sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;

use super::REQUEST;
use super::admin::pointers;
use super::errors::{plain, text};
use super::native::{Client, c_string, millis};
use crate::broker::{Action, Code, Error, Result};

pub(super) struct Listed {
    pub id: String,
    pub client_id: String,
}

/// The members of a group; none if there is no such group. The client has to be one of this group.
pub(super) fn members(client: &Client, group: &str) -> Result<Vec<Listed>> {
    let name = c_string(group)?;
    let event = client.request_beside("describe_group", REQUEST, |queue| {
        let mut names = [name.as_ptr()];
        let mut reason = [0; 256];
        // SAFETY: all live during the calls, which copy name and options. A refused option leaves its default.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(client.ptr(), RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
            let limit = millis(REQUEST);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, limit, reason.as_mut_ptr(), reason.len());
            sys::rd_kafka_DescribeConsumerGroups(client.ptr(), names.as_mut_ptr(), names.len(), options, queue);
            sys::rd_kafka_AdminOptions_destroy(options);
        }
    })?;
    // SAFETY: the event is the answer to this request, lives, and owns everything that is read here.
    unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.ptr());
        let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, ptr::from_mut(&mut count));
        let Some(&found) = pointers(groups, count).first() else {
            return Err(Error::new(Action::Retry, Code::Other, "no answer about the group"));
        };
        let error = sys::rd_kafka_ConsumerGroupDescription_error(found);
        if !error.is_null() && sys::rd_kafka_error_code(error) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(plain(sys::rd_kafka_error_code(error), &text(sys::rd_kafka_error_string(error))));
        }
        let members = (0..sys::rd_kafka_ConsumerGroupDescription_member_count(found)).map(|index| {
            let member = sys::rd_kafka_ConsumerGroupDescription_member(found, index);
            Listed {
                id: text(sys::rd_kafka_MemberDescription_consumer_id(member)),
                client_id: text(sys::rd_kafka_MemberDescription_client_id(member)),
            }
        });
        Ok(members.collect())
    }
}
