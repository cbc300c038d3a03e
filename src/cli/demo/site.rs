//! Where a demo takes place on a cluster: topics under a prefix that nobody else has, and what becomes of them.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::{Action, Admin, Broker, Code};
use crate::cli::topics::{create, look, refuse};
use crate::cli::{Failure, exit};
use crate::flow::Limits;
use crate::instance::StopSign;
use crate::legible::legible;
use crate::schema::topics::Topics;
use crate::time::Timestamp;
use crate::topics::Layout;

/// Flows have their homes on so many partitions.
const PARTITIONS: i32 = 6;

/// How long topics may take to go.
const REMOVAL: Duration = Duration::from_secs(20);

const NAP: Duration = Duration::from_millis(100);

/// A gate that is asked to leave does so within this time, if it can.
const FAREWELL: Duration = Duration::from_secs(2);

/// Makes the topics under a prefix that is free: `base`, the time, and a number if somebody was faster.
///
/// # Errors
/// [`Failure`]: as `flowgate topics create` and `flowgate run` say it. What was made is removed again.
pub(super) fn prepare<B: Broker>(broker: &B, base: &str, now: Timestamp) -> Result<Topics, Failure> {
    let mut admin = broker.admin()?;
    let mut number = 1;
    loop {
        let topics = candidate(base, now, number)?;
        if admin.topics(&all_of(&topics))?.is_empty() && make(&mut admin, &topics)? {
            return Ok(topics);
        }
        number += 1;
    }
}

fn candidate(base: &str, now: Timestamp, number: u32) -> Result<Topics, Failure> {
    let time = chrono::DateTime::from_timestamp_millis(now.0).unwrap_or_default().format("%Y%m%d-%H%M%S");
    let prefix = match number {
        1 => format!("{base}-{time}"),
        _ => format!("{base}-{time}-{number}"),
    };
    Topics::new(&prefix).map_err(|why| Failure::new(exit::CONFIGURATION, why.to_string()))
}

/// `false`: somebody else has just taken this prefix.
fn make<A: Admin>(admin: &mut A, topics: &Topics) -> Result<bool, Failure> {
    let layout = Layout { partitions: PARTITIONS, replication_factor: None };
    let made = create(admin, topics, &layout).and_then(|made| {
        // Whoever has made the first one owns the prefix.
        let ours = made.first().is_some_and(|(_, new)| *new);
        if ours {
            refuse(&look(admin, topics, Limits::MAX_PAUSE, true)?)?;
        }
        Ok(ours)
    });
    if made.is_err() {
        // Why it cannot be made matters more than why it cannot be removed.
        let _ = remove(admin, topics);
    }
    made
}

/// What the names of all topics of a prefix start with, and no others.
fn all_of(topics: &Topics) -> String {
    format!("{}.", topics.prefix)
}

/// Removes every topic of the prefix.
fn remove<A: Admin>(admin: &mut A, topics: &Topics) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let left = admin.topics(&all_of(topics))?;
        if left.is_empty() {
            return Ok(());
        }
        let refused = admin.delete_topics(&left)?.into_iter().filter_map(Result::err);
        // One that is gone was on its way already.
        let refused =
            refused.filter(|error| error.code != Code::UnknownTopic).max_by_key(|error| error.action == Action::Stop);
        match refused {
            Some(error) if error.action != Action::Retry || began.elapsed() > REMOVAL => return Err(error.into()),
            None if began.elapsed() > REMOVAL => {
                return Err(Failure::new(exit::OTHER, format!("`{}` is still there", left.join("`, `"))));
            }
            _ => thread::sleep(NAP),
        }
    }
}

/// The place of a demo on a cluster.
#[derive(Clone)]
pub(super) struct Site<B> {
    pub broker: B,
    /// As they were given.
    pub brokers: String,
    pub topics: Topics,
    /// Leave the topics there.
    pub keep: bool,
}

impl<B: Broker> Site<B> {
    /// Says which topics are the demo's, and what becomes of them.
    pub fn introduce(&self) {
        let fate = match self.keep {
            true => "they are kept",
            false => "they are removed at the end (`--keep` leaves them)",
        };
        tell(&format!("the topics of this demo on {} start with `{}`: {fate}", self.brokers, all_of(&self.topics)));
    }

