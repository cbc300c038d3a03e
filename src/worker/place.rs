//! The worker's place in its group, where the group keeps that under the instance's name while the worker is away
//! ([`super::Options::keeps_place`]): a process that is started again has its partitions at once.
//!
//! Whoever joins under the name takes the place, and the member that had it is fenced. That alone ends no process: the
//! group fences also where there is no other one, when it takes a join of ours, whose answer was lost, for the newer. What
//! is certain is the **transactional id**: of all producers that were ever made under it the newest alone is not fenced. So
//! the producer says who has the name, and the place in the group follows it:
//!
//! - a process that starts makes its producer first and joins then. So whoever is fenced in the group by a successor has a
//!   fenced producer already;
//! - whoever has to join again, fenced or thrown out, asks the producer before it does ([`Phase::Prove`]). Is that fenced,
//!   another process has the name, and this one ends without having been in its way. Is it not, the worker takes its place
//!   again, as often as it must, and keeps the producer;
//! - whoever has no producer left to ask joins **on trial**: it makes none before it has had the place undisturbed for
//!   so long that a living successor would have taken it back. If it is fenced twice meanwhile, it ends.
//!
//! So of two live processes one ends, and not both: the one whose producer is the newest never ends by being fenced in the
//! group and takes its place back each time; the other one finds its producer fenced, or, if it has none, its trial
//! ends. A producer that is made once a trial is over is the newest from then on: whoever had the name before did not
//! poll for all that time.
//!
//! A place can be found with less in it than its last member had: what that was told to give up, and died before it had.
//! Nobody has those partitions then, and the group looks at that again only when members come or go. So whoever takes a
//! place makes it look: a member without a name comes for a moment, of another topic, and goes ([`Chore::Knock`]). Nothing
//! moves by that but what nobody has. If its process dies meanwhile, the group waits for it at the next change, and for no
//! longer than [`KNOCK`].

use std::time::Duration;

use super::clients::in_hand;
use super::failed::Failed;
use super::phase::{After, AfterProof, Phase, Step};
use super::session::chore::Chore;
use super::session::trial::Trial;
use super::session::wait::left;
use super::stop::Stop;
use super::{BACKOFF, Worker};
use crate::broker::{Action, Broker, Code, Error, Member, MemberOptions, PollLimit, Polled, Producer};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// How long the group waits for one that knocked and died meanwhile, with its process: not for a session, as all members
/// wait with it. No broker's default refuses it (Kafka's `group.min.session.timeout.ms`).
const KNOCK: Duration = Duration::from_secs(6);

/// What a heartbeat to learn of it (at most a third of a session), a join, and another heartbeat take beyond a session.
const BEYOND: Duration = Duration::from_secs(2);

impl<B: Broker> Worker<B> {
    /// A call of the member's failed, perhaps for it is fenced. The error: that ends the process.
    pub(super) fn note_fence(&mut self, error: &Error) -> Result<(), Stop> {
        if error.code != Code::InstanceFenced {
            return Ok(());
        }
        tracing::warn!(%error, "fenced in the group");
        if mutant::is(Mutant::FenceInTheGroupEndsTheProcess) {
            return Err(Stop::FencedByEqual(self.options.transactional_id()));
        }
        if self.producer.is_some() {
            return Ok(());
        }
        let trial = self.trial.get_or_insert_default();
        if std::mem::replace(&mut trial.fenced, true) {
            return Err(Stop::FencedByEqual(self.options.transactional_id()));
        }
        Ok(())
    }

    /// Asks whether the name is still ours, by the producer.
    pub(super) fn prove(&mut self, next: AfterProof, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let Some(producer) = self.producer.take() else { return self.go_on(next, now) };
        let topics = &self.options.topics;
        match producer.prove(&topics.group, &topics.enrollments) {
            Ok(producer) => {
                tracing::info!("the name is still ours: the worker takes its place in the group again");
                self.lose_handles_without(producer);
                // When it was asked, not when the answer came: we may have hung in between.
                (self.sure_at, self.gives_way, self.trial) = (Some(now), false, None);
            }
            Err((_, error)) if error.code == Code::Fenced => {
                self.stats.trouble(&error);
                return Err(Stop::FencedByEqual(self.options.transactional_id()));
            }
            Err((producer, error)) => {
                self.stats.trouble(&error);
                let again = producer.is_some() && error.action == Action::Retry;
                self.lose_handles_without(producer);
                if again {
                    return Ok((Phase::Prove(next), Step::Waiting(BACKOFF)));
                }
                if error.action == Action::Stop {
                    return Err(Stop::from(error));
                }
                self.doubt_name();
            }
        }
        self.go_on(next, now)
    }

