//! Compares the topics of a prefix with what the promises need: every difference with its promise and its fix.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::DAY;
use super::rules::{Role, Rule, Wanted, rules};
use crate::broker::{Admin, Code, Error};
use crate::duration;
use crate::schema::topics::Topics;

pub use super::rules::Weight;

/// A setting that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub topic: String,
    pub setting: String,
    pub found: String,
    pub wanted: String,
    pub weight: Weight,
    pub promise: &'static str,
    pub why: String,
    pub fix: String,
}

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The seven topics that always exist.
    Fixed,
    /// The queue topics of flows too: one request each.
    WithQueues,
}

/// Who may see all settings.
const SETUP: &str = "run it as a user who has what `flowgate acls setup` prints";

type Config = BTreeMap<String, String>;

/// # Errors
/// Of the broker, as [`Admin`] has them. A topic whose settings are not shown to us is a difference.
pub fn check<A: Admin>(
    admin: &mut A,
    topics: &Topics,
    max_pause: Duration,
    scope: Scope,
) -> Result<Vec<Difference>, Error> {
    let mut check = Check { admin, topics, max_pause, largest: None, enrollments: None, found: Vec::new() };
    for role in Role::FIXED {
        if let Some(name) = role.name(topics) {
            check.topic(role, name)?;
        }
    }
    if scope == Scope::WithQueues {
        check.queues()?;
    }
    check.broker(scope)?;
    Ok(check.found)
}

struct Check<'a, A> {
    admin: &'a mut A,
    topics: &'a Topics,
    max_pause: Duration,
    /// The largest record of the enrollments, once known.
    largest: Option<i64>,
    /// Partitions of the enrollments, once known.
    enrollments: Option<i32>,
    found: Vec<Difference>,
}

