//! No drain goes faster than it was ordered to, whoever owns it meanwhile.

use super::circumstances::Circumstances;
use super::moments::Moment;
use super::story::{Story, Wrong};
use crate::gather::Topics;

/// In any window a drain releases its rate times the window and a quarter of a second's worth (at least one record) at
/// most, also across take-overs. Another rate begins another window; what the rate is, the public state says (`orders`
/// compares that with what was commanded).
///
/// A window is as long as it may have been at most: from the earliest moment of its first turn to the latest of its last.
/// The gate counts by its own clock. So where clocks were off, a window may be longer by as much as a clock may have moved
/// within it: from that much behind to that much ahead. And whatever the clocks did, one turn alone never releases more
/// than the quarter of a second's worth.
pub(super) fn rates(
    story: &Story<'_>,
    moments: &[Moment],
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    let mut window: Option<Window<'_>> = None;
    for at in 1..story.states.len() {
        let Some(step) = step(story, moments, at, circumstances) else {
            window = None;
            continue;
        };
        let open = match &mut window {
            Some(open) if open.drain == step.drain => open,
            _ => window.insert(Window::new(step.drain, step.moment.last)),
        };
        let surplus = open.surplus(&step, circumstances);
        if surplus > TOLERANCE {
            let (record, state) = story.states[at];
            let (_, rate) = step.drain;
            let why = format!("at a rate of {rate} records/s it has released {surplus:.1} records too many");
            wrong(&Some(state.flow_id.clone()), topics.place("state", record), why);
            window = None;
        }
    }
}

/// Of a record: sums of fractions are not exact.
const TOLERANCE: f64 = 1e-3;

/// A pause whose backlog is released, and the rate.
type Drain<'a> = (&'a str, f64);

/// What a drain has released from one public state to the next.
struct Step<'a> {
    drain: Drain<'a>,
    released: f64,
    moment: Moment,
}

fn step<'a>(story: &Story<'a>, moments: &[Moment], at: usize, circumstances: Circumstances) -> Option<Step<'a>> {
    let ((stored, before), (_, state)) = (story.states[at - 1], story.states[at]);
    let of = match state.state.as_str() {
        "resuming" => state,
        // The turn that ends a drain has its rate, unless a command of that very turn changed it.
        "live"
            if circumstances.every_state && before.state == "resuming" && !commanded(story, state.updated_at_ms()) =>
        {
            before
        }
        _ => return None,
    };
    // What a sample releases counts against no rate, and no state tells it from what a drain released meanwhile.
    let sampled = story.audit.iter().any(|(_, told)| told.transition.as_deref() == Some("sampling"));
    if sampled && !circumstances.every_state && before.state == "paused" {
        return None;
    }
    let drain = (of.pause.as_ref()?.id.as_str(), of.drain.as_ref()?.max_rate?);
    let total = |counts: crate::states::Counts| counts.released.total();
    let released = total(state.counts?).checked_sub(total(before.counts?))?;
    // Where states are missing it began at any time since the last one that is there.
    let first = if circumstances.every_state { moments[at].first } else { stored.timestamp_ms };
    Some(Step { drain, released: released as f64, moment: Moment { first, last: moments[at].last } })
}

/// Whether a command took effect in the turn of this time.
fn commanded(story: &Story<'_>, turn_ms: Option<i64>) -> bool {
    let commanded = |at: &str| crate::time::milliseconds(at) == turn_ms;
    // What was answered for all flows is told of this one by its transition alone.
    let is_told = |told: &super::documents::Told| told.outcome.is_some() || told.command_offset.is_some();
    story.audit.iter().any(|(_, told)| is_told(told) && commanded(&told.at))
}

struct Window<'a> {
    drain: Drain<'a>,
    began: i64,
    released: f64,
    /// Of every turn the allowance used up by its beginning, less what had been released before it: the greatest.
    most: f64,
}

impl<'a> Window<'a> {
    fn new(drain: Drain<'a>, began: i64) -> Self {
        Self { drain, began, released: 0.0, most: f64::NEG_INFINITY }
    }

    /// By how much a step exceeds what is allowed, in the worst of the windows that it ends.
    fn surplus(&mut self, step: &Step<'_>, circumstances: Circumstances) -> f64 {
        let (_, rate) = self.drain;
        let worth = |moment: i64| rate * seconds(moment - self.began);
        let at_once = (rate / 4.0).max(1.0);
        self.most = self.most.max(worth(step.moment.first) - self.released);
        self.released += step.released;
        let moved = rate * seconds(2 * circumstances.clock_off_ms);
        let surplus = self.released - worth(step.moment.last) + self.most - moved - at_once;
        let alone = if circumstances.every_state { step.released - at_once } else { 0.0 };
        surplus.max(alone)
    }
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
