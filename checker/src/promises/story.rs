//! What the topics tell of each flow and of the commands.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::documents::{State, Told};
use crate::anomaly::Place;
use crate::record::{Log, Record};

/// What was told of one flow, in order.
#[derive(Default)]
pub(super) struct Story<'a> {
    pub states: Vec<(&'a Record, &'a State)>,
    /// Transitions and answers.
    pub audit: Vec<(&'a Record, &'a Told)>,
}

/// Takes what is wrong: with which flow, where, and why.
pub(super) type Wrong<'a> = dyn FnMut(&Option<String>, Place, String) + 'a;

/// The story of every flow.
pub(super) fn stories<'a>(
    states: &'a [(&'a Record, State)],
    told: &'a [(&'a Record, Told)],
) -> BTreeMap<&'a str, Story<'a>> {
    let mut stories: BTreeMap<&str, Story<'_>> = BTreeMap::new();
    for (record, state) in states {
        stories.entry(&state.flow_id).or_default().states.push((record, state));
    }
    for (record, event) in told {
        if let Some(flow) = &event.flow_id {
            stories.entry(flow).or_default().audit.push((record, event));
        }
    }
    stories
}

pub(super) type Commands<'a> = HashMap<i64, Cow<'a, Value>>;

/// Commands by their offsets: as they stand in the control topic or, where retention has taken them, in their answers.
pub(super) fn commands<'a>(log: &Log, told: &'a [(&'a Record, Told)]) -> Commands<'a> {
    let answered =
        told.iter().filter_map(|(_, told)| Some((told.command_offset?, Cow::Borrowed(told.command.as_ref()?))));
    let mut commands: Commands<'_> = answered.collect();
    for record in &log.control {
        if let Some(command) = record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok()) {
            commands.insert(record.offset, Cow::Owned(command));
        }
    }
    commands
}
