//! librdkafka's C interface behind safe types: every pointer and every `unsafe` of this library is in this folder.
//!
//! Why not rdkafka's own producers and consumers: dropping its consumer leaves the group (a crash must not), its poll
//! hides which topic an end or an error belongs to, its header reader panics on names that are not UTF-8, and its
//! producer polls out every time limit. Its configuration and its bindings are used.
//!
//! What makes the types safe:
//! - Each owns what it points to and frees it once, when it is dropped.
//! - Nothing outlives its client: queues, events and batches borrow it, messages borrow their event or batch, and a topic
//!   handle shares the ownership of the client.
//! - What librdkafka writes to is taken as `&mut`. What it keeps, it copies.
//! - librdkafka may be called from any thread. A call that is not for this kind of client is refused, by librdkafka or here.
//! - Texts are copied before what owns them goes. Those that may quote the value of a setting leave as [`Unmasked`].
//!
//! Nothing is decided here: errors are returned as librdkafka gives them, no call is repeated, and nothing is logged.

mod admin;
mod answer;
mod batch;
mod client;
#[cfg(test)]
mod conf_for_tests;
mod consumer;
mod error;
mod event;
mod group;
mod headers;
mod list;
mod message;
mod metadata;
mod producer;
mod queue;
mod topic;
mod values;

pub use admin::{NewTopic, Resource};
pub use answer::{AclOperation, GroupAnswer};
pub use batch::{Messages, Polled};
pub use client::{Errors, NativeClient};
#[cfg(test)]
pub use conf_for_tests::{has_setting, setting_names};
pub use error::{Failure, RespErr, err2str};
pub use event::{ErrorEvent, Event, LogLine, NativeEvent};
pub use group::ConsumerGroupMetadata;
pub use list::{Partition, Partitions};
pub use message::Message;
pub use metadata::{Of, TopicMetadata};
pub use queue::Queue;
pub use topic::{ProducerRecord, TopicHandle};
pub use values::{NulByte, Unmasked, c_string, millis};
