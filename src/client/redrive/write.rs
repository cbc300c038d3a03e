//! Writes letters as events, with what the audit says of it, in one transaction.

use std::time::{Duration, Instant};

use super::order::{Order, Ready};
use crate::broker::murmur2::partition_for;
use crate::broker::{
    Abort, Action, Admin, Broker, Code, Commit, Delivered, Error, Header, Operation, Outgoing, Producer,
    ProducerOptions, Result, Stored, Topic, Transaction,
};
use crate::client::{no_topic, rest};
use crate::clock::Clock;
use crate::schema::headers::{self, Source};
use crate::schema::redriven::{self, Edit, Redriven};
use crate::schema::{Text, topics::Topics};

/// Whoever reads the enrollments waits for an open transaction, and after a crash for as long as this.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a transaction may take; the rest is for ending it.
const PATIENCE: Duration = Duration::from_secs(7);

/// How long to try for a producer: a transaction that somebody left open may have to end first.
const START: Duration = Duration::from_secs(30);

/// In bytes. A batch is refused as a whole, and the first event in it is blamed: so small a batch has fewer beside the one at fault, and a
/// larger event is alone in its own.
const BATCH: usize = 16 * 1024;

/// How long one look for deliveries waits.
const ACKS: Duration = Duration::from_millis(20);

pub enum Outcome {
    Written,
    /// Nothing was written: the broker refuses this one.
    Refused(usize, String),
    /// It may have been written or not.
    Unknown,
    /// Nothing was written: the producer was used up by an earlier transaction.
    WithoutProducer,
}

pub struct Writer<'a, B: Broker> {
    broker: &'a B,
    topics: &'a Topics,
    clock: &'a Clock,
    enrollments: i32,
    audit: i32,
    producer: Option<B::Producer>,
}

type Tx<B> = <<B as Broker>::Producer as Producer>::Transaction;

