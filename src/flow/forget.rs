//! `forget`, in each state: for flows that a typing error made.

use super::{Flow, Outcome, State, Transition};
use crate::mutant::{self, Mutant};

impl Flow {
    /// Live, and never with a queue topic: it is known no more. A flow that had one stays, for the numbers of its topics and
    /// entries must never come again.
    pub(super) fn order_forget(&mut self) -> (Outcome, Vec<Transition>) {
        let rejected = |why: &str| (Outcome::rejected(why), vec![]);
        match self.state {
            State::Live if self.queue.number == 0 || mutant::is(Mutant::FlowWithAQueueForgotten) => {
                (Outcome::applied("forgotten; its next event makes it known again"), vec![Transition::Forgotten])
            }
            State::Live => rejected(
                "the flow has held events before: it stays known, for the numbers of its queue must never come again",
            ),
            State::Paused(_) => rejected("the flow is paused: resume it first"),
            State::Resuming { .. } => rejected("the flow is resuming: wait until it is live"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::super::{Action, Verdict};
    use super::*;

    #[test]
    fn a_flow_that_never_held_anything_is_forgotten_with_all_its_counts() {
        let mut desk = Desk::paused();
        desk.order("resume", resume());
        desk.flow().settle(T0);
        assert_eq!(desk.order("forget", Action::Forget).transitions, [Transition::Forgotten]);
        assert_eq!(desk.flow, None);
        // P6: what it answered is answered the same, the order to forget it too.
        for (id, action) in [("setup-pause", pause()), ("resume", resume()), ("forget", Action::Forget)] {
            let again = desk.order(id, action);
            assert_eq!((again.outcome.verdict, again.repeated), (Verdict::Applied, true), "{id}");
        }
        assert_eq!(desk.flow, None);
        assert_eq!(desk.order("pause anew", pause()).transitions, [Transition::Seen, Transition::Paused]);
    }

    #[test]
    fn a_flow_that_ever_had_a_queue_topic_stays() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.flow().queue.number = 1;
        desk.order("resume", resume());
        desk.drain(9, &[]);
        desk.flow().settle(T0);
        assert_eq!(desk.order("forget", Action::Forget).outcome.verdict, Verdict::Rejected);
        assert!(desk.flow.is_some());
    }
}
