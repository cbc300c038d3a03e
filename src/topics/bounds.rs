//! Any timestamp that an upstream sends can be written: by which setting depends on the brokers' version.

use std::collections::BTreeMap;

use crate::broker::NewTopic;

/// How the brokers call the settings for how far a record's timestamp may lie from their clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampBounds {
    /// One for the past and one for the future: Apache Kafka 3.6 and newer (KIP-937).
    #[default]
    BeforeAndAfter,
    /// One for both: the only one before 3.6, and gone in 4.0. A broker that does not know a setting refuses to make the topic.
    Difference,
}

pub const BEFORE: &str = "message.timestamp.before.max.ms";
pub const AFTER: &str = "message.timestamp.after.max.ms";
pub const DIFFERENCE: &str = "message.timestamp.difference.max.ms";

impl TimestampBounds {
    /// Of brokers that show a topic's settings so. Of those that show none nothing is known: they are taken for new ones.
    #[must_use]
    pub fn of(settings: &BTreeMap<String, String>) -> Self {
        match settings.contains_key(DIFFERENCE) && !settings.contains_key(BEFORE) {
            true => Self::Difference,
            false => Self::BeforeAndAfter,
        }
    }

    /// Names the bounds of a new topic as these brokers do.
    pub fn fit(self, topic: &mut NewTopic) {
        if self == Self::Difference
            && let Some(bound) = topic.config.remove(BEFORE).or(topic.config.remove(AFTER))
        {
            topic.config.remove(AFTER);
            topic.config.insert(DIFFERENCE.to_owned(), bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schema::topics::Topics;
    use crate::topics::{Layout, queue, specification};

    fn shown(names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect()
    }

    #[test]
    fn the_newer_settings_are_used_where_they_are_known() {
        assert_eq!(TimestampBounds::of(&shown(&[])), TimestampBounds::BeforeAndAfter);
        assert_eq!(TimestampBounds::of(&shown(&[BEFORE, AFTER, DIFFERENCE])), TimestampBounds::BeforeAndAfter);
        assert_eq!(TimestampBounds::of(&shown(&[DIFFERENCE])), TimestampBounds::Difference);
    }

    #[test]
    fn older_brokers_are_asked_for_the_one_that_they_have() {
        let layout = Layout { partitions: 1, replication_factor: None };
        let mut all = specification(&Topics::new("flow").unwrap(), &layout);
        all.push(queue("flow.queue.a.1", Duration::from_secs(1), None, None));
        for topic in &mut all {
            let had = topic.config.contains_key(BEFORE);
            let others = topic.config.len() - if had { 2 } else { 0 };
            TimestampBounds::BeforeAndAfter.fit(topic);
            assert_eq!(topic.config.contains_key(BEFORE), had);
            TimestampBounds::Difference.fit(topic);
            assert!(!topic.config.contains_key(BEFORE) && !topic.config.contains_key(AFTER));
            assert_eq!(topic.config.get(DIFFERENCE).map(String::as_str), had.then_some("9223372036854775807"));
            assert_eq!(topic.config.len(), others + usize::from(had));
        }
    }
}
