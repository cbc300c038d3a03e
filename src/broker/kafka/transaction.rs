//! An open transaction, and the ways it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::REQUEST;
use super::errors::invalid;
use super::native::RespErr::*;
use super::native::{ConsumerGroupMetadata, Failure, Partitions, ProducerRecord, c_string};
use super::record;
use super::sending::{Core, KafkaProducer};
use crate::broker::{
    Abort, Action, Code, Commit, Delivered, Error, GroupMetadata, Offset, Outgoing, Progress, Result, Transaction,
};

/// How long an abort is tried before the producer is given up, which aborts as well.
const ABORT: Duration = Duration::from_secs(5);

/// How long sending offsets is tried before the producer is given up, should it not find the group's coordinator again.
const OFFSETS: Duration = REQUEST.saturating_mul(2);

/// How long records that are still in flight may take at a commit or an abort.
const DRAIN: Duration = Duration::from_secs(1);

pub struct KafkaTransaction {
    core: Box<Core>,
    begun: Instant,
    transport_errors: u64,
    /// When sending offsets was first tried.
    sending_offsets: Option<Instant>,
    /// When the commit was first tried: a call made again goes on with the same request.
    committing: Option<Instant>,
}

impl KafkaTransaction {
    pub(super) fn begin(producer: KafkaProducer) -> std::result::Result<Self, (KafkaProducer, Error)> {
        let mut core = producer.0;
        core.serve();
        if let Err(error) = core.client.shared.check() {
            return Err((KafkaProducer(core), error));
        }
        (core.sent.in_flight, core.sent.failed) = (0, 0);
        core.sent.deliveries.clear();
        let entered = core.client.shared.enter("begin_transaction", REQUEST);
        let begun = core.client.native.begin_transaction();
        drop(entered);
        if let Err(failure) = begun {
            return Err((KafkaProducer(core), failure.sort()));
        }
        let transport_errors = core.client.transport_errors();
        Ok(Self { core, begun: Instant::now(), transport_errors, sending_offsets: None, committing: None })
    }

    /// librdkafka has no call that asks whether a producer is fenced. A transaction with an offset in it is refused by the
    /// transaction's coordinator if a newer producer was made, and is always aborted here. The group's coordinator may refuse
    /// the offset as well: it comes from outside of the group.
    pub(super) fn prove(
        producer: KafkaProducer,
        group: &str,
        topic: &str,
    ) -> std::result::Result<Option<KafkaProducer>, (Option<KafkaProducer>, Error)> {
        let outsider = match outsider(group) {
            Ok(outsider) => GroupMetadata::new(Arc::new(outsider)),
            Err(error) => return Err((Some(producer), error)),
        };
        let mut transaction = Self::begin(producer).map_err(|(producer, error)| (Some(producer), error))?;
        let offset = Offset { topic: topic.into(), partition: 0, offset: 0, metadata: String::new() };
        let asked = match transaction.send_offsets(&[offset], &outsider) {
            Err(error) if error.code == Code::StaleGeneration && error.action == Action::Abort => Ok(()),
            Err(error) if matches!(error.action, Action::Rebuild | Action::Stop) => return Err((None, error)),
            asked => asked,
        };
        match (asked, transaction.abort()) {
            (_, Abort::Replace(Some(error))) => Err((None, error)),
            (Ok(()), Abort::Done(producer)) => Ok(Some(producer)),
            (Ok(()), Abort::Replace(None)) => Ok(None),
            (Err(error), Abort::Done(producer)) => Err((Some(producer), error)),
            (Err(error), Abort::Replace(None)) | (_, Abort::Retry(_, error)) => Err((None, error)),
        }
    }

    /// The broker answers alike to a producer that was replaced and to one whose transaction it gave up: time tells.
    fn sort(&self, failure: &Failure) -> Error {
        self.timed_out_or(self.core.fatal().unwrap_or_else(|| failure.sort()))
    }

    fn timed_out_or(&self, error: Error) -> Error {
        match error.code {
            Code::Fenced if self.begun.elapsed() >= self.core.transaction_timeout => {
                Error { code: Code::TransactionTimedOut, ..error }
            }
            _ => error,
        }
    }

    fn saw_transport_errors(&mut self) -> bool {
        self.core.serve();
        self.core.client.transport_errors() != self.transport_errors
    }

    /// The first failed delivery, of which librdkafka would say no more than that there is one.
    fn first_failure(&self) -> Error {
        if let Some(fatal) = self.core.fatal() {
            return fatal;
        }
        let first = self.core.sent.deliveries.iter().find_map(|delivered| delivered.outcome.as_ref().err());
        first.cloned().unwrap_or_else(|| Error::new(Action::Abort, Code::Other, "a record was refused"))
    }
}

impl Transaction for KafkaTransaction {
    type Producer = KafkaProducer;

    fn send(&mut self, record: &Outgoing<'_>, tag: u64) -> Result<()> {
        let handle = self.core.handle(record.topic)?;
        let sent = ProducerRecord {
            partition: record.partition,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
            tag,
        };
        record::send(handle, &sent).map_err(|error| self.timed_out_or(error))?;
        self.core.sent.in_flight += 1;
        Ok(())
    }

