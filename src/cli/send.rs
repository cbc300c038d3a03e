//! What the commands have in common that order something: who asks, sending, and what becomes of it.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::actor::who;
use super::output::Output;
use super::table::table;
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::control::{self, Answers, Sent};
use crate::clock;
use crate::duration;
use crate::flow::{Action, Command, CommandId, Expect, FlowId, PerKind, Target, Verdict};
use crate::schema::command::{MAX_ISSUED_BY, MAX_REASON};
use crate::schema::topics::Topics;
use crate::schema::trace_parent::TraceParent;
use crate::time::Timestamp;

#[derive(Clone, Debug, Args)]
pub struct Asking {
    /// Why, for whoever looks at the flow
    #[arg(long, value_parser = reason)]
    pub reason: Option<String>,
    /// Who asks [default: user and host]
    #[arg(long, value_parser = issuer)]
    pub by: Option<String>,
    /// Names the command: sent again with the same id it does nothing more and gets the same answer
    #[arg(long, value_parser = command_id)]
    pub command_id: Option<CommandId>,
    /// How long to wait for the answer; 0s: not at all
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    pub timeout: Duration,
    #[command(flatten)]
    pub output: Output,
}

pub fn flow_id(text: &str) -> Result<FlowId, String> {
    FlowId::new(text).map_err(|why| format!("it {why}"))
}

fn command_id(text: &str) -> Result<CommandId, String> {
    CommandId::new(text).map_err(|why| format!("it {why}"))
}

pub fn issuer(text: &str) -> Result<String, String> {
    match text.len() {
        1..=MAX_ISSUED_BY => Ok(text.to_owned()),
        length => Err(format!("it has {length} bytes; give 1 to {MAX_ISSUED_BY}")),
    }
}

pub fn reason(text: &str) -> Result<String, String> {
    match text.len() {
        0..=MAX_REASON => Ok(text.to_owned()),
        length => Err(format!("it has {length} bytes; give at most {MAX_REASON}")),
    }
}

/// An order for one flow.
pub struct Order {
    pub flow: FlowId,
    pub action: Action,
    pub expect: Expect,
}

/// Sends the same order to every flow, waits, and shows the answers.
///
/// # Errors
/// [`exit::REJECTED`] or [`exit::NO_ANSWER`], after the answers were shown.
pub fn order<B: Broker>(
    asking: &Asking,
    flows: &[FlowId],
    action: &Action,
    broker: &B,
    topics: &Topics,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let each = |flow: &FlowId| Order { flow: flow.clone(), action: action.clone(), expect: Expect::default() };
    let (sent, _) = send(asking, flows.iter().map(each).collect(), broker, topics)?;
    tell(&sent, asking, out)
}

/// Sends the orders and waits for their answers.
///
/// # Errors
/// [`exit::CONFIGURATION`], and the broker's.
pub fn send<B: Broker>(
    asking: &Asking,
    orders: Vec<Order>,
    broker: &B,
    topics: &Topics,
) -> Result<(Vec<Sent>, Answers<B>), Failure> {
    if orders.len() > 1 && asking.command_id.is_some() {
        return Err(Failure::new(exit::CONFIGURATION, "`--command-id` names one command, and there are several flows")
            .hint("send one command a flow"));
    }
    Ok(control::send(broker, topics, commands(asking, orders), parent(), asking.timeout)?)
}

/// Where in a trace the command line is run: tools that trace jobs say it in this variable.
fn parent() -> Option<TraceParent> {
    TraceParent::read(std::env::var("TRACEPARENT").ok()?.as_bytes())
}

/// The commands as they are sent.
pub fn commands(asking: &Asking, orders: Vec<Order>) -> Vec<Command> {
    let issued = (asking.by.clone().unwrap_or_else(who), clock::now());
    let each = |Order { flow, action, expect }| command(asking, issued.clone(), Target::Flow(flow), action, expect);
    orders.into_iter().map(each).collect()
}

/// A command for every flow.
pub fn for_every(asking: &Asking, action: Action) -> Command {
    let issued = (asking.by.clone().unwrap_or_else(who), clock::now());
    command(asking, issued, Target::Every, action, Expect::default())
}

/// `by` and `at`: who issues it, and when.
fn command(asking: &Asking, (by, at): (String, Timestamp), target: Target, action: Action, expect: Expect) -> Command {
    Command {
        id: asking.command_id.clone().unwrap_or_else(|| control::new_id("cli")),
        target,
        action,
        issued_by: by,
        issued_at: Some(at),
        reason: asking.reason.clone(),
        expect,
    }
}

