//! Any timestamp that an upstream sends can be written: by which setting depends on the brokers' version.

use std::collections::BTreeMap;

use crate::broker::NewTopic;

/// How the brokers call the settings for how far a record's timestamp may lie from their clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampBounds {
    /// One for the past and one for the future: Apache Kafka 4.0 and newer (KIP-937).
    #[default]
    BeforeAndAfter,
    /// These two and the older one: Apache Kafka 3.6 to 3.9. There the older one holds where the newer ones have their largest value,
    /// which is what is wanted: so all three are set.
    All,
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
        match (settings.contains_key(BEFORE), settings.contains_key(DIFFERENCE)) {
            (true, true) => Self::All,
            (false, true) => Self::Difference,
            (_, false) => Self::BeforeAndAfter,
        }
    }

    /// Names the bounds of a new topic as these brokers do.
    pub fn fit(self, topic: &mut NewTopic) {
        let Some(bound) = topic.config.get(BEFORE).cloned() else { return };
        match self {
            Self::BeforeAndAfter => return,
            Self::All => {}
            Self::Difference => {
                topic.config.remove(BEFORE);
                topic.config.remove(AFTER);
            }
        }
        topic.config.insert(DIFFERENCE.to_owned(), bound);
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
    fn brokers_are_known_by_the_settings_that_they_show() {
        assert_eq!(TimestampBounds::of(&shown(&[])), TimestampBounds::BeforeAndAfter);
        assert_eq!(TimestampBounds::of(&shown(&[BEFORE, AFTER, DIFFERENCE])), TimestampBounds::All);
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
            assert_eq!((topic.config.contains_key(BEFORE), topic.config.contains_key(DIFFERENCE)), (had, false));
            TimestampBounds::All.fit(topic);
            assert_eq!((topic.config.contains_key(BEFORE), topic.config.contains_key(DIFFERENCE)), (had, had));
            TimestampBounds::Difference.fit(topic);
            assert!(!topic.config.contains_key(BEFORE) && !topic.config.contains_key(AFTER));
            assert_eq!(topic.config.get(DIFFERENCE).map(String::as_str), had.then_some("9223372036854775807"));
            assert_eq!(topic.config.len(), others + usize::from(had));
        }
    }
}
