//! Commands that come again (P6).

use std::collections::HashMap;

use super::documents::Told;
use super::story::Wrong;
use crate::gather::Topics;
use crate::record::Record;

/// Commands of a flow that the gate remembers, and so those whose repetition is certain to be known.
const REMEMBERED: usize = 64;

/// The same command twice is the same as once, and gets the same answer, unless too many others came between them.
pub(super) fn repetitions(told: &[(&Record, Told)], topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut firsts: HashMap<(&str, &str), (usize, &Told)> = HashMap::new();
    for (record, event) in told {
        let id = event.command.as_ref().and_then(|command| command.get("command_id")?.as_str());
        let (Some(id), Some(_)) = (id, &event.outcome) else { continue };
        let flow = event.flow_id.as_deref().unwrap_or_default();
        let count = counts.entry(flow).or_default();
        let why = match firsts.get(&(flow, id)) {
            Some((number, first)) if *count - number <= REMEMBERED => match event.repeated {
                false => Some("is applied a second time"),
                true if (&event.outcome, &event.detail) != (&first.outcome, &first.detail) => {
                    Some("gets another answer the second time")
                }
                true => None,
            },
            before => {
                let never = event.repeated && before.is_none();
                firsts.insert((flow, id), (*count, event));
                *count += 1;
                never.then_some("is taken for a repetition, and is none")
            }
        };
        if let Some(why) = why {
            wrong(&event.flow_id, topics.place("audit", record), format!("command {id} {why}"));
        }
    }
}
