//! Breadth first through every state there is.
//!
//! Ours rather than `stateright`'s: a promise is broken by a step (something is delivered that must not be), which a
//! checker of states has to be told by way of the state; the values of the rules are not hashable, and what may be left
//! out of a key is for the model to say; and seventy lines are easier to trust than a tree of crates with a web server in it.

use std::collections::{HashSet, VecDeque};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub trait Model {
    type State;
    type Action: Copy + Debug;

    /// Two states of one key have the same future. 128 bits: that two of a million others share one does not happen.
    fn key(&self, state: &Self::State) -> u128;

    /// Everything that can happen next.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;

    /// The state after it; panics where a promise is broken. `None`: nothing would change.
    fn next(&self, state: &Self::State, action: Self::Action) -> Option<Self::State>;
}

/// How much was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub states: usize,
    pub steps: usize,
    /// The most steps that the nearest way to a state takes.
    pub depth: usize,
}

/// Visits every state; the first broken promise is told with the shortest way to it.
pub fn explore<M: Model>(model: &M, starts: Vec<M::State>) -> Seen {
    let mut known = HashSet::new();
    let mut ways = Vec::new();
    let mut waiting = VecDeque::new();
    let mut seen = Seen { states: 0, steps: 0, depth: 0 };
    for start in starts {
        if known.insert(model.key(&start)) {
            waiting.push_back((start, ways.len(), 0));
            ways.push(None);
        }
    }
    while let Some((state, place, depth)) = waiting.pop_front() {
        seen.depth = depth;
        for action in model.actions(&state) {
            let next = catch_unwind(AssertUnwindSafe(|| model.next(&state, action)));
            let Ok(next) = next else { panic!("after {} steps:\n{}", depth + 1, way(&ways, place, action)) };
            let Some(next) = next else { continue };
            seen.steps += 1;
            if known.insert(model.key(&next)) {
                waiting.push_back((next, ways.len(), depth + 1));
                ways.push(Some((place, action)));
            }
        }
    }
    seen.states = ways.len();
    seen
}

fn way<A: Copy + Debug>(ways: &[Option<(usize, A)>], mut place: usize, last: A) -> String {
    let mut actions = vec![last];
    while let Some((before, action)) = ways[place] {
        actions.push(action);
        place = before;
    }
    let lines = actions.iter().rev().map(|action| format!("  {action:?}\n"));
    format!("  (start {place})\n{}", lines.collect::<String>())
}
