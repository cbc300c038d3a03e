//! Fixtures for the tests of the rules, and the tests that span files.

mod model;
mod table;

use std::num::NonZeroU32;
use std::time::Duration;

use super::arrive::{Entry, Fate};
use super::command::{Applied, apply};
use super::drain::{Passing, Survivor};
use super::{
    AcceptLossOrder, Action, Command, CommandId, Event, Expect, Flow, FlowId, Issue, Kind, Limits, Moment, Partition,
    PauseEnd, PauseOrder, PurgeOrder, Rate, RecordId, Release, ReleaseOrder, ResumeOrder, Target, Watermark,
};
use crate::time::Timestamp;

/// 2024-01-01T00:00:00Z
pub const T0: Timestamp = Timestamp(1_704_067_200_000);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const MS: Duration = Duration::from_millis(1);

pub fn flow_id() -> FlowId {
    FlowId::new("welcome").unwrap()
}

pub fn record(text: &str) -> RecordId {
    RecordId::new(text).unwrap()
}

pub fn rate(per_second: u32) -> Option<Rate> {
    Rate::new(per_second)
}

pub fn pause() -> Action {
    Action::Pause(PauseOrder::default())
}

pub fn pause_until(until: Timestamp) -> Action {
    Action::Pause(PauseOrder { end: Some(PauseEnd::Until(until)), ..PauseOrder::default() })
}

pub fn pause_for(duration: Duration) -> Action {
    Action::Pause(PauseOrder { end: Some(PauseEnd::For(duration)), ..PauseOrder::default() })
}

pub fn resume() -> Action {
    Action::Resume(ResumeOrder::default())
}

pub fn resume_releasing(release: Release) -> Action {
    Action::Resume(ResumeOrder { release: Some(release), ..ResumeOrder::default() })
}

pub fn sample(count: u32) -> Action {
    Action::Release(ReleaseOrder::Count(NonZeroU32::new(count).unwrap()))
}

pub fn named(records: &[&str]) -> Action {
    Action::Release(ReleaseOrder::Records(records.iter().map(|id| record(id)).collect()))
}

pub fn accept_loss(at_most: u32) -> Action {
    Action::AcceptLoss(AcceptLossOrder { at_most: NonZeroU32::new(at_most).unwrap() })
}

pub fn purge() -> Action {
    Action::Purge(PurgeOrder::default())
}

pub fn command(id: &str, action: Action) -> Command {
    Command {
        id: CommandId::new(id).unwrap(),
        target: Target::Flow(flow_id()),
        action,
        issued_by: "ops".to_owned(),
        issued_at: None,
        reason: None,
        expect: Expect::default(),
    }
}

/// One flow with a queue that nothing is ever cleaned from, driven by hand.
pub struct Desk {
    pub flow: Option<Flow>,
    pub partition: Partition,
    pub limits: Limits,
    pub now: Timestamp,
    /// The offset that the next command gets.
    pub offset: i64,
    /// What stands in the queue topic.
    pub queue: Vec<Survivor>,
    /// What somebody has deleted of it.
    pub gone: Option<Watermark>,
}

impl Desk {
    /// Nothing is known of the flow.
    pub fn unknown() -> Self {
        Self {
            flow: None,
            partition: Partition::new(6, 6, 0, 0, T0),
            limits: Limits::default(),
            now: T0,
            offset: 100,
            queue: Vec::new(),
            gone: None,
        }
    }

    pub fn live() -> Self {
        Self { flow: Some(Flow::new(flow_id(), T0)), ..Self::unknown() }
    }

    /// Paused at [`T0`] with the defaults, until 14 days later; nothing held.
    pub fn paused() -> Self {
        Self::paused_with(PauseOrder::default())
    }

    pub fn paused_with(order: PauseOrder) -> Self {
        let mut desk = Self::live();
        desk.order("setup-pause", Action::Pause(order));
        desk
    }

    pub fn order(&mut self, id: &str, action: Action) -> Applied {
        self.order_recorded(id, action, self.now)
    }

    pub fn order_expecting(&mut self, id: &str, action: Action, expect: Expect) -> Applied {
        self.take(&Command { expect, ..command(id, action) }, self.now)
    }

    pub fn order_recorded(&mut self, id: &str, action: Action, recorded_at: Timestamp) -> Applied {
        self.take(&command(id, action), recorded_at)
    }

    fn take(&mut self, command: &Command, recorded_at: Timestamp) -> Applied {
        let issue = Issue { command, offset: self.offset, recorded_at };
        self.offset += 1;
        let moment = Moment { now: self.now, limits: &self.limits, gone: self.gone };
        let applied = apply(&mut self.flow, &flow_id(), &mut self.partition, &issue, &moment);
        self.check();
        applied
    }

    pub fn flow(&mut self) -> &mut Flow {
        self.flow.as_mut().unwrap()
    }

    pub fn arrive(&mut self, kind: Kind, id: &str) -> Fate {
        let event = Event { flow: flow_id(), record: record(id), kind };
        let fate = self.flow().arrive(&event);
        if let Fate::Hold(entry) | Fate::Withdraw(entry) = &fate {
            let survivor = survivor(entry, kind, self.now);
            self.queue.push(survivor);
        }
        self.check();
        fate
    }

    pub fn enroll(&mut self, id: &str) -> Fate {
        self.arrive(Kind::Enroll, id)
    }

    /// Passes up to `n` entries; `replaced` are the numbers that the index would name.
    pub fn drain(&mut self, n: usize, replaced: &[u64]) -> Vec<Passing> {
        let from = self.flow().queue.watermark.offset;
        let next: Vec<_> = self.queue.iter().filter(|survivor| survivor.offset >= from).take(n).copied().collect();
        let flow = self.flow();
        let passings = next.iter().map(|next| flow.pass(next, replaced.contains(&next.number))).collect();
        self.check();
        passings
    }

    /// Both ways to know what is held agree: P1's second sum.
    pub fn check(&self) {
        let Some(flow) = &self.flow else { return };
        assert_sums(flow);
        if let super::State::Paused(pause) = &flow.state {
            let cap = pause.paused_at.after(Limits::MAX_PAUSE);
            assert!(pause.resumes_at <= cap, "{} is beyond the cap {cap}", pause.resumes_at);
        }
    }
}

pub fn assert_sums(flow: &Flow) {
    let counts = &flow.counts;
    let of = |enroll: u64, advance: u64| (enroll, advance);
    let beyond =
        of(flow.queue.enrolls - flow.queue.watermark.enrolls, flow.queue.advances - flow.queue.watermark.advances);
    let (held, taken) = (counts.held(), flow.queue.taken.count());
    assert_eq!(
        beyond,
        of(held.enroll + taken.enroll, held.advance + taken.advance),
        "entries beyond the watermark, and held: {flow:?}"
    );
    let fallen = |of: fn(&super::PerKind) -> u64| {
        of(&counts.released) + of(&counts.replaced) + of(&counts.removed) + of(&counts.lost)
    };
    assert_eq!(counts.queued.enroll, held.enroll + fallen(|count| count.enroll));
    assert_eq!(counts.queued.advance, held.advance + fallen(|count| count.advance));
}

pub fn survivor(entry: &Entry, kind: Kind, held_at: Timestamp) -> Survivor {
    let Entry { number, enrolls, advances, .. } = *entry;
    // Markers leave gaps in offsets.
    let offset = i64::try_from(number).unwrap() * 2;
    Survivor { number, enrolls, advances, kind, held_at, offset }
}
