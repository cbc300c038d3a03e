//! The group gives partitions, or takes them. The worker takes note of it between transactions only: what the member says
//! within one waits until that has ended. Nobody else is given a partition before its revocation is acknowledged.

use super::Worker;
use super::phase::{AfterProof, Phase, Step};
use super::session::chore::Chore;
use super::session::owned::{Owned, Stage};
use super::session::table::Change;
use super::stop::Stop;
use crate::broker::Broker;
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    pub(super) fn change(&mut self, change: Change, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        match change {
            Change::Assigned(partitions) => {
                let assigned = self.assigned(&partitions);
                self.have_place(now);
                assigned
            }
            Change::Revoked { partitions, lost: false } => {
                tracing::info!(?partitions, "revoked");
                self.give_up(&partitions, false)
            }
            Change::Revoked { partitions, lost: true } => {
                tracing::warn!(?partitions, "the group has given our partitions away");
                self.doubt_name();
                // Once they are given up the member joins again, under its name if that keeps its place.
                if self.options.keeps_place {
                    return Ok((Phase::Prove(AfterProof::GiveUp(partitions)), Step::Progress));
                }
                self.give_up(&partitions, true)
            }
        }
    }

    /// New partitions begin to join. What was gathered is dropped and read again: its order with theirs matters.
    fn assigned(&mut self, partitions: &[i32]) -> Result<(Phase<B>, Step), Stop> {
        self.table.joined = true;
        tracing::info!(?partitions, "assigned");
        self.table.forget_refused(partitions);
        for partition in partitions {
            self.table.owned.insert(*partition, Owned::joining(self.options.queue_ttl));
        }
        self.chores.push_front(Chore::Acknowledge);
        self.rewind();
        Ok((Phase::Chores, Step::Progress))
    }

    /// `lost`: they are others' already.
    pub(super) fn give_up(&mut self, partitions: &[i32], lost: bool) -> Result<(Phase<B>, Step), Stop> {
        let kept = lost && mutant::is(Mutant::LostPartitionsKept);
        for partition in partitions.iter().filter(|_| !kept) {
            if let Some(Owned { stage: Stage::Joining(_), .. }) = self.table.owned.remove(partition) {
                self.chores.push_back(Chore::StopRestoring { partition: *partition });
            }
        }
        self.table.forget_refused(partitions);
        self.table.created.clear();
        // What touched a deadline may be somebody else's now; if not, the next turn finds out anew.
        self.table.clock_alarm = None;
        let gone: Vec<_> = {
            let reading = self.table.reading.iter().filter(|(_, (partition, _))| partitions.contains(partition));
            reading.map(|(topic, _)| topic.clone()).collect()
        };
        for topic in gone {
            self.stop_reading(topic);
        }
        self.chores.push_front(Chore::Acknowledge);
        self.rewind();
        Ok((Phase::Chores, Step::Progress))
    }
}
