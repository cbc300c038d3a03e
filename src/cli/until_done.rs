//! Orders that take their time, a purge or a sample: sent, waited for until they have ended, and told.

use std::io::Write;

use super::Failure;
use super::flows::READ;
use super::progress::Progress;
use super::send::{Asking, Order, send, tell};
use crate::broker::Broker;
use crate::client::control::{Answers, Sent};
use crate::client::states::States;
use crate::flow::{CommandId, Done, Flow, FlowId, PerKind, Verdict, Wanted};
use crate::schema::topics::Topics;

/// Sends the order, waits until it has ended, and shows its answer. What it has done, if people are to be told more of it.
///
/// # Errors
/// As [`send`] and [`tell`].
pub fn order_until_done<B: Broker>(
    asking: &Asking,
    order: Order,
    broker: &B,
    topics: &Topics,
    progress: Progress,
    out: &mut dyn Write,
) -> Result<Option<Done>, Failure> {
    let flow = order.flow.clone();
    let (mut sent, mut answers) = send(asking, vec![order], broker, topics)?;
    let done = until_done(&mut sent, &mut answers, &flow, broker, topics, progress)?;
    tell(&sent, asking, out)?;
    let told = done.zip(sent.into_iter().next()).filter(|_| asking.output.is_for_people());
    Ok(told.map(|(count, Sent { command, .. })| Done { command: command.id, count }))
}

/// What it has done; `None` if there is nothing to wait for: no answer came, it was not applied, or it had been answered before,
/// and what it did was told then.
///
/// # Errors
/// The broker's.
fn until_done<B: Broker>(
    sent: &mut [Sent],
    answers: &mut Answers<B>,
    flow: &FlowId,
    broker: &B,
    topics: &Topics,
    mut progress: Progress,
) -> Result<Option<PerKind>, Failure> {
    let applied = |sent: &Sent| {
        !sent.repeated && sent.outcome.as_ref().is_some_and(|outcome| outcome.verdict == Verdict::Applied)
    };
    let Some(id) = sent.first().filter(|sent| applied(sent)).map(|sent| sent.command.id.clone()) else {
        return Ok(None);
    };
    let mut states: Option<States<B>> = None;
    loop {
        if let Some(done) = sent.first().and_then(|sent| sent.done) {
            progress.done();
            return Ok(Some(done));
        }
        answers.poll(sent)?;
        // Most have ended before their states could be read.
        if sent.first().is_some_and(|sent| sent.done.is_some()) {
            continue;
        }
        let states = match &mut states {
            Some(states) => states,
            None => {
                let mut opened = States::home_of(broker, topics, flow)?;
                opened.catch_up(READ)?;
                states.insert(opened)
            }
        };
        states.poll()?;
        if let Some((passed, left)) = states.flows.get(flow).and_then(|known| under_way(&known.flow, &id)) {
            progress.show(flow.as_str(), passed, left, None);
        }
    }
}

/// How far it is: events that it has passed, and what is left at most.
fn under_way(flow: &Flow, id: &CommandId) -> Option<(u64, u64)> {
    if let Some(sample) = flow.sample.as_ref().filter(|sample| sample.command == *id) {
        // How many entries of named records there are shows when they have been looked for.
        let Wanted::Count { left } = sample.wanted else { return None };
        return Some((sample.released.total(), left));
    }
    let purge = flow.queue.purge_through.as_ref().filter(|purge| purge.command == *id)?;
    Some((purge.removed.total(), purge.entry.saturating_sub(flow.queue.watermark.entry)))
}
