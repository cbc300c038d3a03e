//! The wire: every document and header the gate reads or writes, and the names of its topics.
//!
//! What others write is read without trust, and refused with a sentence that names the field and the fix:
//! - [`event`]: enrollment events ([`Unreadable`] ones become dead letters);
//! - [`command`]: control commands (what names a command and a flow is always answered, however wrong);
//! - [`body`]: commands as HTTP takes them, refused as soon as anything is wrong with them.
//!
//! What the gate writes is read back by the next owner, by executors and by people:
//! - [`state`] and [`partition`]: the two documents of the state topic, rewritten with their unknown fields kept
//!   ([`Document`]); a newer version of them is an error that stops the gate ([`Malformed::Newer`]);
//! - [`audit`]: transitions and answers; [`redriven`]: what somebody has put back into the enrollments;
//! - [`entry`]: a held event in a queue topic, its key and its packed header;
//! - [`headers`]: what released, discarded and dead records gain;
//! - [`topics`]: the names of topics, group and transactional ids.
//!
//! The JSON documents are described for others by the files in `schemas/`; the tests in `tests/wire` hold both together.
//!
//! Architecture invariant: no Kafka client, no clock, no rule of pausing. Bytes become values of [`crate::flow`], and
//! values become bytes.

pub mod audit;
pub mod body;
pub mod command;
mod cut;
mod decimal;
mod document;
pub mod entry;
pub mod event;
mod fields;
pub mod headers;
mod instant;
mod json;
mod object;
mod order;
pub mod partition;
mod rate;
pub mod redriven;
pub mod state;
mod text;
pub mod topics;
pub mod trace_parent;
mod unreadable;
mod words;

pub use document::{Document, Unknown};
pub use fields::Malformed;
pub use instant::{Instant, read as read_time};
pub use json::VERSION;
pub use text::{Encoding, Text};
pub use unreadable::{Reason, Unreadable};