    fn poll(&mut self) -> Progress {
        self.core.serve();
        self.core.progress()
    }

    fn flush(&mut self, wait: Duration) -> Progress {
        let shared = Arc::clone(&self.core.client.shared);
        let _entered = shared.enter("flush", wait);
        self.core.flush(wait);
        self.core.progress()
    }

    fn deliveries(&mut self) -> Vec<Delivered> {
        let mut deliveries = std::mem::take(&mut self.core.sent.deliveries);
        for delivered in &mut deliveries {
            if let Err(error) = &mut delivered.outcome {
                *error = self.timed_out_or(error.clone());
            }
        }
        deliveries
    }

    fn send_offsets(&mut self, offsets: &[Offset], group: &GroupMetadata) -> Result<()> {
        let refuse = |detail: String| Err(Error::new(Action::Abort, Code::InvalidArgument, detail));
        let Some(identity) = group.get::<Arc<ConsumerGroupMetadata>>() else {
            return refuse("group metadata of another broker".to_owned());
        };
        let mut list = Partitions::new();
        for Offset { topic, partition, offset, metadata } in offsets {
            if *offset < 0 {
                return refuse(format!("{topic}/{partition}: a negative offset: {offset}"));
            }
            list.add_with(topic, *partition, Some(*offset), metadata)?;
        }
        self.core.client.shared.check()?;
        let _entered = self.core.client.shared.enter("send_offsets_to_transaction", REQUEST);
        let started = *self.sending_offsets.get_or_insert_with(Instant::now);
        let sent = self.core.client.native.send_offsets_to_transaction(&list, identity, REQUEST);
        sent.map_err(|failure| match self.sort(&failure) {
            error if error.action == Action::Retry && started.elapsed() >= OFFSETS => {
                Error { action: Action::Rebuild, ..error }
            }
            error => error,
        })
    }

    fn commit(mut self) -> Commit<Self, KafkaProducer> {
        let shared = Arc::clone(&self.core.client.shared);
        // librdkafka would wait for what is in flight without serving it, and so for ever.
        self.core.flush(DRAIN);
        if let Err(error) = shared.check() {
            return Commit::Unknown(error);
        }
        if self.core.sent.failed > 0 {
            let error = self.timed_out_or(self.first_failure());
            return match error.action {
                Action::Abort => Commit::Abort(self, error),
                _ => Commit::Unknown(error),
            };
        }
        if self.core.sent.in_flight > 0 {
            let detail = format!("commit: {} records are in flight", self.core.sent.in_flight);
            return Commit::Retry(self, Error::new(Action::Retry, Code::TimedOut, detail));
        }
        let started = *self.committing.get_or_insert_with(Instant::now);
        let entered = shared.enter("commit_transaction", REQUEST);
        let committed = self.core.client.native.commit_transaction(REQUEST);
        drop(entered);
        let took = started.elapsed();
        let Err(failure) = committed else {
            let replace = took > self.core.resend_after || self.saw_transport_errors();
            return if replace { Commit::DoneReplace } else { Commit::Done(KafkaProducer(self.core)) };
        };
        let error = self.sort(&failure);
        match error.action {
            Action::Retry => Commit::Retry(self, error),
            // Refused by the client itself, for a record that failed. Whatever else fails may have been committed.
            Action::Abort if failure.code == RD_KAFKA_RESP_ERR__INCONSISTENT => Commit::Abort(self, error),
            _ => Commit::Unknown(error),
        }
    }

    fn abort(mut self) -> Abort<Self, KafkaProducer> {
        let shared = Arc::clone(&self.core.client.shared);
        let _entered = shared.enter("abort_transaction", ABORT);
        let deadline = Instant::now() + ABORT;
        let mut resent = false;
        loop {
            // What is on its way is waited for; with the call below, what still waits in the queue is dropped.
            let flying = self.core.sent.in_flight > 0;
            let limit = if flying { Duration::from_millis(20) } else { DRAIN };
            let started = Instant::now();
            let aborted = self.core.client.native.abort_transaction(limit);
            resent |= !flying && (aborted.is_err() || started.elapsed() > self.core.resend_after);
            self.core.flush(DRAIN);
            let Err(failure) = aborted else {
                let replace = resent || self.saw_transport_errors() || self.core.sent.in_flight > 0;
                return if replace { Abort::Replace(None) } else { Abort::Done(KafkaProducer(self.core)) };
            };
            let again = failure.retriable
                || matches!(
                    failure.code,
                    RD_KAFKA_RESP_ERR__TIMED_OUT | RD_KAFKA_RESP_ERR__CONFLICT | RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS
                );
            if !again || Instant::now() >= deadline {
                return Abort::Replace(Some(self.sort(&failure)));
            }
        }
    }
}

/// The group as somebody outside of it names it: offsets that are sent with this are fenced by no generation, and so must
/// never be committed.
fn outsider(group: &str) -> Result<ConsumerGroupMetadata> {
    ConsumerGroupMetadata::outsider(&c_string(group)?).ok_or_else(|| invalid("no group metadata"))
}
