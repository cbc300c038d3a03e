//! What the index is given of an entry, and what comes of it.

use crate::flow::Kind;

/// What the index needs to know of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Indexed<'a> {
    pub number: u64,
    pub kind: Kind,
    /// The record id.
    pub record: &'a str,
    /// Superseded by a later entry of its record and kind that is `latest` too.
    pub latest: bool,
}

/// What follows an entry that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The next one.
    On,
    /// The queue once more, from the watermark.
    Again,
    /// The index is ready.
    Done,
}

/// There is no room for what an entry needs; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgrown {
    /// Bytes.
    pub needs: usize,
}
