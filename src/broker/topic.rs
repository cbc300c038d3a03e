//! What stands for a topic while records are sent.

/// A topic as one producer knows it: sends address it by this handle, never by name. Belongs to the producer that made
/// it; another producer refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    pub(crate) producer: u64,
    pub(crate) index: u32,
}
