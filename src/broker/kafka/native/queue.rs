//! Queues, in which everything arrives: the one of a client, and others for the answers to requests.

use std::time::Duration;

use rdkafka::bindings as sys;

use super::client::NativeClient;
use super::event::Event;
use super::values::millis;

impl NativeClient {
    /// The next event of the client's own queue, waiting up to `wait`.
    pub fn poll(&self, wait: Duration) -> Option<Event<'_>> {
        // SAFETY: client and queue live as long as the borrow.
        unsafe { Event::take(sys::rd_kafka_queue_poll(self.queue, millis(wait))) }
    }

    /// The next error of the client as a whole or log line, without waiting, if they come apart.
    pub fn poll_apart(&self) -> Option<Event<'_>> {
        if self.apart.is_null() {
            return None;
        }
        // SAFETY: client and queue live as long as the borrow.
        unsafe { Event::take(sys::rd_kafka_queue_poll(self.apart, 0)) }
    }

    /// The client's own queue, to have the answer to a request come there too.
    pub fn own_queue(&self) -> Queue<'_> {
        // SAFETY: the client lives; the reference to its queue is ours.
        Queue { queue: unsafe { sys::rd_kafka_queue_get_main(self.ptr()) }, client: self }
    }

    /// Another queue, for the answers to requests.
    pub fn queue(&self) -> Queue<'_> {
        // SAFETY: the client lives; the queue is ours.
        Queue { queue: unsafe { sys::rd_kafka_queue_new(self.ptr()) }, client: self }
    }
}

/// A queue beside the client's own. It borrows the client, so it is destroyed first; an answer that is still to come is then
/// dropped by librdkafka.
pub struct Queue<'c> {
    queue: *mut sys::rd_kafka_queue_t,
    pub(super) client: &'c NativeClient,
}

impl<'c> Queue<'c> {
    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.queue
    }

    /// The next event of this queue, waiting up to `wait`. Events outlive their queue, not their client.
    pub fn poll(&self, wait: Duration) -> Option<Event<'c>> {
        // SAFETY: the queue lives during the call, the client for `'c`.
        unsafe { Event::take(sys::rd_kafka_queue_poll(self.queue, millis(wait))) }
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) }
    }
}
