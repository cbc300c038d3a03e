//! `flowgate topics create|check`

use std::io::Write;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use super::{Failure, exit};
use crate::broker::{Admin, Broker, Code, Error, NewTopic};
use crate::legible::legible;
use crate::schema::topics::Topics;
use crate::topics::bounds::TimestampBounds;
use crate::topics::check::{Difference, Scope, Weight, check};
use crate::topics::{HEADER_ROOM, Layout, specification};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create the topics that are missing, then compare all of them
    Create {
        /// Partitions of the enrollments and of the state: for good, flows have their homes there
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..))]
        partitions: i32,
        /// Replicas of each partition [default: the broker's default]
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..=32_767))]
        replication_factor: Option<i32>,
        #[command(flatten)]
        output: Output,
    },
    /// Compare every setting with what the promises need; changes nothing
    Check {
        #[command(flatten)]
        output: Output,
    },
}

pub fn run<B: Broker>(
    command: &Command,
    broker: &B,
    topics: &Topics,
    max_pause: Duration,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut admin = broker.admin()?;
    let (made, output) = match command {
        Command::Create { partitions, replication_factor, output } => {
            let layout = Layout { partitions: *partitions, replication_factor: *replication_factor };
            (create(&mut admin, topics, &layout)?, *output)
        }
        Command::Check { output } => (Vec::new(), *output),
    };
    let differences = look(&mut admin, topics, max_pause, !made.is_empty())?;
    let names: Vec<_> = made.iter().map(|(name, new)| json!({"topic": name, "created": new})).collect();
    output.write(out, &json!({"topics": names, "differences": differences}), |_| shown(&made, &differences))?;
    let broken = differences.iter().filter(|difference| difference.weight == Weight::Breaks).count();
    match broken {
        0 => Ok(()),
        _ => Err(Failure::new(exit::TOPICS, format!("{broken} settings break a promise"))
            .hint("each of them is shown above with its fix")),
    }
}

/// What was just created may take a moment until every broker knows it.
pub(super) fn look<A: Admin>(
    admin: &mut A,
    topics: &Topics,
    max_pause: Duration,
    fresh: bool,
) -> Result<Vec<Difference>, Failure> {
    for _ in 0..20 {
        match check(admin, topics, max_pause, Scope::WithQueues) {
            Ok(found) if fresh && found.iter().any(|one| one.setting == "topic") => {}
            Ok(found) => return Ok(found),
            Err(error) if fresh && error.action == crate::broker::Action::Retry => {}
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(check(admin, topics, max_pause, Scope::WithQueues)?)
}

/// Each topic, and whether it is new.
pub(super) fn create<A: Admin>(
    admin: &mut A,
    topics: &Topics,
    layout: &Layout,
) -> Result<Vec<(String, bool)>, Failure> {
    let mut wanted = specification(topics, layout);
    if layout.replication_factor.is_some_and(|replicas| replicas > 2) {
        for topic in &mut wanted {
            topic.config.insert("min.insync.replicas".to_owned(), "2".to_owned());
        }
    }
    // The enrollments come first: how large their records may be decides about the others, and their settings tell which names the
    // brokers know.
    let (first, rest) = wanted.split_at_mut(1);
    let mut made = request(admin, first)?;
    let config = match admin.topic_config(&topics.enrollments) {
        Ok(config) => config,
        Err(error) if error.code == Code::Denied || error.action == crate::broker::Action::Retry => Default::default(),
        Err(error) => return Err(error.into()),
    };
    let bounds = TimestampBounds::of(&config);
    rest.iter_mut().for_each(|topic| bounds.fit(topic));
    if let Some(largest) = config.get("max.message.bytes").and_then(|text| text.parse::<i64>().ok()) {
        for topic in rest.iter_mut() {
            if let Some(size) = topic.config.get_mut("max.message.bytes") {
                *size = (largest + HEADER_ROOM).to_string();
            }
        }
    }
    made.extend(request(admin, rest)?);
    Ok(made)
}

fn request<A: Admin>(admin: &mut A, wanted: &[NewTopic]) -> Result<Vec<(String, bool)>, Failure> {
    let answers = admin.create_topics(wanted)?;
    let mut made = Vec::new();
    for (topic, answer) in wanted.iter().zip(answers) {
        match answer {
            Ok(()) => made.push((topic.name.clone(), true)),
            Err(error) if error.code == Code::TopicExists => made.push((topic.name.clone(), false)),
            Err(error) => {
                let what = format!("topic `{}` cannot be created: {error}", topic.name);
                return Err(too_many_replicas(admin, topic, &error).unwrap_or(Failure { what, ..error.into() }));
            }
        }
    }
    Ok(made)
}

/// Kafka only says "Invalid replication factor", also of brokers that may come back: how many replicas there can be now, and what
/// to write.
fn too_many_replicas<A: Admin>(admin: &mut A, topic: &NewTopic, error: &Error) -> Option<Failure> {
    let wanted = topic.replication_factor.filter(|_| [Code::Busy, Code::InvalidArgument].contains(&error.code))?;
    let brokers = i32::try_from(admin.brokers().ok()?).ok().filter(|brokers| (1..wanted).contains(brokers))?;
    let (missing, noun) = (wanted - brokers, if brokers == 1 { "broker" } else { "brokers" });
    let what = format!(
        "topics cannot have {wanted} replicas: the cluster has {brokers} {noun} that can be reached now, and each \
         replica needs one of its own"
    );
    let hint = format!("write `--replication-factor {brokers}`, or start {missing} more");
    Some(Failure::new(exit::CONFIGURATION, what).hint(hint))
}

fn shown(made: &[(String, bool)], differences: &[Difference]) -> String {
    let mut lines: Vec<String> =
        made.iter().map(|(name, new)| format!("{name}: {}", if *new { "created" } else { "is there" })).collect();
    for Difference { topic, setting, found, wanted, weight, promise, why, fix } in differences {
        let verb = match weight {
            Weight::Breaks => "breaks",
            Weight::Weakens => "weakens",
        };
        lines.push(format!("{topic}: {setting} is {found}, wanted: {wanted}"));
        lines.push(format!("  {verb} {promise}: {why}"));
        lines.push(format!("  fix: {fix}"));
    }
    if differences.is_empty() {
        lines.push("every setting is as the promises need it".to_owned());
    }
    lines.iter().map(|line| legible(line)).collect::<Vec<_>>().join("\n")
}

/// For `run`: the sentence with which it refuses, if a promise would break.
pub fn refuse(differences: &[Difference]) -> Result<(), Failure> {
    for one in differences.iter().filter(|one| one.weight == Weight::Weakens) {
        tracing::warn!(topic = one.topic, setting = one.setting, found = one.found, wanted = one.wanted, "{}", one.why);
    }
    let broken: Vec<_> = differences.iter().filter(|one| one.weight == Weight::Breaks).collect();
    let Some(first) = broken.first() else { return Ok(()) };
    let Difference { topic, setting, found, wanted, promise, .. } = first;
    let more = match broken.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let what = format!("`{setting}` of `{topic}` is {found}, not {wanted}: that breaks {promise}{more}");
    let hint = match *setting == "partitions" {
        true => "where somebody has added partitions, nothing is lost, and docs/migrating.md says what to do",
        false => "`flowgate topics check` shows all of it, each with its fix",
    };
    Err(Failure::new(exit::TOPICS, what).hint(hint))
}
