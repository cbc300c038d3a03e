//! The beginning: what the topics are like, the clients, the place in the group.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Worker;
use super::clients::Clients;
use super::failed::Failed;
use super::phase::{After, AfterProof, Phase, Step};
use super::session::shape::{Shape, largest_batch};
use super::stop::Stop;
use crate::broker::{Admin, BATCH_BYTES, Broker, Error, Isolation, MemberOptions};
use crate::time::Timestamp;
use crate::topics::HEADER_ROOM;
use crate::topics::bounds::TimestampBounds;

impl<B: Broker> Worker<B> {
    pub(super) fn start(&mut self, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if !std::mem::replace(&mut self.started, true) {
            self.sure_at = Some(now);
        }
        match self.learn_shape() {
            Ok(shape) => {
                self.batch_bytes = shape.batch_bytes;
                self.table.shape = shape;
            }
            Err(failed) => return self.trouble(failed.call()?, Phase::Start),
        }
        Ok(match self.producer.is_some() {
            true => (Phase::Prove(AfterProof::Enter), Step::Progress),
            false => (Phase::Replace(After::Enter), Step::Progress),
        })
    }

    /// Joins the group. Whoever joins has made its producer before that, if it may make one.
    pub(super) fn enter(&mut self, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if self.options.keeps_place && self.producer.is_some() && !self.is_sure(now) {
            return Ok((Phase::Prove(AfterProof::Enter), Step::Progress));
        }
        match self.make_clients() {
            Ok(clients) => self.clients = Some(clients),
            Err(error) => return self.trouble(error, Phase::Enter),
        }
        self.is_about_to_join(now);
        self.rewind();
        Ok((Phase::Chores, Step::Progress))
    }

    fn make_clients(&mut self) -> Result<Clients<B>, Error> {
        let options = &self.options;
        let instance_id = options.keeps_place.then(|| options.transactional_id());
        Ok(Clients {
            member: self.broker.member(&MemberOptions {
                group: options.topics.group.clone(),
                client_id: options.name(),
                instance_id,
                topic: options.topics.enrollments.clone(),
                session_timeout: options.session_timeout,
                max_poll_interval: options.max_poll_interval,
            })?,
            knocking: None,
            control: self.broker.reader(Isolation::ReadCommitted)?,
            queues: self.broker.reader(Isolation::ReadCommitted)?,
            indexes: self.broker.reader(Isolation::ReadCommitted)?,
            stable: self.broker.reader(Isolation::ReadCommitted)?,
            latest: self.broker.reader(Isolation::ReadUncommitted)?,
            admin: match self.admin.take() {
                Some(admin) => admin,
                None => self.broker.admin()?,
            },
        })
    }

    /// Reads what the gate must know of its topics, which have to be as they must be.
    fn learn_shape(&mut self) -> Result<Shape, Failed> {
        let topics = &self.options.topics;
        let admin = match &mut self.admin {
            Some(admin) => admin,
            none => none.insert(self.broker.admin()?),
        };
        let mut counts = Vec::new();
        for topic in [
            &topics.enrollments,
            &topics.records,
            &topics.discarded,
            &topics.dead_letters,
            &topics.audit,
            &topics.state,
            &topics.control,
        ] {
            match admin.partitions(topic)? {
                Some(count) => counts.push(count),
                None => {
                    return Err(Failed::Stop(Stop::topics(format!(
                        "topic `{topic}` does not exist: run `flowgate topics create`"
                    ))));
                }
            }
        }
        let &[enrollments, records, discarded, dead_letters, audit, state, control] = counts.as_slice() else {
            return Err(Failed::Stop(Stop::broken("not every topic was counted")));
        };
        if state != enrollments {
            return Err(Failed::Stop(Stop::topics(format!(
                "`{}` has {state} partitions and `{}` {enrollments}: they must have the same number; if somebody has added some \
                 since the first start, nothing is lost, and docs/migrating.md says what to do",
                &topics.state, topics.enrollments
            ))));
        }
        match control {
            1 => {}
            _ if topics.forwards => tracing::warn!(
                control,
                "`{}` has more than one partition: commands in the others than the first are not read",
                topics.control
            ),
            _ => {
                return Err(Failed::Stop(Stop::topics(format!(
                    "`{}` has {control} partitions: it must have one, for the one order of all commands; docs/migrating.md is the way \
                     to topics with the right number",
                    topics.control
                ))));
            }
        }
        let of_records = admin.topic_config(&topics.records)?;
        let of_enrollments = admin.topic_config(&topics.enrollments)?;
        let number =
            |config: &BTreeMap<String, String>, name: &str| config.get(name).and_then(|text| text.parse::<i64>().ok());
        let retention = |config| {
            let millis = number(config, "retention.ms").unwrap_or(-1);
            u64::try_from(millis).ok().map(Duration::from_millis)
        };
        let max_message_bytes = number(&of_enrollments, "max.message.bytes");
        let of_queues = max_message_bytes.and_then(|bytes| usize::try_from(bytes + HEADER_ROOM).ok());
        let batches = [largest_batch(&of_records), of_queues].into_iter().flatten();
        Ok(Shape {
            enrollments,
            found: enrollments,
            records,
            discarded,
            dead_letters,
            audit,
            records_retention: retention(&of_records),
            enrollments_retention: retention(&of_enrollments),
            max_message_bytes,
            batch_bytes: batches.fold(BATCH_BYTES, usize::min),
            timestamp_bounds: TimestampBounds::of(&of_enrollments),
        })
    }
}
