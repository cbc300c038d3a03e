//! What is known of a flow before it is played again.

use std::borrow::Cow;

use super::audit::Happening;
use super::everyone::Everyone;
use crate::record::Record;
use crate::report::Kind;

/// An event in its flow's home partition.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub source: &'a Record,
    pub record: Cow<'a, str>,
    pub kind: Kind,
}

/// One flow: what went in, and what came out.
#[derive(Debug, Default)]
pub(super) struct Flow<'a> {
    pub events: Vec<Event<'a>>,
    pub happenings: Vec<Happening>,
    pub delivered: Vec<&'a Record>,
    pub discarded: Vec<&'a Record>,
    /// The last entry that was passed, as the public state says.
    pub watermark: Option<u64>,
    /// Of a sample of named records that is under way: how many it has released, as the public state says.
    pub sampled: Option<u64>,
    /// The newest entry that somebody deleted.
    pub deleted: u64,
    /// The commands for `*` in its partition.
    pub everyone: &'a [Everyone],
}
