//! When the turns that wrote a flow's public states were decided.

use super::circumstances::Circumstances;
use super::documents::State;
use crate::record::Record;

/// Bounds of a moment by the broker's clock, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub first: i64,
    pub last: i64,
}

/// A moment for each state. A turn is decided when the one before it is committed, and before its own state is stored;
/// and its gate's clock, which says `updated_at`, was not off by more than gates' clocks were.
pub(super) fn moments(states: &[(&Record, &State)], circumstances: Circumstances) -> Vec<Moment> {
    let off = circumstances.clock_off_ms;
    let mut before = i64::MIN;
    let moment = |(record, state): &(&Record, &State)| {
        let stored = Moment { first: before, last: record.timestamp_ms };
        before = record.timestamp_ms;
        let Some(told) = state.updated_at_ms() else { return stored };
        let narrow = Moment {
            first: stored.first.max(told.saturating_sub(off)),
            last: stored.last.min(told.saturating_add(off)),
        };
        if narrow.first <= narrow.last { narrow } else { stored }
    };
    states.iter().map(moment).collect()
}
