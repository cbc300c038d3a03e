//! Hears what the audit tells from now on, of every flow.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::audited::Audited;
use super::{no_topic, read_on, rest};
use crate::broker::{Admin, Broker, Isolation, Reader, Result};
use crate::schema::topics::Topics;

/// An event of the audit, and the document that tells it.
#[derive(Clone, Debug)]
pub struct Told {
    pub event: Audited,
    pub document: Bytes,
}

/// Where in each partition of the audit to go on.
pub type Places = BTreeMap<i32, i64>;

pub struct Listener<B: Broker> {
    reader: B::Reader,
    topic: String,
    places: Places,
}

impl<B: Broker> Listener<B> {
    /// Goes on where another one was; partitions that it did not know are heard from their end on.
    ///
    /// # Errors
    /// Of the broker; [`crate::broker::Code::UnknownTopic`] if there is no audit topic.
    pub fn open(broker: &B, topics: &Topics, places: &Places) -> Result<Self> {
        let mut places = places.clone();
        let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| no_topic(&topics.audit))?;
        let mut reader = broker.reader(Isolation::ReadCommitted)?;
        for partition in 0..count {
            let place = match places.get(&partition) {
                Some(place) => *place,
                None => reader.watermarks(&topics.audit, partition)?.end,
            };
            reader.assign(&topics.audit, partition, place)?;
            places.insert(partition, place);
        }
        Ok(Self { reader, topic: topics.audit.clone(), places })
    }

    /// Reads on. What cannot be read is passed over.
    ///
    /// # Errors
    /// Of the broker, but not those that pass.
    pub fn read(&mut self) -> Result<Vec<Told>> {
        let records = read_on(&mut self.reader)?;
        if records.is_empty() {
            rest();
        }
        let mut told = Vec::with_capacity(records.len());
        for record in &records {
            self.places.insert(record.partition, record.offset + 1);
            match record.value.as_deref().map(Audited::read) {
                // Of its own: the record's memory would be kept whole with it.
                Some(Ok(event)) => {
                    let document = Bytes::copy_from_slice(record.value.as_deref().unwrap_or_default());
                    told.push(Told { event, document });
                }
                Some(Err(error)) => {
                    let at = format!("{}/{}/{}", self.topic, record.partition, record.offset);
                    tracing::warn!(at, %error, "an audit event cannot be read; passed over");
                }
                None => {}
            }
        }
        Ok(told)
    }

    /// Where another one may go on.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }
}
