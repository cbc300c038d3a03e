//! Follows drains to their end, by the committed states: what the resumes that ordered them have done.

use std::collections::BTreeMap;

use super::control::Sent;
use super::states::{Change, States};
use crate::broker::{Broker, Result};
use crate::flow::{Counts, Flow, FlowId, PerKind, Rate, State, Target, Verdict};

/// Some flows, watched since before they were resumed. So nothing that the resume released is missed, however soon it went.
pub struct Drains<B: Broker> {
    states: States<B>,
    courses: BTreeMap<FlowId, Course>,
}

/// What has become of one flow.
#[derive(Clone, Debug, Default)]
struct Course {
    /// The newest state.
    flow: Option<Flow>,
    /// The totals when the resume took effect.
    before: Counts,
    /// Its offset, until a state has been seen in which it has taken effect.
    awaited: Option<i64>,
}

/// What a resume has done so far, by fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub released: PerKind,
    pub replaced: PerKind,
    pub removed: PerKind,
    /// Accepted as lost by somebody, meanwhile.
    pub lost: PerKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A resume of a flow that nobody knows is answered, and that is all.
    Unknown,
    /// The state that the answer came with has not been seen yet.
    Awaited,
    Draining {
        passed: Passed,
        left: u64,
        limit: Option<Rate>,
    },
    Live(Passed),
    /// Somebody has paused it again.
    Paused {
        by: String,
        passed: Passed,
    },
}

impl<B: Broker> Drains<B> {
    /// `states`: read to their end before the resumes are sent.
    #[must_use]
    pub fn before(mut states: States<B>, flows: &[FlowId]) -> Self {
        let course = |id: &FlowId| {
            let flow = states.flows.remove(id).map(|known| known.flow);
            let before = flow.as_ref().map(|flow| flow.counts).unwrap_or_default();
            (id.clone(), Course { flow, before, awaited: None })
        };
        let courses = flows.iter().map(course).collect();
        Self { states, courses }
    }

    /// The resumes that were answered, and not rejected: no other flow is followed.
    pub fn follow(&mut self, sent: &[Sent]) {
        let mut followed = BTreeMap::new();
        for Sent { command, offset, outcome, repeated, .. } in sent {
            let (Target::Flow(id), Some(outcome)) = (&command.target, outcome) else { continue };
            let Some(mut course) = self.courses.remove(id) else { continue };
            match outcome.verdict {
                Verdict::Rejected => continue,
                // It took effect earlier: all that is known of when is that the pause had begun.
                _ if *repeated => course.before = course.flow.as_ref().map(|flow| flow.at_pause).unwrap_or_default(),
                // Nothing is written of a flow that is not known.
                Verdict::Unchanged if course.flow.is_none() => {}
                Verdict::Applied | Verdict::Unchanged => course.awaited = Some(*offset),
            }
            followed.insert(id.clone(), course);
        }
        self.courses = followed;
    }

    /// # Errors
    /// Of the broker, but not those that pass.
    pub fn poll(&mut self) -> Result<()> {
        for change in self.states.read()? {
            match change {
                Change::Flow(known) => {
                    if let Some(course) = self.courses.get_mut(&known.flow.id) {
                        course.see(known.flow);
                    }
                }
                Change::Gone(id) => {
                    if let Some(course) = self.courses.get_mut(id.as_str()) {
                        *course = Course::default();
                    }
                }
                Change::Partition(..) => {}
            }
        }
        Ok(())
    }

    pub fn stages(&self) -> impl Iterator<Item = (&FlowId, Stage)> {
        self.courses.iter().map(|(flow, course)| (flow, course.stage()))
    }
}

impl Course {
    fn see(&mut self, flow: Flow) {
        if matches!(self.stage(), Stage::Live(_) | Stage::Paused { .. }) {
            return;
        }
        if let Some(offset) = self.awaited {
            // The turn that applied it may have passed everything held: its totals are those after the resume already.
            match flow.commands.iter().any(|answered| answered.offset >= offset) {
                true => self.awaited = None,
                false => self.before = flow.counts,
            }
        }
        self.flow = Some(flow);
    }

    fn stage(&self) -> Stage {
        if self.awaited.is_some() {
            return Stage::Awaited;
        }
        let Some(flow) = &self.flow else { return Stage::Unknown };
        let passed = Passed::between(&self.before, &flow.counts);
        match &flow.state {
            State::Live => Stage::Live(passed),
            State::Paused(pause) => Stage::Paused { by: pause.by.clone(), passed },
            State::Resuming { drain, .. } => {
                Stage::Draining { passed, left: flow.counts.held().total(), limit: drain.max_rate }
            }
        }
    }
}

impl Passed {
    fn between(before: &Counts, after: &Counts) -> Self {
        let more = |of: fn(&Counts) -> PerKind| {
            let (before, after) = (of(before), of(after));
            PerKind {
                enroll: after.enroll.saturating_sub(before.enroll),
                advance: after.advance.saturating_sub(before.advance),
            }
        };
        Self {
            released: more(|counts| counts.released),
            replaced: more(|counts| counts.replaced),
            removed: more(|counts| counts.removed),
            lost: more(|counts| counts.lost),
        }
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        [self.released, self.replaced, self.removed, self.lost].iter().map(|fate| fate.total()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Answered, CommandId, Outcome};
    use crate::time::Timestamp;

    fn flow(released: u64, offsets: &[i64]) -> Flow {
        let mut flow = Flow::new(FlowId::new("welcome").unwrap(), Timestamp(0));
        let all = PerKind { enroll: released, advance: 0 };
        (flow.counts.queued, flow.counts.released) = (all, all);
        let answered = |offset: &i64| Answered {
            id: CommandId::new(&offset.to_string()).unwrap(),
            offset: *offset,
            outcome: Outcome::applied(""),
        };
        flow.commands = offsets.iter().map(answered).collect();
        flow
    }

    #[test]
    fn what_was_released_before_the_resume_took_effect_is_not_its_own() {
        let mut course = Course { awaited: Some(7), flow: Some(flow(0, &[])), ..Course::default() };
        // A sample of 5, then the turn that applies the resume and passes 100.
        course.see(flow(5, &[6]));
        assert_eq!(course.stage(), Stage::Awaited);
        course.see(flow(105, &[6, 7]));
        let Stage::Live(passed) = course.stage() else { panic!("{:?}", course.stage()) };
        assert_eq!((passed.released.total(), passed.total()), (100, 100));
        course.see(flow(200, &[6, 7, 8]));
        assert_eq!(course.stage(), Stage::Live(passed), "what comes after the end is another's");
    }

    #[test]
    fn a_resume_that_later_commands_have_pushed_out_of_memory_has_taken_effect_all_the_same() {
        let mut course = Course { awaited: Some(7), ..Course::default() };
        course.see(flow(1, &[80, 81]));
        assert!(matches!(course.stage(), Stage::Live(_)), "{:?}", course.stage());
    }
}
