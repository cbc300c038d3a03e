//! No name of a queue topic comes twice: a request to delete it may arrive late.

use std::collections::HashSet;

use super::story::{Story, Wrong};
use crate::gather::Topics;

pub(super) fn names(story: &Story<'_>, topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let mut given_up: HashSet<&str> = HashSet::new();
    let mut newest: Option<&str> = None;
    let mut number = 0;
    for (record, state) in &story.states {
        let Some(queue) = &state.queue else { continue };
        let why = match (queue.topic.as_deref(), queue.n) {
            (_, Some(n)) if n < number => Some(format!("its queue's number {n} comes after {number}")),
            (Some(topic), _) if given_up.contains(topic) => Some(format!("`{topic}` was given up, and comes again")),
            _ => None,
        };
        if let Some(why) = why {
            wrong(&Some(state.flow_id.clone()), topics.place("state", record), why);
        }
        number = number.max(queue.n.unwrap_or_default());
        if newest != queue.topic.as_deref() {
            given_up.extend(newest);
            newest = queue.topic.as_deref();
        }
    }
}