    fn lose_handles_without(&mut self, producer: Option<B::Producer>) {
        self.producer = producer;
        if self.producer.is_none() {
            self.writable.clear();
        }
    }

    fn go_on(&mut self, next: AfterProof, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        match next {
            AfterProof::Enter if self.producer.is_some() => Ok((Phase::Enter, Step::Progress)),
            AfterProof::Enter => Ok((Phase::Replace(After::Enter), Step::Progress)),
            AfterProof::GiveUp(partitions) => {
                if !self.is_sure(now) {
                    self.doubt_name();
                }
                self.is_about_to_join(now);
                self.give_up(&partitions, true)
            }
        }
    }

    /// With a producer there is nothing to be tried.
    pub(super) fn is_about_to_join(&mut self, now: Timestamp) {
        let tries = self.options.keeps_place && self.producer.is_none() && !self.is_sure(now);
        self.trial = tries.then(|| Trial { since: None, ..self.trial.unwrap_or_default() });
        self.table.knocks = self.options.keeps_place && !mutant::is(Mutant::PlaceTakenWithoutAKnock);
    }

    /// The group has given the worker its place.
    pub(super) fn have_place(&mut self, now: Timestamp) {
        if let Some(trial) = &mut self.trial {
            trial.since.get_or_insert(now);
        }
        let all = usize::try_from(self.table.shape.enrollments).unwrap_or_default();
        if std::mem::take(&mut self.table.knocks) && self.table.owned.len() < all {
            self.chores.push_back(Chore::Knock);
        }
    }

    /// Has the group look at who has what. `false`: it is still to be waited for.
    pub(super) fn knock(&mut self) -> Result<bool, Failed> {
        let session = self.options.session_timeout;
        let options = MemberOptions {
            group: self.options.topics.group.clone(),
            client_id: self.options.name(),
            instance_id: None,
            topic: self.options.topics.control.clone(),
            session_timeout: if self.knock_was_refused { session } else { session.min(KNOCK) },
            max_poll_interval: self.options.max_poll_interval,
        };
        let clients = in_hand(&mut self.clients)?;
        let member = match &mut clients.knocking {
            Some(member) => member,
            none => none.insert(self.broker.member(&options)?),
        };
        let limit = PollLimit { records: 1, bytes: 1, wait: Duration::ZERO };
        match member.poll(limit, &mut Vec::new()) {
            Ok(Polled::Assigned(_)) => {
                let acknowledged = member.acknowledge();
                let left = clients.knocking.take().map_or(Ok(()), Member::leave);
                acknowledged.and(left)?;
                Ok(true)
            }
            Ok(Polled::Revoked { .. }) => {
                member.acknowledge()?;
                Ok(false)
            }
            Ok(Polled::Records | Polled::OutOfRange { .. }) => Ok(false),
            Err(error) => {
                if error.action != Action::Retry {
                    clients.knocking = None;
                }
                // Brokers that want longer sessions have accepted the member's own.
                if error.code == Code::InvalidArgument && !std::mem::replace(&mut self.knock_was_refused, true) {
                    return Ok(false);
                }
                Err(error.into())
            }
        }
    }

    /// Whether no producer may be made yet.
    pub(super) fn is_on_trial(&self, now: Timestamp) -> bool {
        let lasts = self.options.session_timeout.saturating_add(BEYOND);
        let on = self.trial.is_some_and(|trial| trial.since.is_none_or(|since| left(since, lasts, now).is_some()));
        on && !mutant::is(Mutant::NoTrialWithoutAProducer)
    }
}
