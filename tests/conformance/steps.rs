//! The steps that cases are written in: each a few calls of the port, with bounded waits on conditions.

use std::time::Duration;

use flowgate::broker::{
    Abort, Action, Admin, Broker, Code, Commit, Error, GroupMetadata, Header, Isolation, Member, MemberOptions,
    NewTopic, Offset, Outgoing, PollLimit, Polled, Producer, ProducerOptions, Publication, Publisher, Reader, Receipt,
    Record, Result, Transaction, UNTRACKED,
};
use flowgate::time::Timestamp;

use super::Harness;
use super::harness::FILLER;

pub type ProducerOf<H> = <<H as Harness>::Broker as Broker>::Producer;
pub type TransactionOf<H> = <ProducerOf<H> as Producer>::Transaction;
pub type MemberOf<H> = <<H as Harness>::Broker as Broker>::Member;
pub type ReaderOf<H> = <<H as Harness>::Broker as Broker>::Reader;

/// Small waits: the looks of [`Harness::eventually`] add up to the patience.
pub const LIMIT: PollLimit = PollLimit { records: 1000, bytes: 1 << 20, wait: Duration::from_millis(50) };

/// Makes a topic and waits until the cluster shows it.
pub fn topic<H: Harness>(h: &H, case: &str, partitions: i32, config: &[(&str, &str)]) -> String {
    let name = h.fresh_name(case);
    let config = config.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    create(h, NewTopic { name: name.clone(), partitions, replication_factor: None, config }).unwrap();
    name
}

/// Creates one topic; once it is created, waits until the cluster shows it.
pub fn create<H: Harness>(h: &H, topic: NewTopic) -> Result<()> {
    let mut admin = h.broker().admin().unwrap();
    let topics = [topic];
    let answer = h.eventually("create_topics answers", || settled(admin.create_topics(&topics))).unwrap().remove(0);
    if answer.is_ok() {
        h.eventually("a new topic is shown", || {
            admin.partitions(&topics[0].name).ok().flatten().filter(|&count| count == topics[0].partitions)
        });
    }
    answer
}

/// `None` for a call that is to be made again, else its outcome.
pub fn settled<T>(outcome: Result<T>) -> Option<Result<T>> {
    match outcome {
        Err(Error { action: Action::Retry, .. }) => None,
        settled => Some(settled),
    }
}

/// A call that has to succeed, made again while the broker says so.
pub fn insist<H: Harness, T>(h: &H, what: &str, mut call: impl FnMut() -> Result<T>) -> T {
    h.eventually(what, || settled(call())).unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

/// A transactional producer that is replaced when a commit or abort used it up, as the gate does it.
pub struct Writer<'h, H: Harness> {
    h: &'h H,
    pub options: ProducerOptions,
    producer: Option<ProducerOf<H>>,
}

impl<'h, H: Harness> Writer<'h, H> {
    pub fn new(h: &'h H, case: &str) -> Self {
        let transactional_id = h.fresh_name(case);
        let transaction_timeout = Duration::from_secs(60);
        Self::with(h, ProducerOptions::new(transactional_id, transaction_timeout))
    }

    /// Initialises the producer at once: fences every earlier one of the same id.
    pub fn with(h: &'h H, options: ProducerOptions) -> Self {
        let mut writer = Self { h, options, producer: None };
        writer.producer = Some(writer.connect());
        writer
    }

    fn connect(&self) -> ProducerOf<H> {
        insist(self.h, "a producer is initialised", || self.h.broker().producer(&self.options))
    }

    pub fn producer(&mut self) -> &mut ProducerOf<H> {
        if self.producer.is_none() {
            self.producer = Some(self.connect());
        }
        self.producer.as_mut().unwrap()
    }