/// Sends the commands, waits, and shows the answers.
///
/// # Errors
/// As [`tell`], and the broker's.
pub fn send_and_tell<B: Broker>(
    commands: Vec<Command>,
    asking: &Asking,
    broker: &B,
    topics: &Topics,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (sent, _) = control::send(broker, topics, commands, parent(), asking.timeout)?;
    tell(&sent, asking, out)
}

/// Shows the answers.
///
/// # Errors
/// [`exit::REJECTED`] or [`exit::NO_ANSWER`], after they were shown.
pub fn tell(sent: &[Sent], asking: &Asking, out: &mut dyn Write) -> Result<(), Failure> {
    show(sent, asking, out, |_| None)?;
    judge(sent, asking)
}

/// Shows the answers, for scripts with what `more` knows of each: a name and a value.
pub fn show(
    sent: &[Sent],
    asking: &Asking,
    out: &mut dyn Write,
    more: impl Fn(&Command) -> Option<(&'static str, Value)>,
) -> Result<(), Failure> {
    let rows: Vec<[String; 5]> = sent
        .iter()
        .map(|sent @ Sent { command, offset, outcome, .. }| {
            let (word, detail) = match outcome {
                Some(outcome) => (outcome.verdict.word(), outcome.detail.clone()),
                None if asking.timeout.is_zero() => ("sent", "not waited for".to_owned()),
                None if !sent.partitions.is_empty() => ("no answer", format!("silent so far: {}", sent.silent())),
                None => ("no answer", "the command stays in the topic".to_owned()),
            };
            [target(command).to_owned(), word.to_owned(), detail, command.id.to_string(), offset.to_string()]
        })
        .collect();
    let documents = rows.iter().zip(sent).map(
        |([flow, outcome, detail, id, _], Sent { command, offset, done, partitions, .. })| {
            let mut document =
                json!({"flow_id": flow, "command_id": id, "offset": offset, "outcome": outcome, "detail": detail});
            if let Some(done) = done {
                document["done"] = per_kind(*done);
            }
            if matches!(command.target, Target::Every) {
                let answers = partitions.iter().map(|(partition, outcome)| {
                    json!({"partition": partition, "outcome": outcome.verdict.word(), "detail": outcome.detail})
                });
                document["partitions"] = answers.collect();
            }
            if let Some((name, value)) = more(command) {
                document[name] = value;
            }
            document
        },
    );
    let document = documents.collect();
    asking.output.write(out, &document, |wide| {
        let header = ["FLOW", "OUTCOME", "DETAIL", "COMMAND", "OFFSET"];
        let columns = if wide { 5 } else { 3 };
        table(&header[..columns], rows.iter().flat_map(|row| lines_of(&row[..columns])))
    })
}

/// The rows of an answer: where partitions say different things, each has a line.
fn lines_of(row: &[String]) -> Vec<Vec<String>> {
    const DETAIL: usize = 2;
    // Of one flow all is one line, whatever it quotes.
    let lines = if row[0] == "*" { usize::MAX } else { 1 };
    let mut details = row[DETAIL].splitn(lines, '\n');
    let mut first = row.to_vec();
    first[DETAIL] = details.next().unwrap_or_default().to_owned();
    let others = details.map(|detail| vec![String::new(), String::new(), detail.to_owned()]);
    std::iter::once(first).chain(others).collect()
}

/// Whom a command is for.
pub fn target(command: &Command) -> &str {
    match &command.target {
        Target::Flow(flow) => flow.as_str(),
        Target::Every => "*",
    }
}

pub fn per_kind(count: PerKind) -> Value {
    json!({"enroll": count.enroll, "advance": count.advance})
}

/// # Errors
/// [`exit::REJECTED`] or [`exit::NO_ANSWER`].
pub fn judge(sent: &[Sent], asking: &Asking) -> Result<(), Failure> {
    let rejected =
        sent.iter().filter_map(|sent| sent.outcome.as_ref()).find(|outcome| outcome.verdict == Verdict::Rejected);
    if let Some(outcome) = rejected {
        return Err(Failure::new(exit::REJECTED, format!("rejected: {}", outcome.detail)));
    }
    let silent: Vec<&Sent> = sent.iter().filter(|sent| sent.outcome.is_none()).collect();
    match silent.first() {
        Some(first) if !asking.timeout.is_zero() => {
            let waited = duration::show(asking.timeout);
            let what = format!("no answer within {waited} to {} of {} commands", silent.len(), sent.len());
            let hint = format!(
                "the command stays in the topic (offset {}): the next gate that is up applies it; is one running? \
                 `flowgate flow` shows whether it took effect",
                first.offset
            );
            Err(Failure::new(exit::NO_ANSWER, what).hint(hint))
        }
        _ => Ok(()),
    }
}
