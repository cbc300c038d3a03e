//! Commands that come again (P6).

use std::collections::HashMap;

use super::documents::Told;
use super::story::Wrong;
use crate::gather::Topics;
use crate::record::Record;

/// Commands of a flow that the gate remembers, and so those whose repetition is certain to be known.
const REMEMBERED: usize = 64;

/// Whose commands are remembered together: those of a flow and, in each partition, those for `*`.
type Whose<'a> = (&'a str, Option<i32>);

fn whose(event: &Told) -> Whose<'_> {
    match event.flow_id.as_deref() {
        Some(flow) => (flow, None),
        None => {
            let named = event.command.as_ref().and_then(|command| command.get("flow_id")?.as_str());
            (named.filter(|flow| *flow == "*").unwrap_or_default(), event.partition)
        }
    }
}

/// The same command twice is the same as once, and gets the same answer, unless too many others came between them.
pub(super) fn repetitions(told: &[(&Record, Told)], topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let mut counts: HashMap<Whose<'_>, usize> = HashMap::new();
    let mut firsts: HashMap<(Whose<'_>, &str), (usize, &Told)> = HashMap::new();
    for (record, event) in told {
        let id = event.command.as_ref().and_then(|command| command.get("command_id")?.as_str());
        let (Some(id), Some(_)) = (id, &event.outcome) else { continue };
        let whose = whose(event);
        let count = counts.entry(whose).or_default();
        let why = match firsts.get(&(whose, id)) {
            Some((number, first)) if *count - number <= REMEMBERED => match event.repeated {
                false => Some("is applied a second time"),
                true if (&event.outcome, &event.detail) != (&first.outcome, &first.detail) => {
                    Some("gets another answer the second time")
                }
                true => None,
            },
            before => {
                let never = event.repeated && before.is_none();
                firsts.insert((whose, id), (*count, event));
                *count += 1;
                never.then_some("is taken for a repetition, and is none")
            }
        };
        if let Some(why) = why {
            wrong(&event.flow_id, topics.place("audit", record), format!("command {id} {why}"));
        }
    }
}