    /// Asks whether this producer is the newest of its id.
    pub fn prove(&mut self, group: &str, topic: &str) -> Result<()> {
        self.producer();
        let h = self.h;
        h.eventually("a producer is asked whether it is the newest", || {
            match self.producer.take().unwrap().prove(group, topic) {
                Ok(producer) => {
                    self.producer = producer;
                    Some(Ok(()))
                }
                Err((Some(producer), Error { action: Action::Retry, .. })) => {
                    self.producer = Some(producer);
                    None
                }
                Err((_, error)) => Some(Err(error)),
            }
        })
    }

    /// A handle of a topic whose leaders this producer knows.
    pub fn topic(&mut self, name: &str) -> flowgate::broker::Topic {
        let h = self.h;
        let topic = self.producer().topic(name).unwrap();
        insist(h, "leaders_known answers", || match self.producer().leaders_known(&[topic])? {
            true => Ok(()),
            false => Err(Error::new(Action::Retry, Code::Busy, "no leader yet")),
        });
        topic
    }

    pub fn begin(&mut self) -> TransactionOf<H> {
        self.producer();
        let producer = self.producer.take().unwrap();
        producer.begin().map_err(|(_, error)| error).unwrap()
    }

    /// Begins a transaction with one record for each of `keys`, valued `v-KEY`, all acknowledged.
    pub fn open(&mut self, topic: &str, partition: i32, keys: &[&str]) -> TransactionOf<H> {
        let topic = self.topic(topic);
        let mut transaction = self.begin();
        for key in keys {
            let value = format!("v-{key}");
            send(self.h, &mut transaction, &outgoing(topic, partition, Some(key.as_bytes()), Some(value.as_bytes())));
        }
        drain(self.h, &mut transaction);
        transaction
    }

    pub fn commit(&mut self, transaction: TransactionOf<H>) {
        self.try_commit(transaction).map_err(|(_, error)| error).unwrap();
    }

    /// Commits, made again while the broker says so. On an error the transaction is given back if it can be aborted.
    pub fn try_commit(&mut self, transaction: TransactionOf<H>) -> Result<(), (Option<TransactionOf<H>>, Error)> {
        let mut open = Some(transaction);
        self.h.eventually("a commit is decided", || match open.take().unwrap().commit() {
            Commit::Done(producer) => {
                self.producer = Some(producer);
                Some(Ok(()))
            }
            Commit::DoneReplace => Some(Ok(())),
            Commit::Retry(transaction, _) => {
                open = Some(transaction);
                None
            }
            Commit::Abort(transaction, error) => Some(Err((Some(transaction), error))),
            Commit::Unknown(error) => Some(Err((None, error))),
        })
    }

    pub fn abort(&mut self, transaction: TransactionOf<H>) {
        let mut open = Some(transaction);
        self.producer = self.h.eventually("an abort is decided", || match open.take().unwrap().abort() {
            Abort::Done(producer) => Some(Some(producer)),
            Abort::Replace(_) => Some(None),
            Abort::Retry(transaction, _) => {
                open = Some(transaction);
                None
            }
        });
        // A producer that was used up has left its transaction open: a new one aborts it.
        self.producer();
    }

    /// One committed transaction with one record a key.
    pub fn write(&mut self, topic: &str, partition: i32, keys: &[&str]) {
        let transaction = self.open(topic, partition, keys);
        self.commit(transaction);
    }

    /// One aborted transaction with one record a key.
    pub fn write_aborted(&mut self, topic: &str, partition: i32, keys: &[&str]) {
        let transaction = self.open(topic, partition, keys);
        self.abort(transaction);
    }
}

pub fn outgoing<'a>(
    topic: flowgate::broker::Topic,
    partition: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
) -> Outgoing<'a> {
    Outgoing { topic, partition, timestamp: None, key, value, headers: &[] }
}

pub fn send<H: Harness, T: Transaction>(h: &H, transaction: &mut T, record: &Outgoing<'_>) {
    insist(h, "a record is taken", || transaction.send(record, UNTRACKED));
}

/// Serves deliveries until nothing is in flight.
pub fn drain<H: Harness, T: Transaction>(h: &H, transaction: &mut T) {
    h.eventually("nothing is in flight", || (transaction.flush(LIMIT.wait).in_flight == 0).then_some(()));
}

