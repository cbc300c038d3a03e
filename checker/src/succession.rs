//! The states of a flow, and which transition can follow which.

use crate::follow::Transition;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Paused,
    Resuming,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Resuming => "resuming",
        }
    }
}

/// Where a transition leads; `None`: not from there.
pub(crate) fn next_state(state: State, word: &str) -> Option<State> {
    match (state, word) {
        (_, "seen") => Some(state),
        (State::Live, "paused") | (State::Paused, "updated") | (State::Resuming, "repaused") => Some(State::Paused),
        (State::Paused, "resumed" | "expired") | (State::Resuming, "redirected") => Some(State::Resuming),
        (State::Resuming, "live") | (State::Live, "forgotten") => Some(State::Live),
        (State::Paused, "purging" | "sampling" | "sampled" | "expiring") => Some(State::Paused),
        (State::Paused | State::Resuming, "purged" | "loss_accepted") => Some(state),
        _ => None,
    }
}

/// Whether a transition leaves the flow's state and its pause as they are.
pub(crate) fn is_beside(word: &str) -> bool {
    matches!(word, "purging" | "purged" | "sampling" | "sampled" | "loss_accepted" | "expiring")
}

/// Why a transition cannot be, whatever the flow's state. `pause`: the one in force before it, or the one that ended.
pub(crate) fn misplaced(index: usize, transitions: &[Transition], pause: Option<&str>) -> Option<&'static str> {
    let transition = &transitions[index];
    let after_forgotten = index.checked_sub(1).is_some_and(|before| transitions[before].word == "forgotten");
    match transition.word.as_str() {
        word if after_forgotten && word != "seen" => Some("comes to a flow that was forgotten and not seen again"),
        word if is_beside(word) && transition.pause_id.as_deref() != pause => Some("names another pause"),
        "expiring" if transition.offset.is_some() => Some("warns of a deadline by a command"),
        "expiring" if !matches!(transition.within_seconds, Some(3_600 | 86_400)) => {
            Some("warns of a deadline that is neither a day nor an hour ahead")
        }
        "forgotten" if transition.position.entry > 0 => Some("forgets a flow that had a queue"),
        _ => None,
    }
}
