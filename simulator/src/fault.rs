//! Faults that wait for their call, and how often each has happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flowgate::broker::memory::{Call, Fault, Operation};
use flowgate::broker::{Action, Code, Error};

use crate::plan::{Armed, Kind};

/// Longer than a session and a transaction may last.
const LATE: Duration = Duration::from_secs(11);

impl Kind {
    fn operation(self) -> Operation {
        match self {
            Self::CommitLostAnswer
            | Self::CommitLostRequest
            | Self::CommitSlowAnswer
            | Self::CommitRefused
            | Self::CommitRetried
            | Self::CommitMarkersLag
            | Self::LateCommit => Operation::Commit,
            Self::AbortReplaced | Self::AbortMarkersLag | Self::AbortRetried | Self::AbortLost => Operation::Abort,
            Self::SendRefused | Self::SendMissesATopic => Operation::Send,
            Self::OffsetsStale | Self::OffsetsRetried | Self::OffsetsUnanswered | Self::LateOffsets => {
                Operation::SendOffsets
            }
            Self::CreateDenied | Self::CreateRefused | Self::CreateTimedOut | Self::CreateUnanswered => {
                Operation::CreateTopics
            }
            Self::JoinFails => Operation::Join,
            Self::AcknowledgeFails => Operation::Acknowledge,
            Self::BeginFails => Operation::Begin,
            Self::PartitionsFail => Operation::Partitions,
            Self::LeadersUnknown => Operation::LeadersKnown,
            Self::PollFails | Self::PollFatal | Self::PollFenced | Self::LatePoll => Operation::Poll,
            Self::ProveFails | Self::ProveLost | Self::ProveReplaced => Operation::Prove,
            Self::ReaderPollFails | Self::ReaderPollFatal => Operation::ReaderPoll,
            Self::AssignFatal => Operation::Assign,
            Self::WatermarksFail => Operation::Watermarks,
            Self::CommittedBusy => Operation::Committed,
            Self::StandingUnknown => Operation::Standing,
            Self::FetchFromFails => Operation::FetchFrom,
            Self::InitialiseBusy | Self::InitialiseUnanswered => Operation::Initialise,
            Self::DeleteRecordsPostponed | Self::DeleteFails | Self::LateDelete => Operation::DeleteRecords,
            Self::DeleteTopicsPostponed => Operation::DeleteTopics,
        }
    }

    fn fault(self) -> Fault {
        let fail = |action, code| Fault::Fail(Error::new(action, code, "the schedule says so"));
        match self {
            Self::CommitLostAnswer => Fault::CommitUnknown { happened: true },
            Self::CommitLostRequest => Fault::CommitUnknown { happened: false },
            Self::CommitSlowAnswer | Self::AbortReplaced | Self::ProveReplaced => Fault::Replace,
            Self::PollFenced => fail(Action::Rebuild, Code::InstanceFenced),
            Self::CommitMarkersLag | Self::AbortMarkersLag => Fault::MarkersLag,
            Self::CommitRefused | Self::SendRefused => fail(Action::Abort, Code::Other),
            Self::SendMissesATopic => fail(Action::Abort, Code::UnknownTopic),
            Self::OffsetsStale => fail(Action::Abort, Code::StaleGeneration),
            // As the adapter for Kafka sorts a right that is missing, and a policy of the cluster's.
            Self::CreateDenied => fail(Action::Retry, Code::Denied),
            Self::CreateRefused => fail(Action::Stop, Code::InvalidArgument),
            Self::OffsetsUnanswered | Self::CreateUnanswered | Self::InitialiseUnanswered => Fault::Unanswered,
            Self::AbortLost | Self::ProveLost => fail(Action::Rebuild, Code::Other),
            Self::CommitRetried
            | Self::OffsetsRetried
            | Self::CreateTimedOut
            | Self::LeadersUnknown
            | Self::JoinFails
            | Self::AcknowledgeFails
            | Self::BeginFails
            | Self::AbortRetried
            | Self::ProveFails
            | Self::PartitionsFail
            | Self::StandingUnknown
            | Self::WatermarksFail
            | Self::DeleteFails => fail(Action::Retry, Code::TimedOut),
            Self::PollFails
            | Self::ReaderPollFails
            | Self::CommittedBusy
            | Self::FetchFromFails
            | Self::InitialiseBusy => fail(Action::Retry, Code::Busy),
            Self::PollFatal | Self::ReaderPollFatal | Self::AssignFatal => fail(Action::Rebuild, Code::Other),
            Self::DeleteRecordsPostponed | Self::DeleteTopicsPostponed => Fault::Postpone,
            Self::LateCommit | Self::LateOffsets | Self::LatePoll | Self::LateDelete => Fault::Late(LATE),
        }
    }
}

/// What is armed, shared with the broker's hook.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    armed: Vec<Armed>,
    fired: BTreeMap<Kind, u64>,
    /// Since the last look, for the trace.
    news: Vec<Kind>,
}

impl Faults {
    pub fn arm(&self, armed: Armed) {
        self.with(|inner| inner.armed.push(armed));
    }

    pub fn disarm(&self) {
        self.with(|inner| inner.armed.clear());
    }

    /// How often each kind has happened.
    pub fn fired(&self) -> BTreeMap<Kind, u64> {
        self.with(|inner| inner.fired.clone())
    }

    pub fn news(&self) -> Vec<Kind> {
        self.with(|inner| std::mem::take(&mut inner.news))
    }

    /// The broker's hook: the first one armed for this call happens when its time has come.
    pub fn consult(&self, call: &Call<'_>) -> Option<Fault> {
        self.with(|inner| {
            let index = inner.armed.iter().position(|armed| armed.kind.operation() == call.operation)?;
            if let Some(left) = inner.armed[index].after.checked_sub(1) {
                inner.armed[index].after = left;
                return None;
            }
            let Armed { kind, .. } = inner.armed.remove(index);
            *inner.fired.entry(kind).or_default() += 1;
            inner.news.push(kind);
            Some(kind.fault())
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
