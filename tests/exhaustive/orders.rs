//! What can come in: commands and events, few of each, every sort that the rules tell apart.

use std::num::NonZeroU32;
use std::time::Duration;

use flowgate::flow::{
    AcceptLossOrder, Action, Command, CommandId, Expect, FlowId, Keep, Kind, NewRecords, OnExpiry, PauseEnd,
    PauseOrder, PurgeOrder, RecordId, Release, ReleaseOrder, ResumeOrder, Target,
};

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Under `keep: latest`, for as long as it goes.
    PauseLatest,
    PauseAll,
    /// For one tick (a millisecond, the shortest time there is), and what is held then is discarded.
    PauseShort,
    /// Turns new records away.
    PauseDiscard,
    ResumeAll,
    ResumeNone,
    /// All that is held now.
    Purge,
    /// One event from the head.
    Sample,
    /// What is held of this record.
    SampleOf(u8),
    /// So many at most.
    AcceptLoss(u32),
    /// `*`, under `keep: all`, for as long as it goes.
    PauseEvery,
    /// `*`, for one tick.
    PauseEveryShort,
    ResumeEvery,
}

/// A command as it stands in the control topic: the same id twice is the same command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Issued {
    pub order: Order,
    pub id: u8,
    pub recorded_at: i64,
}

/// An event; its place in the input is its name.
pub type Input = (Kind, u8);

impl Order {
    pub fn pause(self) -> Option<PauseOrder> {
        let nothing = PauseOrder::default();
        match self {
            Self::PauseLatest => Some(PauseOrder { keep: Some(Keep::Latest), ..nothing }),
            Self::PauseAll | Self::PauseEvery => Some(PauseOrder { keep: Some(Keep::All), ..nothing }),
            Self::PauseShort => Some(PauseOrder {
                end: Some(PauseEnd::For(Duration::from_millis(1))),
                on_expiry: Some(OnExpiry::Discard),
                ..nothing
            }),
            Self::PauseDiscard => Some(PauseOrder { new_records: Some(NewRecords::Discard), ..nothing }),
            Self::PauseEveryShort => Some(PauseOrder { end: Some(PauseEnd::For(Duration::from_millis(1))), ..nothing }),
            Self::ResumeAll | Self::ResumeNone | Self::ResumeEvery => None,
            Self::Purge | Self::Sample | Self::SampleOf(_) | Self::AcceptLoss(_) => None,
        }
    }

    /// Whether it is for `*`.
    pub fn is_for_every(self) -> bool {
        matches!(self, Self::PauseEvery | Self::PauseEveryShort | Self::ResumeEvery)
    }

    fn action(self) -> Action {
        let resume = |release| Action::Resume(ResumeOrder { release: Some(release), ..ResumeOrder::default() });
        match self {
            Self::ResumeAll | Self::ResumeEvery => resume(Release::All),
            Self::ResumeNone => resume(Release::None),
            Self::Purge => Action::Purge(PurgeOrder::default()),
            Self::Sample => Action::Release(ReleaseOrder::Count(NonZeroU32::MIN)),
            Self::SampleOf(name) => Action::Release(ReleaseOrder::Records(vec![record(name)])),
            Self::AcceptLoss(at_most) => {
                Action::AcceptLoss(AcceptLossOrder { at_most: NonZeroU32::new(at_most).unwrap() })
            }
            Self::PauseLatest
            | Self::PauseAll
            | Self::PauseShort
            | Self::PauseDiscard
            | Self::PauseEvery
            | Self::PauseEveryShort => Action::Pause(self.pause().unwrap_or_default()),
        }
    }
}

impl Issued {
    pub fn command(&self, flow: &FlowId) -> Command {
        Command {
            id: CommandId::new(&self.id.to_string()).unwrap(),
            target: if self.order.is_for_every() { Target::Every } else { Target::Flow(flow.clone()) },
            action: self.order.action(),
            issued_by: "ops".to_owned(),
            issued_at: None,
            reason: None,
            expect: Expect::default(),
        }
    }
}

/// The record of this name.
pub fn record(name: u8) -> RecordId {
    RecordId::new(&name.to_string()).unwrap()
}
