//! Which flows are forgotten: those that somebody had forgotten, and that never had a queue.

use std::collections::HashMap;

use super::documents::State;
use super::story::{Story, Wrong};
use crate::gather::Topics;
use crate::record::Record;

pub(super) fn lives(
    flow: &str,
    lives: &[Story<'_>],
    tombstones: &HashMap<&[u8], Vec<&Record>>,
    topics: Topics<'_>,
    wrong: &mut Wrong<'_>,
) {
    let name = Some(flow.to_owned());
    for life in lives.iter().filter(|life| life.is_forgotten()) {
        let Some((record, state)) = life.states.last() else { continue };
        if let Some(why) = unforgettable(state) {
            wrong(&name, topics.place("state", record), format!("was forgotten, although {why}"));
        }
    }
    let forgotten = lives.iter().filter(|life| life.is_forgotten()).count();
    let deleted = tombstones.get(flow.as_bytes()).map_or(&[][..], Vec::as_slice);
    if let Some(tombstone) = deleted.get(forgotten) {
        wrong(&name, topics.place("state", tombstone), "is deleted, and nobody had it forgotten".to_owned());
    }
}

/// Why a flow in this state cannot be forgotten.
fn unforgettable(state: &State) -> Option<String> {
    let number = state.queue.as_ref().and_then(|queue| queue.n).unwrap_or_default();
    match state.state.as_str() {
        "live" if number > 0 => Some(format!("it had had the queue topic number {number}")),
        "live" => None,
        word => Some(format!("it was {word}")),
    }
}