/// Why a transaction does not go on.
enum Broken {
    Refused(usize, String),
    Error(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A transaction that fails for want of this right does not name the topic.
fn may_write<A: Admin>(admin: &mut A, topic: &str) -> Result<()> {
    match again(START, || admin.allowed(topic))? {
        Some(allowed) if !allowed.contains(&Operation::Write) => {
            let detail = format!("{topic}: this user may not write to it (Topic authorization failed)");
            Err(Error::new(Action::Stop, Code::Denied, detail))
        }
        _ => Ok(()),
    }
}

impl<'a, B: Broker> Writer<'a, B> {
    /// # Errors
    /// Of the broker; [`Code::UnknownTopic`] if a topic is not there, [`Code::Denied`] if this user may not write to it.
    pub fn open(broker: &'a B, topics: &'a Topics, clock: &'a Clock) -> Result<Self> {
        let mut admin = broker.admin()?;
        let mut count = |topic: &str| admin.partitions(topic)?.ok_or_else(|| no_topic(topic));
        let (enrollments, audit) = (count(&topics.enrollments)?, count(&topics.audit)?);
        may_write(&mut admin, &topics.enrollments)?;
        may_write(&mut admin, &topics.audit)?;
        let mut writer = Self { broker, topics, clock, enrollments, audit, producer: None };
        writer.begin_again()?;
        Ok(writer)
    }

    /// Makes the producer: whatever another one of this id has open ends now.
    ///
    /// # Errors
    /// Of the broker.
    pub fn begin_again(&mut self) -> Result<()> {
        self.producer = None;
        let id = format!("{}-redrive", self.topics.group);
        let options = ProducerOptions { batch_bytes: BATCH, ..ProducerOptions::new(id, TIMEOUT) };
        let mut producer = again(START, || self.broker.producer(&options))?;
        let topics = [producer.topic(&self.topics.enrollments)?, producer.topic(&self.topics.audit)?];
        again(START, || match producer.leaders_known(&topics)? {
            true => Ok(()),
            false => Err(Error::new(Action::Retry, Code::Busy, "the topics have no leaders yet")),
        })?;
        self.producer = Some(producer);
        Ok(())
    }

    /// # Errors
    /// Of the broker, after which nothing was written; [`Code::Fenced`]: another redrive has begun.
    pub fn write(&mut self, order: &Order, batch: &[Ready]) -> Result<Outcome> {
        // A new one would fence whoever has begun since, and know nothing of what they did.
        let Some(mut producer) = self.producer.take() else { return Ok(Outcome::WithoutProducer) };
        let topics = (producer.topic(&self.topics.enrollments)?, producer.topic(&self.topics.audit)?);
        let mut transaction = producer.begin().map_err(|(_, error)| error)?;
        match self.fill(&mut transaction, topics, order, batch) {
            Ok(()) => self.commit(transaction),
            Err(broken) => {
                self.abort(transaction);
                match broken {
                    Broken::Refused(index, why) => Ok(Outcome::Refused(index, why)),
                    Broken::Error(error) => Err(error),
                }
            }
        }
    }

    fn fill(
        &self,
        transaction: &mut Tx<B>,
        (enrollments, audit): (Topic, Topic),
        order: &Order,
        batch: &[Ready],
    ) -> std::result::Result<(), Broken> {
        let deadline = Instant::now() + PATIENCE;
        for (index, Ready { letter, event, value }) in batch.iter().enumerate() {
            let mut headers = letter.headers.clone();
            headers.push(Header::new(headers::REDRIVE, letter.at.to_string()));
            let (key, value) = (letter.key.as_deref(), value.as_deref());
            let partition = partition_for(event.flow.as_str().as_bytes(), self.enrollments);
            let record = Outgoing { topic: enrollments, partition, timestamp: None, key, value, headers: &headers };
            send(transaction, &record, index, deadline)?;
        }
        let stored = stored(transaction, batch.len(), deadline)?;
        for (index, (ready, stored)) in batch.iter().zip(stored).enumerate() {
            let key = ready.event.flow.as_str().as_bytes();
            let document = redriven::write(&self.redriven(order, ready, stored));
            let (partition, value) = (partition_for(key, self.audit), Some(document.as_slice()));
            let record = Outgoing { topic: audit, partition, timestamp: None, key: Some(key), value, headers: &[] };
            send(transaction, &record, index, deadline)?;
        }
        self::stored(transaction, batch.len(), deadline)?;
        Ok(())
    }

    fn redriven(&self, order: &Order, Ready { letter, event, .. }: &Ready, stored: Stored) -> Redriven {
        let partition = partition_for(event.flow.as_str().as_bytes(), self.enrollments);
        Redriven {
            flow: event.flow.clone(),
            partition,
            at: self.clock.now(),
            source: letter.at.clone(),
            to: Source { topic: self.topics.enrollments.as_str().into(), partition, offset: stored.offset },
            by: order.by.clone(),
            reason: order.reason.clone(),
            edit: order
                .edit
                .as_ref()
                .map(|after| Edit { before: letter.value.as_deref().map(Text::of), after: Text::of(after) }),
        }
    }

    fn commit(&mut self, mut transaction: Tx<B>) -> Result<Outcome> {
        let deadline = Instant::now() + START;
        loop {
            transaction = match transaction.commit() {
                Commit::Done(producer) => {
                    self.producer = Some(producer);
                    return Ok(Outcome::Written);
                }
                Commit::DoneReplace => return Ok(Outcome::Written),
                Commit::Retry(transaction, _) if Instant::now() < deadline => transaction,
                Commit::Retry(transaction, error) | Commit::Abort(transaction, error) => {
                    self.abort(transaction);
                    return Err(error);
                }
                Commit::Unknown(error) if error.code == Code::Fenced => return Err(error),
                Commit::Unknown(_) => return Ok(Outcome::Unknown),
            };
        }
    }

    /// Ends the transaction without its records. If that cannot be told the next producer does it.
    fn abort(&mut self, mut transaction: Tx<B>) {
        let deadline = Instant::now() + START;
        loop {
            transaction = match transaction.abort() {
                Abort::Done(producer) => {
                    self.producer = Some(producer);
                    return;
                }
                Abort::Retry(transaction, _) if Instant::now() < deadline => transaction,
                Abort::Replace(_) | Abort::Retry(..) => return,
            };
        }
    }
}

fn send(
    transaction: &mut impl Transaction,
    record: &Outgoing<'_>,
    index: usize,
    deadline: Instant,
) -> std::result::Result<(), Broken> {
    loop {
        match transaction.send(record, index as u64) {
            Ok(()) => return Ok(()),
            Err(error) if is_of_the_record(&error) => return Err(Broken::Refused(index, error.detail)),
            Err(error) if error.action != Action::Retry || Instant::now() >= deadline => return Err(error.into()),
            Err(_) => drop(transaction.flush(ACKS)),
        }
    }
}

/// Waits until so many records are stored, and where each is, in the order of their tags.
fn stored(
    transaction: &mut impl Transaction,
    count: usize,
    deadline: Instant,
) -> std::result::Result<Vec<Stored>, Broken> {
    let (mut stored, mut failure) = (vec![None; count], None);
    loop {
        let in_flight = transaction.flush(ACKS).in_flight;
        for Delivered { tag, outcome } in transaction.deliveries() {
            let index = usize::try_from(tag).unwrap_or(usize::MAX);
            match outcome {
                Ok(at) => stored.get_mut(index).into_iter().for_each(|place| *place = Some(at)),
                Err(error) if is_of_the_record(&error) => return Err(Broken::Refused(index, error.detail)),
                Err(error) => failure = Some(error),
            }
        }
        if in_flight == 0 || Instant::now() >= deadline {
            // Only now: what is refused takes with it what waits to be sent, and that may be reported first.
            if let Some(error) = failure {
                return Err(error.into());
            }
            if in_flight > 0 {
                let why = "the brokers do not store the events in time";
                return Err(Error::new(Action::Retry, Code::TimedOut, why).into());
            }
            break;
        }
    }
    let missing = || Error::new(Action::Abort, Code::Other, "the client does not say where an event was stored");
    stored.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| missing().into())
}

fn is_of_the_record(error: &Error) -> bool {
    matches!(error.code, Code::TooLarge | Code::InvalidTimestamp | Code::InvalidRecord)
}

/// A call made again while the broker says so.
fn again<T>(limit: Duration, mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match call() {
            Err(error) if error.action == Action::Retry && Instant::now() < deadline => rest(),
            settled => return settled,
        }
    }
}
