//! Makes a producer, which fences the one before it under the same transactional id and ends its transaction.
//!
//! The one before may be another process's: whoever starts an instance again while the old process hangs makes it the
//! **successor** of one that may wake up. So the name is used only while it is surely ours:
//!
//! - a process that has just started makes its first producer at once: that ends what a dead predecessor left open;
//! - whoever goes on step by step keeps the name. It is in doubt after a hang of half a session (whoever was alive before
//!   is not put out of the group sooner), after the group threw the worker out, and after its producer was fenced: then
//!   the worker asks its member whether the group counts on it ([`Member::standing`]) before it makes another producer;
//! - if there is no answer for a whole session, the producer is made without it. Nothing is lost or doubled by that; at
//!   worst the process in its place is fenced, and started again;
//! - if the group does not count on the worker any more, no producer is made, and everything remembered goes, as after a
//!   crash. The worker joins again, and asks again when it has a turn to write;
//! - if another process of its name is known to be in the group, and this one was out of the group or fenced, it stops: the
//!   other one has taken over. Kafka's client cannot tell: there it joins again, as one of two live processes.
//!
//! Where the group keeps the worker's place under its name (`place.rs`), nobody joins beside the successor: whoever is out
//! of the group asks its producer before it joins again, and if it has none, makes none as long as it is on trial.
//!
//! Whoever never left the group and was never fenced does not give way: of two live processes under one name the one that
//! is fenced stops.

use super::clients::in_hand;
use super::phase::{After, Phase, Step};
use super::session::wait::left;
use super::stop::Stop;
use super::{BACKOFF, Worker};
use crate::broker::{Action, Broker, Compression, Member, ProducerOptions};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    /// Whether the name is surely ours: no process can have taken it over since it was.
    pub(super) fn is_sure(&self, now: Timestamp) -> bool {
        let lasts = self.options.session_timeout / 2;
        let sure = self.sure_at.is_some_and(|at| at <= now && now.since(at) < lasts);
        sure || mutant::is(Mutant::AZombieMakesAProducerWithoutAsking)
    }

    /// A step begins. Who has not hung since the name was sure has it still.
    pub(super) fn keep_name(&mut self, now: Timestamp) {
        if self.is_sure(now) {
            self.sure_at = Some(now);
        }
    }

    /// We were out of the group, or fenced: somebody may have taken the name over, and goes first.
    pub(super) fn doubt_name(&mut self) {
        self.sure_at = None;
        self.gives_way = true;
    }

    /// A producer for the next transactions; the one before is gone, with what it could write to.
    pub(super) fn replace(&mut self, after: After, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        self.producer = None;
        self.writable.clear();
        if !self.is_sure(now) {
            if matches!(after, After::Enter) {
                return Ok((Phase::Enter, Step::Progress));
            }
            if !self.table.joined {
                // There is nothing to write yet: the first turn wants its producer, and by then the group knows us.
                self.rewind();
                return Ok((Phase::Chores, Step::Progress));
            }
            return self.ask(after, now);
        }
        let compression = match &after {
            After::Leaders(turn) => turn.compression,
            After::Rewind | After::Enter | After::Publish(_) | After::ReadBack(_) => Compression::None,
        };
        let made = self.broker.producer(&ProducerOptions {
            transactional_id: self.options.transactional_id(),
            transaction_timeout: self.options.transaction_timeout,
            compression,
            batch_bytes: self.batch_bytes,
        });
        match made {
            Ok(producer) => self.producer = Some(producer),
            // Without a producer nothing holds and nothing is lost: whatever it was, ask again, unless it is hopeless.
            Err(error) if error.action == Action::Stop => return Err(Stop::from(error)),
            Err(error) => {
                self.stats.trouble(&error);
                return Ok((Phase::Replace(after), Step::Waiting(BACKOFF)));
            }
        }
        (self.gives_way, self.trial) = (false, None);
        self.made_with = (compression, self.batch_bytes);
        self.stats.producers += 1;
        match after {
            After::Rewind => {
                self.rewind();
                Ok((Phase::Chores, Step::Progress))
            }
            After::Enter => Ok((Phase::Enter, Step::Progress)),
            After::Publish(turn) => self.publish(*turn, now),
            After::ReadBack(turn) => Ok((Phase::ReadBack(turn), Step::Progress)),
            After::Leaders(turn) => Ok((Phase::Leaders(turn), Step::Progress)),
        }
    }

    /// Whether the group was asked for a whole session without an answer.
    fn has_asked_enough(&mut self, now: Timestamp) -> bool {
        let since = *self.asking_since.get_or_insert(now);
        left(since, self.options.session_timeout, now).is_none()
    }

    /// Learns from the group whether the name is still ours.
    fn ask(&mut self, after: After, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let standing = match in_hand(&mut self.clients)?.member.standing() {
            Ok(standing) => standing,
            Err(error) if error.action == Action::Retry && self.has_asked_enough(now) => {
                tracing::warn!(%error, "the group does not answer; a producer is made without its word");
                self.stats.trouble(&error);
                (self.sure_at, self.asking_since) = (Some(now), None);
                return Ok((Phase::Replace(after), Step::Progress));
            }
            Err(error) => return self.trouble(error, Phase::Replace(after)),
        };
        self.asking_since = None;
        if standing.namesake == Some(true) && (self.gives_way || !standing.belongs) {
            return Err(Stop::FencedByEqual(self.options.transactional_id()));
        }
        if !standing.belongs {
            // A turn whose commit is not known may hold: whoever has its partitions now reads what is committed.
            tracing::warn!("the group does not count on this worker any more; it joins again");
            self.start_anew();
            return Ok((Phase::Start, Step::Waiting(BACKOFF)));
        }
        if self.is_on_trial(now) {
            let why = "another process of this name may take the place in the group back";
            self.stats.last_trouble = Some(why.to_owned());
            return Ok((Phase::Replace(after), Step::Waiting(BACKOFF)));
        }
        // When it was asked, not when the answer came: we may have hung in between.
        self.sure_at = Some(now);
        Ok((Phase::Replace(after), Step::Progress))
    }
}
