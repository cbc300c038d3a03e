//! `flowgate flow FLOW`

use std::io::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value, json};

use super::completions::flow_ids;
use super::known::known;
use super::listing::{Listing, whole};
use super::screen::Screen;
use super::send::{Asking, flow_id, issuer, order, reason};
use super::{Failure, exit};
use crate::broker::{Broker, Error};
use crate::client::delivered::{Delivered, Look, last_delivered};
use crate::client::scan::Bound;
use crate::client::states::Known;
use crate::clock;
use crate::duration;
use crate::flow::{AcceptLossOrder, Action, FlowId, Kind, PerKind, State, Wanted};
use crate::legible::legible;
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flow: FlowId,
    /// Held events were deleted: let the flow go on without them, if they are no more than so many
    #[arg(long, value_name = "EVENTS")]
    accept_loss: Option<NonZeroU32>,
    /// Why, with `--accept-loss`
    #[arg(long, value_parser = reason, requires = "accept_loss")]
    reason: Option<String>,
    /// Who asks, with `--accept-loss` [default: user and host]
    #[arg(long, value_parser = issuer, requires = "accept_loss")]
    by: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if let Some(at_most) = args.accept_loss {
        return args.accept_loss(at_most, broker, topics, out);
    }
    let known = &known(broker, topics, &args.flow)?;
    match args.listing.plain() {
        Some(output) => {
            let looked = match &known.flow.state {
                State::Paused(_) => Some(last_delivered(broker, topics, &args.flow, BOUND)),
                State::Live | State::Resuming { .. } => None,
            };
            let mut document = known.json();
            if let Some(Ok(look)) = &looked {
                document["last_delivered"] = document_of(look);
            }
            output.write(out, &document, |_| told(known, looked.as_ref().map(delivered)))
        }
        None => args.listing.write(out, screen.terminal, std::iter::once(known), clock::now()),
    }
}

impl Args {
    fn accept_loss<B: Broker>(
        &self,
        at_most: NonZeroU32,
        broker: &B,
        topics: &Topics,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let output = self.listing.plain().ok_or_else(|| {
            Failure::new(exit::CONFIGURATION, "an answer is no list of flows")
                .hint("give -o table, wide, json, jsonl or yaml")
        })?;
        let asking =
            Asking { reason: self.reason.clone(), by: self.by.clone(), command_id: None, timeout: ANSWER, output };
        let action = Action::AcceptLoss(AcceptLossOrder { at_most });
        order(&asking, std::slice::from_ref(&self.flow), &action, broker, topics, out)
    }
}

/// How long the answer to `--accept-loss` is waited for.
const ANSWER: Duration = Duration::from_secs(5);

/// How far back the last event delivered is looked for.
const BOUND: Bound = Bound { records: 50_000, time: Duration::from_secs(2) };

/// For people: what was delivered last.
fn delivered(looked: &Result<Look, Error>) -> String {
    let look = match looked {
        Ok(look) => look,
        Err(error) => return format!("cannot be looked up: {error}"),
    };
    let Look { partition, last, from, low, end } = look;
    match last {
        Some(Delivered { offset, timestamp, kind, sample }) => {
            let what = match (kind, sample) {
                (Kind::Withdraw, _) => "a withdraw, which no pause holds",
                (Kind::Enroll | Kind::Advance, true) => "a sample, released while paused",
                (Kind::Enroll | Kind::Advance, false) => "the last event",
            };
            let ago = duration::show(whole(clock::now().since(*timestamp)));
            format!(
                "{what}; its own time: {timestamp} ({ago} ago); partition {partition} offset {offset}; nothing since"
            )
        }
        None if from > low => {
            format!("nothing among the last {} records of its partition; older ones were not looked at", end - from)
        }
        None if *low > 0 => "nothing that is still in the topic".to_owned(),
        None => "nothing yet".to_owned(),
    }
}

