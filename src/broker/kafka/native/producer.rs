//! Calls of a producer, named as in librdkafka, whose documentation says what each one does. Safe with every client: what is
//! given lives during the call, and a client that has no transactions refuses.

use std::time::Duration;

use rdkafka::bindings as sys;

use super::client::NativeClient;
use super::error::Failure;
use super::group::ConsumerGroupMetadata;
use super::list::Partitions;
use super::values::millis;

impl NativeClient {
    pub fn init_transactions(&self, limit: Duration) -> Result<(), Failure> {
        // SAFETY: the client lives; the error is ours.
        unsafe { Failure::check(sys::rd_kafka_init_transactions(self.ptr(), millis(limit))) }
    }

    /// Only a change of state inside of the client.
    pub fn begin_transaction(&self) -> Result<(), Failure> {
        // SAFETY: the client lives; the error is ours.
        unsafe { Failure::check(sys::rd_kafka_begin_transaction(self.ptr())) }
    }

    pub fn send_offsets_to_transaction(
        &self,
        offsets: &Partitions,
        group: &ConsumerGroupMetadata,
        limit: Duration,
    ) -> Result<(), Failure> {
        // SAFETY: client, list and group metadata live during the call; the error is ours.
        unsafe {
            Failure::check(sys::rd_kafka_send_offsets_to_transaction(
                self.ptr(),
                offsets.ptr(),
                group.ptr(),
                millis(limit),
            ))
        }
    }

    pub fn commit_transaction(&self, limit: Duration) -> Result<(), Failure> {
        // SAFETY: the client lives; the error is ours.
        unsafe { Failure::check(sys::rd_kafka_commit_transaction(self.ptr(), millis(limit))) }
    }

    pub fn abort_transaction(&self, limit: Duration) -> Result<(), Failure> {
        // SAFETY: the client lives; the error is ours.
        unsafe { Failure::check(sys::rd_kafka_abort_transaction(self.ptr(), millis(limit))) }
    }

    /// Sends what lingers, and waits up to `limit` for it. Whether it was enough is seen by the deliveries.
    pub fn flush(&self, limit: Duration) {
        // SAFETY: the client lives.
        unsafe { sys::rd_kafka_flush(self.ptr(), millis(limit)) };
    }
}
