//! Records that are polled many at a time: one by one each costs two looks at the clock and an event.
//!
//! Only for readers, which have no group and never pause what they read. A change of assignment that librdkafka meets within a
//! batch is reported by no event. And a batch moves the place from which a partition goes on after a pause behind everything in
//! it, the end of a partition among it: what was paused there would go on one record too late. Each rebalance pauses.

use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;

use super::client::NativeClient;
use super::error::RespErr;
use super::event::ErrorEvent;
use super::message::Message;
use super::values::Unmasked;

/// What one poll brought, in its order.
pub struct Batch<'c> {
    messages: &'c mut Vec<*mut sys::rd_kafka_message_t>,
    client: &'c NativeClient,
}

/// One thing of a batch.
pub enum Polled<'b> {
    Record(Message<'b>),
    Error(ErrorEvent),
}

/// The place where a batch stands, to be used again for the next one.
#[derive(Debug, Default)]
pub struct Messages(Vec<*mut sys::rd_kafka_message_t>);

// SAFETY: between two batches it is empty, but for its room.
unsafe impl Send for Messages {}

impl NativeClient {
    /// What is there of the queue of a client whose errors are apart, up to so many messages, without waiting. `messages`: where
    /// they may stand.
    pub fn poll_batch<'c>(&'c self, most: usize, messages: &'c mut Messages) -> Batch<'c> {
        let Messages(messages) = messages;
        messages.clear();
        messages.resize(most, ptr::null_mut());
        // SAFETY: client and queue live, and there is room for so many pointers, of which the call fills in as many as it says.
        // Records and errors of partitions alone come into this queue. (Of anything else the call returns nothing, or ends the
        // process. That a topic does not exist may be told like that, and is logged then.)
        let count = unsafe { sys::rd_kafka_consume_batch_queue(self.queue, 0, messages.as_mut_ptr(), messages.len()) };
        messages.truncate(usize::try_from(count).unwrap_or(0));
        Batch { messages, client: self }
    }
}

impl Batch<'_> {
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = Polled<'_>> {
        // SAFETY: the batch owns its messages.
        let messages = self.messages.iter().filter_map(|message| unsafe { Message::new(*message) });
        messages.map(|message| match message.error() {
            RespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Polled::Record(message),
            RespErr::RD_KAFKA_RESP_ERR__FATAL => Polled::Error(self.fatal()),
            code => Polled::Error(Self::error(code, &message)),
        })
    }

    /// What broke the client for good: the message says no more than that something did.
    fn fatal(&self) -> ErrorEvent {
        let (code, reason) =
            self.client.fatal_error().unwrap_or((RespErr::RD_KAFKA_RESP_ERR__FATAL, Unmasked::default()));
        ErrorEvent { code, fatal: true, reason, at: None }
    }

    /// `message` is one of a batch with this error.
    fn error(code: RespErr, message: &Message<'_>) -> ErrorEvent {
        // An error of a whole topic comes with partition 0 and no offset.
        let is_of_partition = message.offset() >= 0 || code == RespErr::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
        let topic = || String::from_utf8_lossy(message.topic()).into_owned();
        let at = is_of_partition.then(|| (topic(), message.partition(), message.offset()));
        // SAFETY: where a message of a batch has an error its payload is null or a C string, which the message owns.
        let reason = unsafe { Unmasked::new(message.payload().cast()) };
        ErrorEvent { code, fatal: false, reason, at }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.messages.drain(..).filter_map(NonNull::new) {
            // SAFETY: owned, and not used afterwards.
            unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
        }
    }
}
