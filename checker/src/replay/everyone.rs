//! Commands for `*`: where they took effect in a partition, and what they leave behind for flows that are not known yet.

use std::collections::HashMap;

use serde_json::Value;

use super::orders::{Order, PauseOrder};
use super::topics::sorted;
use crate::Place;
use crate::record::Log;
use crate::time::milliseconds;

/// Two gates' clocks are each within 60 s of the broker's.
const BETWEEN_GATES_MS: i64 = 120_000;

/// A command for `*` that a partition has not rejected.
#[derive(Clone, Debug)]
pub(super) struct Everyone {
    pub offset: i64,
    /// Events below this came before.
    pub input: i64,
    pub at: Place,
    pub order: Order,
    /// What is left behind.
    pub default: Option<LeftBehind>,
}

/// The pause of every flow that comes to be known.
#[derive(Clone, Debug)]
pub(super) struct LeftBehind {
    pub first: i64,
    pub newest: i64,
    pub order: PauseOrder,
    /// When it ends by itself, at the earliest and at the latest; `None`: nobody says.
    ends: Option<(i64, i64)>,
}

/// A partition's answer, as the audit has it.
pub(super) struct Answered {
    pub partition: i32,
    pub offset: i64,
    pub input: i64,
    /// By the gate's clock.
    pub at_ms: i64,
    pub at: Place,
    pub is_applied: bool,
    pub command: Value,
}

/// By partition, in the order of the commands.
pub(super) fn everyone(log: &Log, mut answered: Vec<Answered>) -> HashMap<i32, Vec<Everyone>> {
    let mut all: HashMap<i32, Vec<Everyone>> = HashMap::new();
    if answered.is_empty() {
        return all;
    }
    let public = Public::read(log);
    let recorded: HashMap<i64, i64> = log.control.iter().map(|record| (record.offset, record.timestamp_ms)).collect();
    answered.sort_by_key(|answer| answer.offset);
    for answer in answered {
        let Some(order) = Order::read(&answer.command) else { continue };
        let of = all.entry(answer.partition).or_default();
        let found = of.last().and_then(|last: &Everyone| last.default.clone());
        let default = match order {
            Order::Pause(pause) => {
                // One that was recorded before the end finds it in force, however late it takes effect.
                let recorded = recorded.get(&answer.offset).copied().unwrap_or(i64::MAX);
                Some(LeftBehind::by(found, pause, &answer, recorded.min(answer.at_ms), &public))
            }
            Order::Resume(_) => found.filter(|_| !answer.is_applied),
        };
        of.push(Everyone { offset: answer.offset, input: answer.input, at: answer.at, order, default });
    }
    all
}

impl LeftBehind {
    /// Whether it holds at a time; `None`: its end is too near, or nobody says when that is.
    pub fn holds(&self, at_ms: i64) -> Option<bool> {
        let (first, last) = self.ends?;
        if at_ms < first - BETWEEN_GATES_MS { Some(true) } else { (at_ms >= last + BETWEEN_GATES_MS).then_some(false) }
    }

    pub fn pause_id(&self) -> String {
        format!("pause-{}", self.first)
    }

    fn by(found: Option<Self>, given: PauseOrder, answer: &Answered, judged_ms: i64, public: &Public) -> Self {
        let found = found.filter(|found| {
            found.holds(judged_ms).unwrap_or_else(|| match public.ids.get(&(answer.partition, answer.offset)) {
                Some(id) => *id == found.pause_id(),
                None => found.ends.is_none_or(|(_, last)| judged_ms < last),
            })
        });
        let text = |name: &str| answer.command.get(name).and_then(Value::as_str);
        let length = answer.command.get("for_seconds").and_then(Value::as_i64);
        let until = text("until").and_then(milliseconds);
        let ordered = until.or(length.map(|seconds| answer.at_ms.saturating_add(seconds.saturating_mul(1000))));
        let mut left = found.unwrap_or(Self {
            first: answer.offset,
            newest: answer.offset,
            order: PauseOrder::default(),
            ends: None,
        });
        left.newest = answer.offset;
        left.order = PauseOrder {
            turn_away: given.turn_away.or(left.order.turn_away),
            keep_all: given.keep_all.or(left.order.keep_all),
            discard_at_expiry: given.discard_at_expiry.or(left.order.discard_at_expiry),
        };
        // Where no command says it, or a limit was lowered, the partition's record does.
        let told = public.ends.get(&(answer.partition, answer.offset)).copied();
        let ordered = ordered.map(|end| (end, end)).or(left.ends);
        left.ends = match (ordered, told) {
            (Some((first, last)), Some((told, _))) => Some((first.min(told), last)),
            (ordered, told) => ordered.or(told),
        };
        left
    }
}

/// What the records of partitions say.
#[derive(Default)]
struct Public {
    /// By partition and newest command.
    ends: HashMap<(i32, i64), (i64, i64)>,
    ids: HashMap<(i32, i64), String>,
}

impl Public {
    fn read(log: &Log) -> Self {
        let mut public = Self::default();
        for record in sorted(&log.state).into_iter().filter(|record| record.key.as_deref() == Some(b"")) {
            let document: Option<Value> = record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
            let default = document.as_ref().map_or(&Value::Null, |document| &document["default_pause"]);
            let Some(id) = default["id"].as_str() else { continue };
            let Some(newest) = default["command_offset"].as_i64() else { continue };
            public.ids.insert((record.partition, newest), id.to_owned());
            if let Some(end) = default["resumes_at"].as_str().and_then(milliseconds) {
                let known = public.ends.entry((record.partition, newest)).or_insert((end, end));
                *known = (known.0.min(end), known.1.max(end));
            }
        }
        public
    }
}
