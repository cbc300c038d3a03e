//! An event comes in.

use super::{Event, Flow, Keep, Kind, NewRecords, PauseId, State};

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Downstream, untouched.
    Deliver,
    /// Into the queue.
    Hold(Entry),
    /// Refused by the pause: to the discarded topic.
    TurnAway { pause: PauseId },
    /// A withdraw while something is held: downstream at once, and into the queue, where it takes out every earlier
    /// entry of its record.
    Withdraw(Entry),
}

/// A new entry of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3, ... over all entries of the flow.
    pub number: u64,
    /// Enrolls among the entries up to and with this one.
    pub enrolls: u64,
    /// Advances among the entries up to and with this one.
    pub advances: u64,
    /// Superseded by a later entry of its record and kind that is `latest` too.
    pub latest: bool,
    pub pause: PauseId,
}

impl Flow {
    /// Decides where `event` goes, and counts it. Only a live flow is unchanged by it.
    pub fn arrive(&mut self, event: &Event) -> Fate {
        let (pause, latest) = match &self.state {
            State::Live => return Fate::Deliver,
            State::Paused(pause) => {
                if event.kind == Kind::Enroll && pause.new_records == NewRecords::Discard {
                    let pause = pause.id.clone();
                    self.counts.turned_away.add(event.kind, 1);
                    return Fate::TurnAway { pause };
                }
                (pause.id.clone(), pause.keep == Keep::Latest)
            }
            // Never `latest`: what a drain delivers is settled when it starts, and does not depend on its speed.
            State::Resuming { pause, .. } => (pause.id.clone(), false),
        };
        match event.kind {
            Kind::Enroll | Kind::Advance => {
                self.counts.queued.add(event.kind, 1);
                Fate::Hold(self.next_entry(event.kind, latest, pause))
            }
            Kind::Withdraw => {
                self.withdrawn += 1;
                if self.queue.is_passed() {
                    // Nothing that it could take out. With only withdraws left it is an entry all the same: so whoever
                    // reads the topics knows it to be one without knowing how far a drain was just then.
                    return Fate::Deliver;
                }
                Fate::Withdraw(self.next_entry(event.kind, latest, pause))
            }
        }
    }

    fn next_entry(&mut self, kind: Kind, latest: bool, pause: PauseId) -> Entry {
        let queue = &mut self.queue;
        let number = queue.next_entry;
        queue.next_entry += 1;
        match kind {
            Kind::Enroll => queue.enrolls += 1,
            Kind::Advance => queue.advances += 1,
            Kind::Withdraw => {}
        }
        Entry { number, enrolls: queue.enrolls, advances: queue.advances, latest, pause }
    }
}
