//! What the topics tell of each flow and of the commands.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::documents::{State, Told};
use crate::anomaly::Place;
use crate::defaults::Defaults;
use crate::record::{Log, Record};

/// What was told of one flow, in order, from when it was first seen until it was forgotten.
#[derive(Default)]
pub(super) struct Story<'a> {
    pub states: Vec<(&'a Record, &'a State)>,
    /// Transitions and answers.
    pub audit: Vec<(&'a Record, &'a Told)>,
}

/// Takes what is wrong: with which flow, where, and why.
pub(super) type Wrong<'a> = dyn FnMut(&Option<String>, Place, String) + 'a;

/// The stories of every flow, one for each of its lives.
pub(super) fn stories<'a>(
    log: &'a Log,
    states: &'a [(&'a Record, State)],
    told: &'a [(&'a Record, Told)],
) -> BTreeMap<&'a str, Vec<Story<'a>>> {
    let mut stories: BTreeMap<&str, Story<'_>> = BTreeMap::new();
    for (record, state) in states {
        stories.entry(&state.flow_id).or_default().states.push((record, state));
    }
    for (record, event) in told {
        if let Some(flow) = &event.flow_id {
            stories.entry(flow).or_default().audit.push((record, event));
        }
    }
    let tombstones = tombstones(log);
    let lives = |(flow, story): (&'a str, Story<'a>)| {
        (flow, story.lives(tombstones.get(flow.as_bytes()).map_or(&[], Vec::as_slice)))
    };
    stories.into_iter().map(lives).collect()
}

/// By key: where states were deleted, in order.
pub(super) fn tombstones(log: &Log) -> HashMap<&[u8], Vec<&Record>> {
    let mut tombstones: HashMap<&[u8], Vec<&Record>> = HashMap::new();
    for record in log.state.iter().filter(|record| record.value.is_none()) {
        if let Some(key) = record.key.as_deref().filter(|key| !key.is_empty()) {
            tombstones.entry(key).or_default().push(record);
        }
    }
    tombstones.values_mut().for_each(|of| of.sort_by_key(|record| (record.partition, record.offset)));
    tombstones
}

impl<'a> Story<'a> {
    /// Whether it ends with the flow being forgotten.
    pub fn is_forgotten(&self) -> bool {
        self.audit.last().is_some_and(|(_, told)| told.transition.as_deref() == Some("forgotten"))
    }

    /// Splits it where the flow was forgotten. The cleaner may have taken tombstones, and all states that lay before them: so
    /// the last states belong to the last life.
    fn lives(self, tombstones: &[&Record]) -> Vec<Self> {
        let mut audit = vec![Vec::new()];
        for (record, told) in self.audit {
            let last = audit.len() - 1;
            audit[last].push((record, told));
            if told.transition.as_deref() == Some("forgotten") {
                audit.push(Vec::new());
            }
        }
        let mut states: Vec<Vec<(&Record, &State)>> = vec![Vec::new(); tombstones.len() + 1];
        for (record, state) in self.states {
            let deleted = tombstones.partition_point(|tombstone| tombstone.offset < record.offset);
            states[deleted].push((record, state));
        }
        let mut lives: Vec<Self> = Vec::new();
        while !audit.is_empty() || !states.is_empty() {
            let (states, audit) = (states.pop().unwrap_or_default(), audit.pop().unwrap_or_default());
            lives.push(Self { states, audit });
        }
        lives.reverse();
        lives
    }
}

/// By their offsets, and what those for `*` made of defaults.
pub(super) struct Commands<'a> {
    all: HashMap<i64, Cow<'a, Value>>,
    defaults: &'a Defaults,
}

/// Commands as they stand in the control topic or, where retention has taken them, in their answers.
pub(super) fn commands<'a>(log: &Log, told: &'a [(&'a Record, Told)], defaults: &'a Defaults) -> Commands<'a> {
    let answered =
        told.iter().filter_map(|(_, told)| Some((told.command_offset?, Cow::Borrowed(told.command.as_ref()?))));
    let mut all: HashMap<i64, Cow<'_, Value>> = answered.collect();
    for record in &log.control {
        if let Some(command) = record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok()) {
            all.insert(record.offset, Cow::Owned(command));
        }
    }
    Commands { all, defaults }
}

impl Commands<'_> {
    /// What caused a transition orders: of a `pause` of `*`, what all of them order together.
    pub fn of(&self, told: &Told) -> Option<&Value> {
        let offset = told.command_offset?;
        let default = told.partition.filter(|_| self.is_for_all(told));
        let default = default.and_then(|partition| self.defaults.paused_by(partition, offset));
        default.map(|default| &default.command).or_else(|| self.all.get(&offset).map(|command| &**command))
    }

    /// Whether a command for `*` caused a transition.
    pub fn is_for_all(&self, told: &Told) -> bool {
        let command = told.command_offset.and_then(|offset| self.all.get(&offset));
        told.transition.is_some() && command.is_some_and(|command| command["flow_id"] == "*")
    }
}