/// Sends offsets, made again while the broker says so.
pub fn send_offsets<H: Harness, T: Transaction>(
    h: &H,
    transaction: &mut T,
    offsets: &[Offset],
    group: &GroupMetadata,
) -> Result<()> {
    h.eventually("send_offsets answers", || settled(transaction.send_offsets(offsets, group)))
}

pub fn offset(topic: &str, partition: i32, offset: i64, metadata: &str) -> Offset {
    Offset { topic: topic.into(), partition, offset, metadata: metadata.to_owned() }
}

/// Publishes one record and waits for its receipt.
pub fn try_publish<H: Harness>(h: &H, record: &Publication<'_>) -> Result<Receipt> {
    let mut publisher = h.broker().publisher().unwrap();
    insist(h, "a record is taken", || publisher.publish(record));
    h.eventually("a record is stored or refused", || match publisher.flush(LIMIT.wait) {
        Ok(mut receipts) => receipts.pop(),
        Err(Error { action: Action::Retry, .. }) => None,
        Err(error) => Some(Err(error)),
    })
}

pub fn publication<'a>(topic: &'a str, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Publication<'a> {
    Publication { topic, partition: Some(0), timestamp: None, key, value, headers: &[] }
}

/// Publishes one record to partition 0, at `timestamp` if given.
pub fn publish<H: Harness>(h: &H, topic: &str, key: &str, value: &str, timestamp: Option<Timestamp>) -> Receipt {
    let record = Publication { timestamp, ..publication(topic, Some(key.as_bytes()), Some(value.as_bytes())) };
    try_publish(h, &record).unwrap()
}

pub fn reader<H: Harness>(h: &H, isolation: Isolation) -> ReaderOf<H> {
    h.broker().reader(isolation).unwrap()
}

/// The high watermark: the end as a read_uncommitted client sees it.
pub fn high_watermark<H: Harness>(h: &H, topic: &str, partition: i32) -> i64 {
    end(h, topic, partition, Isolation::ReadUncommitted)
}

/// The last stable offset: the end as a read_committed client sees it.
pub fn stable_offset<H: Harness>(h: &H, topic: &str, partition: i32) -> i64 {
    end(h, topic, partition, Isolation::ReadCommitted)
}

fn end<H: Harness>(h: &H, topic: &str, partition: i32, isolation: Isolation) -> i64 {
    let mut reader = reader(h, isolation);
    insist(h, "watermarks answers", || reader.watermarks(topic, partition)).end
}

pub fn low_watermark<H: Harness>(h: &H, topic: &str, partition: i32) -> i64 {
    let mut reader = reader(h, Isolation::ReadUncommitted);
    insist(h, "watermarks answers", || reader.watermarks(topic, partition)).low
}

/// Waits until no transaction holds the stable offset back any more; gives the common end.
pub fn settle<H: Harness>(h: &H, topic: &str, partition: i32) -> i64 {
    h.eventually("the stable offset reaches the high watermark", || {
        let high = high_watermark(h, topic, partition);
        (stable_offset(h, topic, partition) == high).then_some(high)
    })
}

/// So many records of what a reader is assigned to, or a few more.
pub fn read_some<H: Harness>(h: &H, reader: &mut ReaderOf<H>, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    h.eventually("records are read", || {
        reader.poll(LIMIT, &mut records).unwrap();
        (records.len() >= count).then_some(())
    });
    records
}

/// Everything in a partition that this isolation shows below `end`, from the low watermark on.
pub fn read_to<H: Harness>(h: &H, topic: &str, partition: i32, isolation: Isolation, end: i64) -> Vec<Record> {
    let mut reader = reader(h, isolation);
    let low = low_watermark(h, topic, partition);
    insist(h, "assign answers", || reader.assign(topic, partition, low));
    let mut records = Vec::new();
    h.eventually("a reader's position reaches the end", || {
        match reader.poll(LIMIT, &mut records) {
            Ok(Polled::Records) | Err(Error { action: Action::Retry, .. }) => {}
            other => panic!("{other:?}"),
        }
        reader.position(topic, partition).unwrap().filter(|&position| position >= end)
    });
    records
}

