//! What a command would do, in words: what people are asked about before it is sent.

use crate::flow::{Flow, FlowId, PauseId};
use crate::time::Timestamp;

/// How many ids a sentence names.
const NAMED: usize = 5;

/// A flow that a command is for, in so few words that all flows can be kept.
#[derive(Clone, Debug)]
pub struct Looked {
    pub id: FlowId,
    /// `None`: the flow is not known.
    pub state: Option<&'static str>,
    pub pause: Option<PauseId>,
    /// How many events it holds.
    pub held: u64,
    /// The number of the newest entry; 0: there was none yet.
    pub last_entry: u64,
    /// No held event is older: the first pause that found nothing held. `None`: the state does not tell (what an earlier pause has
    /// left is older, nobody knows how much), or nothing is held.
    pub held_since: Option<Timestamp>,
}

impl Looked {
    /// As its state says.
    #[must_use]
    pub fn at(flow: &Flow) -> Self {
        let held = flow.counts.held().total();
        let first = flow.pause().filter(|_| held > 0 && flow.at_pause.held().total() == 0);
        Self {
            id: flow.id.clone(),
            state: Some(flow.state_word()),
            pause: flow.pause().map(|pause| pause.id.clone()),
            held,
            last_entry: flow.queue.last_entry(),
            held_since: first.map(|pause| pause.paused_at),
        }
    }

    /// As its state says, if there is one.
    #[must_use]
    pub fn of(id: &FlowId, flow: Option<&Flow>) -> Self {
        let unknown = || Self { id: id.clone(), state: None, pause: None, held: 0, last_entry: 0, held_since: None };
        flow.map_or_else(unknown, Self::at)
    }
}

/// When the oldest held event of several flows was held, at the earliest. `None`: none is held, or it is not told of each.
#[must_use]
pub fn held_since<'a>(flows: impl Iterator<Item = &'a Looked>) -> Option<Timestamp> {
    let times: Option<Vec<Timestamp>> = flows.filter(|flow| flow.held > 0).map(|flow| flow.held_since).collect();
    times?.into_iter().min()
}

/// For some flows. `verb`: as in "This pauses 3 flows"; `already`: the state in which there is nothing to begin, such as `paused`
/// for a pause.
#[must_use]
pub fn several(verb: &str, already: &str, flows: &[Looked]) -> String {
    let held: u64 = flows.iter().map(|looked| looked.held).sum();
    let count = |number: usize, one: &str, many: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    };
    let named_all = named(flows.iter().map(|looked| &looked.id));
    let mut preview = match flows.len() {
        1 => format!("This {verb} 1 flow, which holds {held} events now: {named_all}."),
        number => format!("This {verb} {number} flows, which hold {held} events now: {named_all}."),
    };
    let is_already = |looked: &&Looked| looked.state == Some(already);
    match flows.iter().filter(is_already).count() {
        0 => {}
        number => preview.push_str(&format!(" {} {already} already.", count(number, "of them is", "of them are"))),
    }
    let unknown: Vec<&FlowId> = flows.iter().filter(|looked| looked.state.is_none()).map(|looked| &looked.id).collect();
    if !unknown.is_empty() {
        let are = count(unknown.len(), "of them is", "of them are");
        preview.push_str(&format!(" {are} not known so far: {}.", named(unknown.into_iter())));
    }
    preview
}

/// For every flow: `known` of them, which hold so many events; `own`: those that are paused on their own.
#[must_use]
pub fn every(verb: &str, known: usize, held: u64, own: usize) -> String {
    let flows = match known {
        1 => "1 is known, which holds".to_owned(),
        known => format!("{known} are known, which hold"),
    };
    let alone = match own {
        0 => String::new(),
        1 => " 1 of them is paused on its own, and stays as it is.".to_owned(),
        own => format!(" {own} of them are paused on their own, and stay as they are."),
    };
    format!("This {verb} every flow: {flows} {held} events now.{alone}")
}

/// For a purge of what one flow holds up to an entry. `discarded`: the topic to which it goes.
#[must_use]
pub fn purge(flow: &Looked, through: u64, discarded: &str) -> String {
    let Looked { id, held, last_entry: last, .. } = flow;
    let which = match through < *last {
        true => format!("what `{id}` holds up to entry {through} of {last}, of {held} events held in all,"),
        false => format!("what `{id}` holds now, {held} events at most (up to entry {last}),"),
    };
    format!("This discards {which} to `{discarded}`, where it is kept for 90 days. The flow stays paused.")
}

/// The first ones by name, and how many more there are.
pub fn named<'a>(mut flows: impl ExactSizeIterator<Item = &'a FlowId>) -> String {
    let first: Vec<&str> = flows.by_ref().take(NAMED).map(FlowId::as_str).collect();
    let first = first.join(", ");
    match flows.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
