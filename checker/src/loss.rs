//! What was accepted as lost: nothing but what somebody deleted, as many as the gate says, and no more than was allowed.

use crate::Fault;
use crate::court::{Case, Court, Judgement};
use crate::report::PerKind;
use crate::settle::Fate;
use crate::walk::{Item, Passed};

impl Court<'_> {
    /// Judges the losses of a flow.
    pub(crate) fn losses(&self, case: &Case<'_>, judgement: &mut Judgement) {
        let mut from = 0;
        for (index, segment) in case.walk.segments.iter().enumerate() {
            let Some(at) = segment.transition.filter(|at| case.transitions[*at].word == "loss_accepted") else {
                continue;
            };
            let is_lost = |item: &&Item| item.passed == Passed::Lost(index);
            let lost: Vec<&Item> = case.walk.items[from..segment.first_unpassed].iter().filter(is_lost).collect();
            from = segment.first_unpassed;
            self.loss(case, at, &lost, judgement);
        }
    }

    fn loss(&self, case: &Case<'_>, at: usize, lost: &[&Item], judgement: &mut Judgement) {
        let transition = &case.transitions[at];
        let mut count = PerKind::default();
        let deleted = self.log.deleted.get(&*self.gathered.flows[case.flow].name).copied().unwrap_or_default();
        let mut there = None;
        for item in lost {
            let Fate::Lost { replaced } = self.fates[item.event] else { continue };
            count.count(self.gathered.events[item.event].kind);
            if item.number > deleted && !replaced {
                there = there.or(Some(item.number));
            }
        }
        let mut wrong = |why: String| judgement.faults.push(Fault::Audit { at: transition.place.clone(), why });
        if transition.first_entry.is_some_and(|first| first > deleted) {
            wrong("accepts a loss where nobody deleted anything".to_owned());
        } else if let Some(entry) = there {
            wrong(format!("accepts the loss of entry {entry}, which nobody deleted and nothing had replaced"));
        }
        let command = transition.command.as_ref();
        match command.and_then(|command| command.get("at_most")?.as_u64()).filter(|most| *most > 0) {
            Some(most) if count.total() > most => {
                wrong(format!("accepts the loss of {} entries, and {most} were allowed at most", count.total()));
            }
            Some(_) => {}
            None => wrong("accepts a loss, and its command does not say of how much".to_owned()),
        }
        let ordered = command.and_then(|command| command.get("command_id")?.as_str());
        if transition.done.command_id.as_deref() != ordered {
            wrong(format!("names command {:?} instead of {ordered:?}", transition.done.command_id));
        }
        let Some(told) = transition.done.count else {
            wrong("does not say how many entries are lost".to_owned());
            return;
        };
        let names = ["loss_accepted.enroll", "loss_accepted.advance"];
        for (counter, gate, found) in [(names[0], told.enroll, count.enroll), (names[1], told.advance, count.advance)] {
            if gate != found {
                judgement.faults.push(Fault::Counter { counter, gate, found });
            }
        }
    }
}
