//! Ends a turn's transaction: offsets and commit, or abort; and finds out whether it holds when the answer is lost.

use std::sync::Arc;
use std::time::Duration;

use super::clients::in_hand;
use super::phase::{After, Open, Phase, Step, Transaction};
use super::session::turn::Turn;
use super::session::wait::left;
use super::stop::Stop;
use super::{BACKOFF, Worker};
use crate::broker::{Abort, Action, Broker, Code, Commit, Error, Member, Offset, Transaction as _};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// How long one look at committed offsets waits for those that are pending.
const READ_BACK: Duration = Duration::from_millis(500);

impl<B: Broker> Worker<B> {
    /// One offset for every partition that the turn acts for: that is what fences a zombie.
    pub(super) fn offsets(&mut self, mut open: Box<Open<B>>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let turn = &open.turn;
        let topic: Arc<str> = self.options.topics.enrollments.as_str().into();
        let mut offsets: Vec<Offset> = turn
            .decision
            .partitions
            .iter()
            .map(|(partition, staged)| Offset {
                topic: Arc::clone(&topic),
                partition: *partition,
                offset: staged.position,
                metadata: turn.name.clone(),
            })
            .collect();
        if mutant::is(Mutant::OffsetsOutsideTheTransaction) {
            for offset in &mut offsets {
                offset.offset =
                    self.table.owned.get(&offset.partition).map_or(offset.offset, |owned| owned.facts.position());
            }
        }
        if mutant::is(Mutant::OffsetOfOnePartitionMissing) && offsets.len() > 1 {
            offsets.pop();
        }
        let sent = match in_hand(&mut self.clients)?.member.group() {
            // As it is now: the group may have gone on since the turn began, with this member in it.
            Ok(group) => open.transaction.send_offsets(&offsets, &group),
            Err(error) => Err(Error { action: Action::Abort, ..error }),
        };
        match sent {
            Ok(()) => Ok((Phase::Commit(open), Step::Progress)),
            Err(error) => {
                self.stats.trouble(&error);
                if let Some(stop) = self.fenced_by_equal(open.turn.begun_at, &error, now) {
                    return Err(stop);
                }
                self.table.stale |= error.code == Code::StaleGeneration;
                match error.action {
                    Action::Retry => Ok((Phase::Offsets(open), Step::Waiting(BACKOFF))),
                    Action::Abort => Ok((Phase::Abort(open.transaction), Step::Progress)),
                    Action::Rebuild => Ok((Phase::Replace(After::Rewind), Step::Progress)),
                    Action::Stop => Err(Stop::from(error)),
                }
            }
        }
    }

    pub(super) fn commit(&mut self, open: Open<B>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let Open { mut turn, transaction, .. } = open;
        turn.commit_asked_for = true;
        match transaction.commit() {
            Commit::Done(producer) => {
                self.producer = Some(producer);
                self.gives_way = false;
                self.publish(*turn, now)
            }
            Commit::DoneReplace => Ok((Phase::Replace(After::Publish(turn)), Step::Progress)),
            Commit::Retry(transaction, error) => {
                self.stats.trouble(&error);
                Ok((Phase::Commit(Box::new(Open { turn, transaction, polls_ahead: false })), Step::Waiting(BACKOFF)))
            }
            Commit::Abort(transaction, error) => {
                self.stats.trouble(&error);
                Ok((Phase::Abort(transaction), Step::Progress))
            }
            Commit::Unknown(error) => {
                self.stats.trouble(&error);
                if let Some(stop) = self.fenced_by_equal(turn.begun_at, &error, now) {
                    return Err(stop);
                }
                let after = match () {
                    () if mutant::is(Mutant::StatePublishedBeforeTheCommitIsKnown) => After::Publish(turn),
                    () if mutant::is(Mutant::AbortAfterAnUnknownCommit) => After::Rewind,
                    () => After::ReadBack(turn),
                };
                Ok((Phase::Replace(after), Step::Progress))
            }
        }
    }

    /// Another process under our id, unless the transaction had outlived its time: then the broker may have fenced us
    /// itself, and the group tells who has the name.
    pub(super) fn fenced_by_equal(&mut self, begun_at: Timestamp, error: &Error, now: Timestamp) -> Option<Stop> {
        if error.code == Code::Fenced {
            self.doubt_name();
        }
        let in_time = left(begun_at, self.options.transaction_timeout, now).is_some();
        (error.code == Code::Fenced && in_time).then(|| Stop::FencedByEqual(self.options.transactional_id()))
    }

    pub(super) fn abort(&mut self, transaction: Transaction<B>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        match transaction.abort() {
            Abort::Done(producer) => {
                self.stats.aborts += 1;
                self.producer = Some(producer);
                self.rewind();
                Ok((Phase::Chores, Step::Progress))
            }
            Abort::Replace(error) => {
                self.stats.aborts += 1;
                if let Some(error) = error {
                    self.stats.trouble(&error);
                    // Records that were only purged do not say why; the abort does. A new producer would fence the equal
                    // in its turn, and so on for ever.
                    if let Some(stop) = self.fenced_by_equal(self.begun_at, &error, now) {
                        return Err(stop);
                    }
                }
                Ok((Phase::Replace(After::Rewind), Step::Progress))
            }
            Abort::Retry(transaction, error) => {
                self.stats.trouble(&error);
                Ok((Phase::Abort(transaction), Step::Waiting(BACKOFF)))
            }
        }
    }

    /// The new producer has ended whatever was under way: the offsets say whose turn holds.
    pub(super) fn read_back(&mut self, turn: Box<Turn>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let partitions: Vec<i32> = turn.decision.partitions.keys().copied().collect();
        match in_hand(&mut self.clients)?.member.committed(&partitions, READ_BACK) {
            Ok(committed) => {
                let is_ours = |name: &str| name == turn.name || mutant::is(Mutant::TurnNameIgnored);
                let holds = committed.iter().flatten().any(|committed| is_ours(&committed.metadata));
                if holds {
                    return self.publish(*turn, now);
                }
                self.stats.aborts += 1;
                self.rewind();
                Ok((Phase::Chores, Step::Progress))
            }
            Err(error) => self.trouble(error, Phase::ReadBack(turn)),
        }
    }
}