    /// Removes the topics, or says how to look into them. The gate must have left.
    ///
    /// # Errors
    /// [`Failure`]: they cannot be removed.
    pub fn leave(&self) -> Result<(), Failure> {
        let Self { brokers, topics: Topics { prefix, .. }, .. } = self;
        if self.keep {
            tell(&format!(
                "the topics are kept; look into them with `flowgate flows --brokers {brokers} --prefix {prefix}`, remove \
                 them with `{}`",
                self.by_hand()
            ));
            return Ok(());
        }
        let removed = self.broker.admin().map_err(Failure::from).and_then(|mut admin| remove(&mut admin, &self.topics));
        removed.map(|()| tell("the topics are removed")).map_err(|failure| {
            let what = format!("the topics of this demo cannot be removed: {}", failure.what);
            Failure::new(failure.code, what).hint(format!("remove them with `{}`", self.by_hand()))
        })
    }

    /// As [`Site::leave`], for a process that has to end now.
    pub fn leave_at_once(&self, stop: &StopSign) {
        stop.raise();
        thread::sleep(FAREWELL);
        // Nobody is left to tell.
        let _ = self.leave();
    }

    fn by_hand(&self) -> String {
        let (brokers, prefix) = (&self.brokers, &self.topics.prefix);
        format!("kafka-topics.sh --bootstrap-server {brokers} --delete --topic '{prefix}\\..*'")
    }
}

/// On standard error: standard output is for what happens. Nobody may be reading.
pub(super) fn tell(what: &str) {
    let _ = writeln!(std::io::stderr(), "{}", legible(what));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::memory::{Call, Fault, Memory, Operation};
    use crate::broker::{Error, NewTopic};

    const NOW: Timestamp = Timestamp(1_763_856_646_000);

    fn site(broker: &Memory, topics: Topics, keep: bool) -> Site<Memory> {
        Site { broker: broker.clone(), brokers: "b:9092".to_owned(), topics, keep }
    }

    fn all(broker: &Memory) -> Vec<String> {
        broker.admin().unwrap().topics("").unwrap()
    }

    #[test]
    fn two_of_the_same_second_have_prefixes_of_their_own() {
        let broker = Memory::new(NOW);
        let one = prepare(&broker, "flowgate-demo", NOW).unwrap();
        let other = prepare(&broker, "flowgate-demo", NOW).unwrap();
        let prefixes = (one.prefix.as_str(), other.prefix.as_str());
        assert_eq!(prefixes, ("flowgate-demo-20251123-001046", "flowgate-demo-20251123-001046-2"));
        assert_eq!(all(&broker).len(), 14);
        let too_long = prepare(&broker, &"p".repeat(Topics::MAX_PREFIX), NOW).unwrap_err();
        assert_eq!(too_long.code, exit::CONFIGURATION, "{too_long}");
    }

    #[test]
    fn it_removes_its_own_topics_and_no_others() {
        let broker = Memory::new(NOW);
        let one = prepare(&broker, "demo", NOW).unwrap();
        let other = prepare(&broker, "demo", NOW).unwrap();
        let queue = format!("{}welcome.1", one.queue_prefix());
        let queue = NewTopic { name: queue, partitions: 1, replication_factor: None, config: Default::default() };
        broker.admin().unwrap().create_topics(&[queue]).unwrap();
        site(&broker, other.clone(), true).leave().unwrap();
        assert_eq!(all(&broker).len(), 15);
        site(&broker, one, false).leave().unwrap();
        let left = all(&broker);
        assert!(left.len() == 7 && left.iter().all(|name| name.starts_with(&all_of(&other))), "{left:?}");
    }

    /// Goal: what cannot be made is told as `flowgate topics create` tells it, and nothing of it is left.
    #[test]
    fn a_topic_that_cannot_be_made_leaves_nothing() {
        let broker = Memory::new(NOW);
        let denied = |call: &Call<'_>| {
            let audit = call.operation == Operation::CreateTopics && call.subject.ends_with(".audit");
            audit.then(|| Fault::Fail(Error::new(Action::Stop, Code::Denied, "not allowed")))
        };
        broker.set_fault_hook(Some(Box::new(denied)));
        let failure = prepare(&broker, "demo", NOW).unwrap_err();
        let what = "topic `demo-20251123-001046.audit` cannot be created: not allowed";
        assert_eq!((failure.code, failure.what.as_str()), (exit::OTHER, what));
        assert_eq!(all(&broker), Vec::<String>::new());
    }
}
