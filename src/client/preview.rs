//! What a command would do, in words: what people are asked about before it is sent.

use crate::flow::{Flow, FlowId};

/// How many ids a sentence names.
const NAMED: usize = 5;

/// A flow that a command is for, and its state if it is known.
#[derive(Clone, Copy, Debug)]
pub struct Looked<'a> {
    pub id: &'a FlowId,
    pub flow: Option<&'a Flow>,
}

impl Looked<'_> {
    /// How many events it holds.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.flow.map_or(0, |flow| flow.counts.held().total())
    }
}

/// For some flows. `verb`: as in "This pauses 3 flows"; `already`: the state in which there is nothing to begin, such as `paused`
/// for a pause.
#[must_use]
pub fn several(verb: &str, already: &str, flows: &[Looked<'_>]) -> String {
    let held: u64 = flows.iter().map(Looked::held).sum();
    let count = |number: usize, one: &str, many: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    };
    let named_all = named(flows.iter().map(|looked| looked.id));
    let mut preview = match flows.len() {
        1 => format!("This {verb} 1 flow, which holds {held} events now: {named_all}."),
        number => format!("This {verb} {number} flows, which hold {held} events now: {named_all}."),
    };
    let is_already = |looked: &&Looked<'_>| looked.flow.is_some_and(|flow| flow.state_word() == already);
    match flows.iter().filter(is_already).count() {
        0 => {}
        number => preview.push_str(&format!(" {} {already} already.", count(number, "of them is", "of them are"))),
    }
    let unknown: Vec<&FlowId> = flows.iter().filter(|looked| looked.flow.is_none()).map(|looked| looked.id).collect();
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
pub fn purge(flow: &Flow, through: u64, discarded: &str) -> String {
    let (held, last) = (flow.counts.held().total(), flow.queue.last_entry());
    let which = match through < last {
        true => format!("what `{}` holds up to entry {through} of {last}, of {held} events held in all,", flow.id),
        false => format!("what `{}` holds now, {held} events at most (up to entry {last}),", flow.id),
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