/// What is stable of a partition as read_committed shows it, once nothing is open.
pub fn read_committed<H: Harness>(h: &H, topic: &str, partition: i32) -> Vec<Record> {
    let end = settle(h, topic, partition);
    read_to(h, topic, partition, Isolation::ReadCommitted, end)
}

pub fn read_uncommitted<H: Harness>(h: &H, topic: &str, partition: i32) -> Vec<Record> {
    let end = high_watermark(h, topic, partition);
    read_to(h, topic, partition, Isolation::ReadUncommitted, end)
}

/// The keys of records, as text, without what a harness put in to move the cleaner.
pub fn keys(records: &[Record]) -> Vec<String> {
    let own = records.iter().filter(|record| record.key.as_deref() != Some(FILLER));
    own.map(|record| String::from_utf8_lossy(record.key.as_deref().unwrap_or(b"(null)")).into_owned()).collect()
}

pub fn header(name: &'static str, value: Option<&'static [u8]>) -> Header {
    Header { name: bytes::Bytes::from_static(name.as_bytes()), value: value.map(bytes::Bytes::from_static) }
}

/// A member with what it was told so far.
pub struct Consumer<M: Member> {
    pub member: M,
    pub assigned: Vec<i32>,
    /// Every partition ever revoked from it, in order, and whether it was lost.
    pub revoked: Vec<(i32, bool)>,
    /// How many changes of assignment it was told.
    pub changes: usize,
    pub records: Vec<Record>,
}

impl<M: Member> Consumer<M> {
    pub fn new(member: M) -> Self {
        Self { member, assigned: Vec::new(), revoked: Vec::new(), changes: 0, records: Vec::new() }
    }

    /// One poll; a change of assignment is acknowledged at once.
    pub fn turn(&mut self) {
        match self.member.poll(LIMIT, &mut self.records) {
            Ok(Polled::Records) | Err(Error { action: Action::Retry, .. }) => {}
            Ok(Polled::Assigned(partitions)) => {
                self.changes += 1;
                self.assigned.extend(&partitions);
                self.assigned.sort_unstable();
                self.member.acknowledge().unwrap();
            }
            Ok(Polled::Revoked { partitions, lost }) => {
                self.changes += 1;
                self.assigned.retain(|partition| !partitions.contains(partition));
                self.revoked.extend(partitions.iter().map(|&partition| (partition, lost)));
                self.member.acknowledge().unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A member of `group` that has joined and owns all `partitions` of `topic`.
pub fn sole_member<H: Harness>(h: &H, group: &str, topic: &str, partitions: usize) -> Consumer<MemberOf<H>> {
    sole(h, &h.member_options(group, topic), partitions)
}

/// The same as somebody in particular.
pub fn sole<H: Harness>(h: &H, options: &MemberOptions, partitions: usize) -> Consumer<MemberOf<H>> {
    let mut consumer = Consumer::new(h.broker().member(options).unwrap());
    h.eventually("a sole member is given every partition", || {
        consumer.turn();
        (consumer.assigned.len() == partitions).then_some(())
    });
    consumer
}

/// The group's offsets, once no transaction holds them back.
pub fn committed<H: Harness, M: Member>(
    h: &H,
    member: &mut M,
    partitions: &[i32],
) -> Vec<Option<flowgate::broker::Committed>> {
    insist(h, "committed answers", || member.committed(partitions, Duration::from_secs(2)))
}

/// DeleteRecords on one topic, made again while the broker says so.
pub fn delete_records<H: Harness>(h: &H, topic: &str, up_to: i64) -> Result<()> {
    let mut admin = h.broker().admin().unwrap();
    let request = [(topic.to_owned(), up_to)];
    h.eventually("delete_records answers", || match settled(admin.delete_records(&request))? {
        Ok(mut answers) => settled(answers.remove(0)),
        Err(error) => Some(Err(error)),
    })
}
