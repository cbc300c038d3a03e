//! What can go wrong at the broker, sorted once into what to do about it.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call: what to do, which condition, and the client's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub action: Action,
    pub code: Code,
    pub detail: String,
}

/// What the caller has to do. Adapters decide it; nobody else looks at a client's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing is lost: make the same call again, later.
    Retry,
    /// The transaction cannot be committed: abort it, rewind, begin again.
    Abort,
    /// This client is of no use any more: drop it, make a new one, and read back what was committed.
    Rebuild,
    /// Going on would break a promise or cannot succeed: stop the process with a sentence.
    Stop,
}

/// Conditions that some caller tells apart; everything else is [`Code::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Another producer took over this transactional id.
    Fenced,
    /// Another member joined the group under this one's instance id, or the group believes so.
    InstanceFenced,
    /// The group has a newer generation, or does not know this member any more.
    StaleGeneration,
    /// The broker (or the client) refuses a record of this size.
    TooLarge,
    /// The broker refuses the record's timestamp.
    InvalidTimestamp,
    /// The broker refuses the record for another reason of its own content.
    InvalidRecord,
    QueueFull,
    UnknownTopic,
    TopicExists,
    /// The position is not in the log.
    OutOfRange,
    /// Not authorised.
    Denied,
    /// The password, the certificate or the protocol was refused.
    Authentication,
    /// There is no token for the brokers: whoever issues them refuses us, or does not answer.
    NoToken,
    /// Offsets pending in a transaction, a transaction being ended, a coordinator moving: a matter of time.
    Busy,
    TimedOut,
    /// The transaction was left open for too long and is gone.
    TransactionTimedOut,
    InvalidArgument,
    Other,
}

impl Error {
    #[must_use]
    pub fn new(action: Action, code: Code, detail: impl Into<String>) -> Self {
        Self { action, code, detail: detail.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Error {}
