//! A held event, and what becomes of it.

use bytes::Bytes;

use crate::broker::size;
use crate::schema::entry::Held;
use crate::time::Timestamp;

/// A held event.
#[derive(Clone, Debug)]
pub struct Entry {
    pub held: Held,
    /// Where it stands in the queue topic.
    pub offset: i64,
    /// The event's own.
    pub timestamp: Timestamp,
    pub value: Option<Bytes>,
    /// `None`: not everything behind it was looked at.
    pub fate: Option<Fate>,
}

impl Entry {
    /// Bytes of key, value and headers.
    #[must_use]
    pub fn size(&self) -> usize {
        size(self.held.key.as_ref(), self.value.as_ref(), &self.held.headers)
    }
}

/// What becomes of a held event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Released,
    /// A newer event or a withdraw of its record is held.
    Replaced,
    /// A purge or a resume that discards is on its way to it.
    Removed,
}

impl Fate {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
        }
    }
}