fn document_of(look: &Look) -> Value {
    let last = look.last.as_ref().map(|last| {
        json!({
            "timestamp": last.timestamp.to_string(),
            "partition": look.partition,
            "offset": last.offset,
            "kind": last.kind.word(),
            "sample": last.sample,
        })
    });
    json!({"event": last, "looked_from": look.from, "log": {"low": look.low, "end": look.end}})
}

/// `delivered`: what was delivered last, if that was looked for.
fn told(known: &Known, delivered: Option<String>) -> String {
    let (flow, now) = (&known.flow, clock::now());
    let mut lines = vec![("flow", flow.id.to_string()), ("state", flow.state_word().to_owned())];
    if let Some(pause) = flow.pause() {
        let ago = duration::show(whole(now.since(pause.paused_at)));
        lines.push(("paused", format!("{} ({ago} ago) by {}", pause.paused_at, pause.by)));
        lines.extend(pause.reason.as_ref().map(|reason| ("reason", reason.clone())));
        if let State::Paused(pause) = &flow.state {
            let left = duration::show(whole(pause.resumes_at.since(now)));
            lines.push(("resumes", format!("{} (in {left}) by itself", pause.resumes_at)));
        }
    }
    if let Some(drain) = flow.drain() {
        let rate = drain.max_rate.map_or_else(|| "without a limit".to_owned(), |rate| format!("at {rate}/s"));
        lines.push(("drain", format!("since {}, {rate}", drain.as_of)));
    }
    if let Some(sample) = &flow.sample {
        let released = sample.released.total();
        let left = match &sample.wanted {
            Wanted::Count { left } => format!("{left} to go"),
            Wanted::Records { ids, .. } => format!("looking for {} records", ids.len()),
        };
        lines.push(("sample", format!("{released} released, {left} ({})", sample.command)));
    }
    if let Some(purge) = &flow.queue.purge_through {
        let removed = purge.removed.total();
        lines.push(("purge", format!("up to entry {}, {removed} discarded so far ({})", purge.entry, purge.command)));
    }
    lines.extend(delivered.map(|delivered| ("delivered", delivered)));
    let counts = &flow.counts;
    let kinds = |count: PerKind| format!("{} ({} enroll, {} advance)", count.total(), count.enroll, count.advance);
    lines.push(("held", kinds(counts.held())));
    lines.push(("queued", kinds(counts.queued)));
    lines.push(("released", kinds(counts.released)));
    lines.push(("replaced", kinds(counts.replaced)));
    lines.push(("removed", kinds(counts.removed)));
    if counts.lost.total() > 0 {
        lines.push(("lost", kinds(counts.lost)));
    }
    lines.push(("turned away", kinds(counts.turned_away)));
    lines.push(("queue topic", flow.queue.topic.clone().unwrap_or_else(|| "none".to_owned())));
    let passed = format!("{} of {} entries passed", flow.queue.watermark.entry, flow.queue.last_entry());
    lines.push(("watermark", passed));
    for answered in flow.commands.iter().rev().take(5) {
        lines.push(("command", format!("{}: {}", answered.id, answered.outcome)));
    }
    lines.push(("partition", known.partition.to_string()));
    lines.push(("updated", flow.updated_at.to_string()));
    if unknown_fields(known) {
        lines.push(("note", "the state has fields that this version does not know: see -o json".to_owned()));
    }
    let lines: Vec<_> = lines.into_iter().map(|(name, value)| format!("{name:<12} {}", legible(&value))).collect();
    lines.join("\n")
}

/// Whether a newer gate has written more than is shown here.
fn unknown_fields(known: &Known) -> bool {
    const FIELDS: [&str; 12] = [
        "version",
        "flow_id",
        "state",
        "pause",
        "drain",
        "sample",
        "counts",
        "at_pause",
        "withdrawn",
        "queue",
        "commands",
        "updated_at",
    ];
    let document: Value = serde_json::from_slice(&known.document).unwrap_or_default();
    document.as_object().is_some_and(|fields| fields.keys().any(|name| !FIELDS.contains(&name.as_str())))
}
