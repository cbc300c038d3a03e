//! A librdkafka client of either kind.

use std::ffi::{CStr, CString, c_char};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use rdkafka::bindings as sys;
use rdkafka::config::NativeClientConfig;
use rdkafka::types::RDKafkaType;

use super::error::{Failure, RespErr, check};
use super::values::Unmasked;

/// A client and the queue in which everything of it arrives, or all but errors and log lines. Dropping the last owner destroys
/// it without leaving its group.
pub struct NativeClient {
    rk: *mut sys::rd_kafka_t,
    pub(super) queue: *mut sys::rd_kafka_queue_t,
    /// For errors of the client as a whole and log lines, if they come apart; else null.
    pub(super) apart: *mut sys::rd_kafka_queue_t,
    consumer: bool,
}

/// Where errors of a client as a whole and its log lines come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    Among,
    /// In a queue of their own. Of a consumer with a group only.
    Apart,
}

// SAFETY: librdkafka's clients and queues may be used from any thread.
unsafe impl Send for NativeClient {}
// SAFETY: and from several at once: librdkafka locks what they share.
unsafe impl Sync for NativeClient {}

impl NativeClient {
    /// Errors, deliveries, rebalances and log lines are to come as events, the log lines only with `log.queue`.
    pub fn new(kind: RDKafkaType, config: NativeClientConfig, errors: Errors) -> Result<Arc<Self>, Unmasked> {
        let consumer = matches!(kind, RDKafkaType::RD_KAFKA_CONSUMER);
        let events =
            sys::RD_KAFKA_EVENT_ERROR | if consumer { sys::RD_KAFKA_EVENT_REBALANCE } else { sys::RD_KAFKA_EVENT_DR };
        let mut reason = [0 as c_char; 512];
        // SAFETY: the configuration lives; on success the client owns it (hence ManuallyDrop), on failure we still do.
        let rk = unsafe {
            sys::rd_kafka_conf_set_events(config.ptr(), events);
            let mut config = ManuallyDrop::new(config);
            let rk = sys::rd_kafka_new(kind, config.ptr(), reason.as_mut_ptr(), reason.len());
            if rk.is_null() {
                ManuallyDrop::drop(&mut config);
                return Err(Unmasked::new(reason.as_ptr()));
            }
            rk
        };
        // SAFETY: the client was just made; the references to its queues are given back when this is dropped.
        let (queue, apart) = unsafe {
            // Null: log lines go to the client's main queue.
            sys::rd_kafka_set_log_queue(rk, ptr::null_mut());
            let queue = if consumer { sys::rd_kafka_queue_get_consumer(rk) } else { ptr::null_mut() };
            match (queue.is_null(), errors) {
                // A consumer without a group has the main queue only.
                (true, _) => (sys::rd_kafka_queue_get_main(rk), ptr::null_mut()),
                (false, Errors::Apart) => (queue, sys::rd_kafka_queue_get_main(rk)),
                (false, Errors::Among) => {
                    // One queue for records, rebalances, errors and log lines.
                    sys::rd_kafka_poll_set_consumer(rk);
                    (queue, ptr::null_mut())
                }
            }
        };
        Ok(Arc::new(Self { rk, queue, apart, consumer }))
    }

    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_t {
        self.rk
    }

    pub(super) fn is_consumer(&self) -> bool {
        self.consumer
    }

    /// Has it log in with these from its next connection on; those that it has stay.
    pub fn set_sasl_credentials(&self, username: &CStr, password: &CStr) -> Result<(), Failure> {
        // SAFETY: the client lives; both texts live during the call, which copies them; the error is ours.
        unsafe { Failure::check(sys::rd_kafka_sasl_set_credentials(self.rk, username.as_ptr(), password.as_ptr())) }
    }

    /// Has it log in with this token, and its principal, from its next connection on, and at the next time that a broker wants
    /// it again. `ends`: in milliseconds since 1970. `extensions`: each name with its value behind it.
    pub fn set_token(
        &self,
        (token, principal): (&CStr, &CStr),
        ends: i64,
        extensions: &[CString],
    ) -> Result<(), Unmasked> {
        let mut extensions: Vec<*const c_char> = extensions.iter().map(|text| text.as_ptr()).collect();
        let mut reason = [0 as c_char; 512];
        // SAFETY: the client, all texts and the list of them live during the call, which copies them and writes a text that ends with
        // a NUL into the buffer where it fails.
        unsafe {
            let err = sys::rd_kafka_oauthbearer_set_token(
                self.rk,
                token.as_ptr(),
                ends,
                principal.as_ptr(),
                extensions.as_mut_ptr(),
                extensions.len(),
                reason.as_mut_ptr(),
                reason.len(),
            );
            check(err).map_err(|_| Unmasked::new(reason.as_ptr()))
        }
    }

    /// What broke this client for good; `NO_ERROR` if nothing has.
    pub fn fatal_code(&self) -> RespErr {
        // SAFETY: the client lives; no words are asked for.
        unsafe { sys::rd_kafka_fatal_error(self.rk, ptr::null_mut(), 0) }
    }

    /// The same with librdkafka's words; `None` if nothing has.
    pub fn fatal_error(&self) -> Option<(RespErr, Unmasked)> {
        let mut reason = [0; 512];
        // SAFETY: client and buffer live during the call, which ends the text with a NUL.
        let (err, reason) = unsafe {
            let err = sys::rd_kafka_fatal_error(self.rk, reason.as_mut_ptr(), reason.len());
            (err, Unmasked::new(reason.as_ptr()))
        };
        (err != RespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then_some((err, reason))
    }
}

impl Drop for NativeClient {
    fn drop(&mut self) {
        // SAFETY: nothing of the client is left: queues and events borrowed it, topic handles owned it too. Not closing
        // means that a group notices only by the session timeout.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue);
            if !self.apart.is_null() {
                sys::rd_kafka_queue_destroy(self.apart);
            }
            sys::rd_kafka_destroy_flags(self.rk, sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        }
    }
}
