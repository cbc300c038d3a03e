//! What a turn holds.

use crate::flow::{Kind, RecordId};

/// A held entry, as the index is to know it.
pub struct Fed {
    pub number: u64,
    pub kind: Kind,
    pub record: RecordId,
    pub latest: bool,
}
