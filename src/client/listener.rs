//! Hears what the audit tells from now on.

use std::sync::Arc;

use bytes::Bytes;

use super::audited::Told;
use super::scan::Marks;
use super::{no_topic, read_on, rest};
use crate::broker::{Admin, Broker, Isolation, Reader, Result};
use crate::schema::topics::Topics;

pub struct Listener<B: Broker> {
    reader: B::Reader,
    topic: String,
    places: Marks,
}

impl<B: Broker> Listener<B> {
    /// Hears these partitions, or all. Goes on where another one was; partitions that it did not know are heard from their end on.
    ///
    /// # Errors
    /// Of the broker; [`crate::broker::Code::UnknownTopic`] if there is no audit topic.
    pub fn open(broker: &B, topics: &Topics, partitions: Option<&[i32]>, places: &Marks) -> Result<Self> {
        let partitions = match partitions {
            Some(partitions) => partitions.to_vec(),
            None => {
                let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| no_topic(&topics.audit))?;
                (0..count).collect()
            }
        };
        let (mut reader, mut places) = (broker.reader(Isolation::ReadCommitted)?, places.clone());
        // All ends are asked for before anything is read: behind a fetch that waits for records they would wait too.
        for partition in &partitions {
            if !places.contains_key(partition) {
                places.insert(*partition, reader.watermarks(&topics.audit, *partition)?.end);
            }
        }
        let topic: Arc<str> = topics.audit.as_str().into();
        let begins =
            partitions.iter().filter_map(|partition| Some((Arc::clone(&topic), *partition, *places.get(partition)?)));
        reader.assign_all(&begins.collect::<Vec<_>>())?;
        Ok(Self { reader, topic: topics.audit.clone(), places })
    }

    /// What has come since, in the order of time; waits a moment if that is nothing. What cannot be read is passed over.
    ///
    /// # Errors
    /// Of the broker, but not those that pass.
    pub fn read(&mut self) -> Result<Vec<Told>> {
        let mut records = read_on(&mut self.reader)?;
        if records.is_empty() {
            rest();
        }
        records.sort_by_key(|record| record.timestamp);
        let mut all = Vec::with_capacity(records.len());
        for record in &records {
            self.places.insert(record.partition, record.offset + 1);
            match Told::read(record) {
                // Of its own: the record's memory would be kept whole with it.
                Ok(told) => {
                    all.extend(told.map(|told| Told { document: Bytes::copy_from_slice(&told.document), ..told }));
                }
                Err(error) => {
                    let at = format!("{}/{}/{}", self.topic, record.partition, record.offset);
                    tracing::warn!(at, %error, "an audit event cannot be read; passed over");
                }
            }
        }
        Ok(all)
    }

    /// Where another one may go on.
    #[must_use]
    pub fn places(&self) -> &Marks {
        &self.places
    }
}