impl<A: Admin> Check<'_, A> {
    fn topic(&mut self, role: Role, name: &str) -> Result<(), Error> {
        let Some(partitions) = self.admin.partitions(name)? else {
            if role != Role::Queue {
                self.missing(name);
            }
            return Ok(());
        };
        self.partitions(role, name, partitions);
        let config = match self.admin.topic_config(name) {
            Ok(config) => config,
            Err(error) if error.code == Code::Denied => {
                self.denied(name);
                return Ok(());
            }
            // A queue topic may be retired while we look.
            Err(error) if error.code == Code::UnknownTopic && role == Role::Queue => return Ok(()),
            Err(error) => return Err(error),
        };
        if role == Role::Enrollments {
            self.largest = number(&config, "max.message.bytes");
        }
        for rule in rules(role, self.max_pause, self.largest) {
            self.compare(name, &rule, &config);
        }
        let replicas = self.admin.replicas(name)?;
        self.in_sync(name, &config, replicas);
        Ok(())
    }

    /// Topics that we may not see are not in the list.
    fn queues(&mut self) -> Result<(), Error> {
        let prefix = self.topics.queue_prefix();
        // Of one that is not there a user who may see none hears that.
        if self.admin.topic_config(&format!("{prefix}-")).is_err_and(|error| error.code == Code::Denied) {
            self.denied(&format!("{prefix}*"));
        }
        for name in self.admin.topics(&prefix)? {
            self.topic(Role::Queue, &name)?;
        }
        Ok(())
    }

    fn missing(&mut self, name: &str) {
        self.found.push(Difference {
            topic: name.to_owned(),
            setting: "topic".to_owned(),
            found: "missing".to_owned(),
            wanted: "a topic".to_owned(),
            weight: Weight::Breaks,
            promise: "P7 nothing stops the gate",
            why: "no gate can run without it".to_owned(),
            fix: format!("flowgate topics create --prefix {}", self.topics.prefix),
        });
    }

    /// An empty answer is no good news: nothing of this topic was looked at.
    fn denied(&mut self, name: &str) {
        self.found.push(Difference {
            topic: name.to_owned(),
            setting: "DescribeConfigs".to_owned(),
            found: "denied".to_owned(),
            wanted: "allowed".to_owned(),
            weight: Weight::Breaks,
            promise: "every promise",
            why: "the broker does not show the settings of this topic to us, so none of them could be checked"
                .to_owned(),
            fix: SETUP.to_owned(),
        });
    }

    fn partitions(&mut self, role: Role, name: &str, found: i32) {
        let (wanted, promise, why) = match role {
            Role::Enrollments => {
                self.enrollments = Some(found);
                return;
            }
            Role::Control => (1, "P6 commands repeat safely", "all commands have one order"),
            Role::Queue => (1, "P2 order", "what is held of a flow has one order"),
            Role::State => match self.enrollments {
                Some(count) => (count, "P8 one owner", "a flow's state has its home where its events have it"),
                None => return,
            },
            Role::Records | Role::Audit | Role::Discarded | Role::DeadLetters => return,
        };
        if found != wanted {
            let first = match role {
                Role::State if found < wanted => {
                    format!("kafka-topics --alter --topic {name} --partitions {wanted}")
                }
                _ => format!("delete {name} and run `flowgate topics create`"),
            };
            let fix = format!("before the first start of a gate {first}; after it docs/migrating.md says what to do");
            // A gate that forwards reads the commands of the first partition, and there is an end to it.
            let forwards = role == Role::Control && self.topics.forwards;
            let weight = if forwards { Weight::Weakens } else { Weight::Breaks };
            self.found.push(Difference {
                topic: name.to_owned(),
                setting: "partitions".to_owned(),
                found: found.to_string(),
                wanted: wanted.to_string(),
                weight,
                promise,
                why: why.to_owned(),
                fix,
            });
        }
    }

    fn compare(&mut self, name: &str, rule: &Rule, config: &Config) {
        // A broker that does not name a setting does not have it yet: nothing to compare.
        let Some(found) = config.get(rule.setting) else { return };
        if rule.wanted.met_by(found) {
            return;
        }
        self.found.push(Difference {
            topic: name.to_owned(),
            setting: rule.setting.to_owned(),
            found: shown(rule.setting, found),
            wanted: rule.wanted.words(),
            weight: rule.weight,
            promise: rule.promise,
            why: rule.why.to_owned(),
            fix: alter(name, rule.setting, &rule.wanted.value()),
        });
    }

    fn in_sync(&mut self, name: &str, config: &Config, replicas: Option<i32>) {
        const SETTING: &str = "min.insync.replicas";
        let (Some(replicas), Some(found)) = (replicas.map(i64::from), number(config, SETTING)) else { return };
        let (wanted, weight, promise, why) = if found > replicas {
            let why = format!("no record can be written: the topic has {replicas} replicas");
            (format!("at most {replicas}"), Weight::Breaks, "P7 nothing stops the gate", why)
        } else if found < 2 && replicas > 2 {
            let why = "what one broker alone has acknowledged is gone with its disk".to_owned();
            ("at least 2".to_owned(), Weight::Weakens, "P1 one fate", why)
        } else {
            return;
        };
        let value = if found > replicas { (replicas - 1).max(1) } else { 2 };
        self.found.push(Difference {
            topic: name.to_owned(),
            setting: SETTING.to_owned(),
            found: found.to_string(),
            wanted,
            weight,
            promise,
            why,
            fix: alter(name, SETTING, &value.to_string()),
        });
    }

    /// Offsets that expire during a long stop cannot be gone on from.
    fn broker(&mut self, scope: Scope) -> Result<(), Error> {
        const SETTING: &str = "offsets.retention.minutes";
        let config = match self.admin.broker_config() {
            Ok(config) => config,
            Err(error) if error.code == Code::Denied => {
                // It takes a right on the cluster that a gate has no other use for.
                if scope == Scope::WithQueues {
                    self.found.push(Difference {
                        topic: "(brokers)".to_owned(),
                        setting: "DescribeConfigs".to_owned(),
                        found: "denied".to_owned(),
                        wanted: "allowed".to_owned(),
                        weight: Weight::Weakens,
                        promise: "P1 one fate",
                        why: format!(
                            "the brokers do not show their settings to us, so `{SETTING}` could not be checked"
                        ),
                        fix: SETUP.to_owned(),
                    });
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let wanted = self.max_pause + DAY * 7;
        let minutes = i64::try_from(wanted.as_secs().div_ceil(60)).unwrap_or(i64::MAX);
        if let Some(found) = number(&config, SETTING).filter(|found| *found < minutes) {
            self.found.push(Difference {
                topic: "(brokers)".to_owned(),
                setting: SETTING.to_owned(),
                found: found.to_string(),
                wanted: format!("at least {minutes} ({})", duration::show(wanted)),
                weight: Weight::Weakens,
                promise: "P1 one fate",
                why: "if every gate stops uncleanly for longer, the group's offsets are gone and a person has to restore them"
                    .to_owned(),
                fix: format!("set {SETTING}={minutes} in the brokers' server.properties"),
            });
        }
        Ok(())
    }
}

impl Wanted {
    fn met_by(&self, found: &str) -> bool {
        match self {
            Self::Is(value) => found == *value,
            Self::Words(words) => {
                let mut found: Vec<&str> = found.split(',').map(str::trim).collect();
                found.sort_unstable();
                found == *words
            }
            Self::AtLeast(least) => found.parse().is_ok_and(|found: i64| found >= *least),
            Self::KeptFor(least) => {
                let least = i64::try_from(least.as_millis()).unwrap_or(i64::MAX);
                found.parse().is_ok_and(|found: i64| found < 0 || found >= least)
            }
        }
    }

    /// The least value that will do.
    fn value(&self) -> String {
        match self {
            Self::Is(value) => (*value).to_owned(),
            // Kafka's own tool wants a list in brackets.
            Self::Words([one]) => (*one).to_owned(),
            Self::Words(words) => format!("[{}]", words.join(",")),
            Self::AtLeast(least) => least.to_string(),
            Self::KeptFor(least) => least.as_millis().to_string(),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Is(value) => (*value).to_owned(),
            Self::Words(words) => words.join(","),
            Self::AtLeast(least) => format!("at least {least}"),
            Self::KeptFor(least) => format!("at least {} ({}), or -1", least.as_millis(), duration::show(*least)),
        }
    }
}

fn number(config: &Config, setting: &str) -> Option<i64> {
    config.get(setting)?.parse().ok()
}

fn shown(setting: &str, found: &str) -> String {
    match found.parse::<u64>() {
        Ok(millis) if setting == "retention.ms" => {
            format!("{found} ({})", duration::show(Duration::from_millis(millis)))
        }
        _ => found.to_owned(),
    }
}

fn alter(topic: &str, setting: &str, value: &str) -> String {
    format!("kafka-configs --alter --entity-type topics --entity-name {topic} --add-config {setting}={value}")
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
