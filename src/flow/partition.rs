//! What is remembered of a partition rather than of a flow.

use std::collections::VecDeque;

use super::{Answered, CommandId, Flow, FlowId, Pause};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// The partition record: one for each partition of the enrollments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Partitions of the enrollments as pinned at the first start: homes depend on it.
    pub enrollments: i32,
    /// Partitions of the records topic as pinned at the first start, or when `forwarded` was.
    pub records: i32,
    /// The topic to which everything goes that is delivered, in the place of the records topic: since it first did so, for good.
    pub forwarded: Option<String>,
    /// Commands below this offset of the control topic have been applied here, or did not concern this partition.
    pub control: i64,
    /// The offset of the next event: a second witness beside the group's committed offset.
    pub input: i64,
    /// When `input` was noted.
    pub input_at: Timestamp,
    /// Written with the offsets of a clean stop, unmarked by the next owner's first transaction.
    pub clean: bool,
    /// The last [`Partition::REMEMBERED_COMMANDS`] commands for flows that were not known, oldest first.
    pub unknown: VecDeque<UnknownAnswered>,
    /// What pauses a flow that is first seen. One whose deadline has passed is as good as none.
    pub default: Option<DefaultPause>,
    /// A command for every flow that was applied to some of them, and to the others not yet.
    pub every: Option<EveryUnderWay>,
}

/// A pause of `*`, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultPause {
    pub pause: Pause,
    /// Where the last command stands in the control topic that made it or changed it.
    pub command: i64,
}

/// How far a command for every flow has come, in a partition that knows more of them than one transaction takes. It is applied in
/// the order of the flow ids, and the partition takes nothing else meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EveryUnderWay {
    /// Where the command stands in the control topic.
    pub command: i64,
    /// The moment as of which it is applied.
    pub began_at: Timestamp,
    /// It was applied to this flow and to all before it.
    pub through: FlowId,
    /// Flows that it has changed.
    pub changed: u64,
    /// Flows that have a pause of their own.
    pub left_alone: u64,
    /// It has ended a default that was in force.
    pub ended_default: bool,
}

/// A command for a flow that was not known, or for every flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAnswered {
    /// The flow id as the command gave it; `*` for every flow.
    pub flow: String,
    pub answered: Answered,
}

impl UnknownAnswered {
    /// At least what it takes in JSON: a control character is six bytes there, a quote two.
    fn bytes(&self) -> usize {
        const REST: usize = 160;
        let escaped = |text: &str| -> usize {
            let width = |byte| match byte {
                0..0x20 => 6,
                b'"' | b'\\' => 2,
                _ => 1,
            };
            text.bytes().map(width).sum()
        };
        escaped(&self.flow) + escaped(self.answered.id.as_str()) + escaped(&self.answered.outcome.detail) + REST
    }
}

impl Partition {
    /// How many commands of unknown flows a partition remembers (promise P6).
    pub const REMEMBERED_COMMANDS: usize = 1024;

    /// And how many bytes of them at most, as they are written: whoever sends commands of monstrous length must not be able
    /// to make a record that its topic refuses. The usual ones take a fifth of it.
    pub const REMEMBERED_BYTES: usize = 640 * 1024;

    /// A partition at its first start.
    #[must_use]
    pub fn new(enrollments: i32, records: i32, control: i64, input: i64, now: Timestamp) -> Self {
        Self {
            enrollments,
            records,
            forwarded: None,
            control,
            input,
            input_at: now,
            clean: false,
            unknown: VecDeque::new(),
            default: None,
            every: None,
        }
    }

    /// The answer that this command of an unknown flow got before.
    #[must_use]
    pub fn answered(&self, flow: &str, command: &CommandId) -> Option<&Answered> {
        self.unknown.iter().rev().find(|known| known.flow == flow && known.answered.id == *command).map(|k| &k.answered)
    }

    /// A flow is forgotten: its commands are remembered here from now on.
    pub fn inherit(&mut self, flow: &Flow) {
        if mutant::is(Mutant::CommandsForgottenWithTheFlow) {
            return;
        }
        for answered in &flow.commands {
            self.remember(flow.id.as_str(), answered.clone());
        }
    }

    /// Remembers an answer, forgetting the oldest beyond the limit.
    pub fn remember(&mut self, flow: &str, answered: Answered) {
        self.unknown.push_back(UnknownAnswered { flow: flow.to_owned(), answered });
        let mut bytes: usize = self.unknown.iter().map(UnknownAnswered::bytes).sum();
        while self.unknown.len() > Self::REMEMBERED_COMMANDS || bytes > Self::REMEMBERED_BYTES {
            let Some(oldest) = self.unknown.pop_front() else { return };
            bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn a_memory_restored_beyond_the_limit_does_not_grow_further() {
        let mut partition = Partition::new(6, 6, 0, 0, Timestamp(0));
        let answered = |n: usize| Answered {
            id: CommandId::new(&n.to_string()).unwrap(),
            offset: 0,
            outcome: Outcome::unchanged("nothing"),
        };
        for n in 0..2_000 {
            partition.unknown.push_back(UnknownAnswered { flow: "f".to_owned(), answered: answered(n) });
        }
        partition.remember("f", answered(2_000));
        assert_eq!(partition.unknown.len(), Partition::REMEMBERED_COMMANDS);
        assert!(partition.answered("f", &answered(2_000).id).is_some());
        assert!(partition.answered("g", &answered(2_000).id).is_none());
    }
}
