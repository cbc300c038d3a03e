//! The clients of a worker, and calls that several phases make.

use super::session::shape::ONLY;
use super::stop::Stop;
use crate::broker::{Broker, Code, Error, Reader, Watermarks};

pub(super) struct Clients<B: Broker> {
    pub(super) member: B::Member,
    /// Comes for a moment, so that the group looks at who has what.
    pub(super) knocking: Option<B::Member>,
    pub(super) control: B::Reader,
    pub(super) queues: B::Reader,
    /// Reads queue topics too, for indexes that are behind.
    pub(super) indexes: B::Reader,
    /// Reads `flow.state` as it is committed.
    pub(super) stable: B::Reader,
    /// Knows where logs end, open transactions or not.
    pub(super) latest: B::Reader,
    pub(super) admin: B::Admin,
}

/// The clients, which every phase has that comes after joining the group.
pub(super) fn in_hand<B: Broker>(clients: &mut Option<Clients<B>>) -> Result<&mut Clients<B>, Stop> {
    clients.as_mut().ok_or_else(|| Stop::broken("no clients"))
}

/// Reads a topic that has one partition from an offset.
pub(super) fn assign<R: Reader>(reader: &mut R, topic: &str, offset: i64) -> Result<(), Error> {
    reader.assign(topic, ONLY, offset)
}

/// Where the log of a queue topic begins and ends; `None`: the topic is gone.
pub(super) fn log_of<R: Reader>(latest: &mut R, topic: &str) -> Result<Option<Watermarks>, Error> {
    match latest.watermarks(topic, ONLY) {
        Err(error) if error.code == Code::UnknownTopic => Ok(None),
        answer => answer.map(Some),
    }
}
