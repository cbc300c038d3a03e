//! Topics: their names, their settings as far as this broker obeys them, and their logs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::broker::{Action, Code, Error, NewTopic, Result};
use crate::time::Timestamp;

use super::log::Log;

pub(super) type TopicId = u32;

/// Kafka 4's defaults for the settings of a topic that somebody looks at.
const DEFAULTS: [(&str, &str); 21] = [
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("delete.retention.ms", "86400000"),
    ("file.delete.delay.ms", "60000"),
    ("flush.messages", "9223372036854775807"),
    ("flush.ms", "9223372036854775807"),
    ("index.interval.bytes", "4096"),
    ("max.compaction.lag.ms", "9223372036854775807"),
    ("max.message.bytes", "1048588"),
    ("message.timestamp.after.max.ms", "3600000"),
    ("message.timestamp.before.max.ms", "9223372036854775807"),
    ("message.timestamp.type", "CreateTime"),
    ("min.cleanable.dirty.ratio", "0.5"),
    ("min.compaction.lag.ms", "0"),
    ("min.insync.replicas", "1"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
    ("segment.bytes", "1073741824"),
    ("segment.jitter.ms", "0"),
    ("segment.ms", "604800000"),
    ("unclean.leader.election.enable", "false"),
];

/// The settings this broker obeys, read once.
pub(super) struct Policy {
    pub compact: bool,
    pub delete: bool,
    pub append_time: bool,
    before_max: i64,
    after_max: i64,
    /// Milliseconds; negative: for ever.
    pub retention: i64,
    pub max_message: usize,
}

impl Policy {
    fn parse(settings: &BTreeMap<String, String>) -> Result<Self> {
        let text = |name: &str| settings.get(name).map_or("", String::as_str);
        let number = |name: &str| {
            text(name).parse::<i64>().map_err(|_| invalid(format!("invalid value {:?} for {name}", text(name))))
        };
        let cleanup: Vec<&str> = text("cleanup.policy").split(',').map(str::trim).collect();
        if cleanup.iter().any(|policy| !["compact", "delete"].contains(policy)) {
            return Err(invalid(format!("invalid value {:?} for cleanup.policy", text("cleanup.policy"))));
        }
        let append_time = match text("message.timestamp.type") {
            "CreateTime" => false,
            "LogAppendTime" => true,
            other => return Err(invalid(format!("invalid value {other:?} for message.timestamp.type"))),
        };
        Ok(Self {
            compact: cleanup.contains(&"compact"),
            delete: cleanup.contains(&"delete"),
            append_time,
            before_max: number("message.timestamp.before.max.ms")?,
            after_max: number("message.timestamp.after.max.ms")?,
            retention: number("retention.ms")?,
            max_message: usize::try_from(number("max.message.bytes")?)
                .map_err(|_| invalid("max.message.bytes is negative".to_owned()))?,
        })
    }

    /// The timestamp under which a record is stored, or why it is refused.
    pub fn timestamp(&self, asked: Option<Timestamp>, now: Timestamp) -> Result<Timestamp> {
        let Some(asked) = asked.filter(|_| !self.append_time) else { return Ok(now) };
        if asked.0 < 0
            || now.0.saturating_sub(asked.0) > self.before_max
            || asked.0.saturating_sub(now.0) > self.after_max
        {
            let detail = format!("timestamp {asked} is too far from the broker's {now} for this topic");
            return Err(Error::new(Action::Abort, Code::InvalidTimestamp, detail));
        }
        Ok(asked)
    }
}

pub(super) struct TopicLogs {
    pub name: Arc<str>,
    /// As asked for: this broker has no replicas.
    pub replicas: i32,
    pub settings: BTreeMap<String, String>,
    pub policy: Policy,
    pub logs: Vec<Log>,
}

impl TopicLogs {
    pub fn log(&self, partition: i32) -> Result<&Log> {
        let index = usize::try_from(partition).ok();
        index.and_then(|index| self.logs.get(index)).ok_or_else(|| unknown(&self.name, partition))
    }

    pub fn log_mut(&mut self, partition: i32) -> Result<&mut Log> {
        let index = usize::try_from(partition).ok();
        index.and_then(|index| self.logs.get_mut(index)).ok_or_else(|| unknown(&self.name, partition))
    }

    pub fn partitions(&self) -> i32 {
        i32::try_from(self.logs.len()).unwrap_or(i32::MAX)
    }
}

fn unknown(topic: &str, partition: i32) -> Error {
    Error::new(Action::Retry, Code::UnknownTopic, format!("topic {topic} has no partition {partition}"))
}

pub(super) fn invalid(detail: String) -> Error {
    Error::new(Action::Stop, Code::InvalidArgument, detail)
}

/// All topics. An id is never used twice, so that a topic made again under an old name is another one.
#[derive(Default)]
pub(super) struct Topics {
    names: BTreeMap<Arc<str>, TopicId>,
    /// The names with `.` turned into `_`.
    folded: BTreeSet<String>,
    slots: Vec<Option<TopicLogs>>,
}

impl Topics {
    pub fn id(&self, name: &str) -> Option<TopicId> {
        self.names.get(name).copied()
    }

    pub fn find(&self, name: &str) -> Result<TopicId> {
        self.id(name).ok_or_else(|| {
            Error::new(Action::Retry, Code::UnknownTopic, format!("there is no topic {name} (it may be too fresh)"))
        })
    }

    pub fn get(&self, id: TopicId) -> Option<&TopicLogs> {
        self.slots.get(id as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, id: TopicId) -> Option<&mut TopicLogs> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    pub fn named(&self, name: &str) -> Result<&TopicLogs> {
        let id = self.find(name)?;
        self.get(id).ok_or_else(|| unknown(name, 0))
    }

    pub fn named_mut(&mut self, name: &str) -> Result<&mut TopicLogs> {
        let id = self.find(name)?;
        self.get_mut(id).ok_or_else(|| unknown(name, 0))
    }

    pub fn starting_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.names.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(name, _)| &**name).take_while(move |name| name.starts_with(prefix))
    }

    pub fn create(&mut self, topic: &NewTopic) -> Result<()> {
        if self.id(&topic.name).is_some() {
            let detail = format!("topic {} exists already", topic.name);
            return Err(Error::new(Action::Stop, Code::TopicExists, detail));
        }
        self.check_name(&topic.name)?;
        let partitions = usize::try_from(topic.partitions).ok().filter(|&partitions| partitions > 0);
        let partitions = partitions.ok_or_else(|| invalid(format!("{} partitions", topic.partitions)))?;
        let mut settings = DEFAULTS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        merge(&mut settings, topic.config.iter())?;
        let policy = Policy::parse(&settings)?;
        let name: Arc<str> = topic.name.as_str().into();
        let id = TopicId::try_from(self.slots.len()).map_err(|_| invalid("too many topics".to_owned()))?;
        let logs = (0..partitions).map(|_| Log::new()).collect();
        self.slots.push(Some(TopicLogs {
            name: name.clone(),
            replicas: topic.replication_factor.unwrap_or(1),
            settings,
            policy,
            logs,
        }));
        self.folded.insert(fold(&name));
        self.names.insert(name, id);
        Ok(())
    }

    /// Kafka's rules for names: the metrics of a broker turn `.` into `_`, so names that differ in that only collide.
    fn check_name(&self, name: &str) -> Result<()> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.bytes().all(legal) {
            return Err(invalid(format!("{name:?} is no legal topic name")));
        }
        if self.folded.contains(&fold(name)) {
            return Err(invalid(format!("topic {name} differs from another one only in . and _")));
        }
        Ok(())
    }

    pub fn configure(&mut self, name: &str, setting: (&String, &String)) -> Result<()> {
        let topic = self.named_mut(name)?;
        let mut settings = topic.settings.clone();
        merge(&mut settings, std::iter::once(setting))?;
        topic.policy = Policy::parse(&settings)?;
        topic.settings = settings;
        Ok(())
    }

    pub fn delete(&mut self, name: &str) -> Result<TopicLogs> {
        let id = self.find(name).map_err(|error| Error { action: Action::Stop, ..error })?;
        self.names.remove(name);
        self.folded.remove(&fold(name));
        self.slots[id as usize].take().ok_or_else(|| unknown(name, 0))
    }
}

fn fold(name: &str) -> String {
    name.replace('.', "_")
}

fn merge<'a>(
    settings: &mut BTreeMap<String, String>,
    given: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<()> {
    for (name, value) in given {
        match settings.get_mut(name) {
            Some(setting) => setting.clone_from(value),
            None => return Err(invalid(format!("unknown topic config name: {name}"))),
        }
    }
    Ok(())
}
