//! Which setting of which topic each promise (docs/contract.md, "Promises") depends on, one line per setting.

use std::time::Duration;

use serde::Serialize;

use super::bounds::{AFTER, BEFORE, DIFFERENCE};
use super::{DAY, HEADER_ROOM};
use crate::schema::topics::Topics;

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// A promise does not hold: `flowgate run` refuses.
    Breaks,
    /// Something is less than it should be, and the gate runs.
    Weakens,
}

use Weight::{Breaks, Weakens};

/// What a setting has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Is(&'static str),
    /// A list with exactly these words, in any order.
    Words(&'static [&'static str]),
    AtLeast(i64),
    /// Milliseconds; -1 is for ever.
    KeptFor(Duration),
}

pub(super) struct Rule {
    pub setting: &'static str,
    pub wanted: Wanted,
    pub weight: Weight,
    pub promise: &'static str,
    pub why: &'static str,
}

const P1: &str = "P1 one fate";
const P3: &str = "P3 a pause is total";
const P4: &str = "P4 no limit";
const P5: &str = "P5 the timer";
const P6: &str = "P6 commands repeat safely";
const P7: &str = "P7 nothing stops the gate";
const P9: &str = "P9 live costs nothing";
const ACCOUNT: &str = "the account of what happened";

/// Which of the gate's topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Enrollments,
    Control,
    Records,
    State,
    Audit,
    Discarded,
    DeadLetters,
    Queue,
}

impl Role {
    pub const FIXED: [Self; 7] =
        [Self::Enrollments, Self::Control, Self::Records, Self::State, Self::Audit, Self::Discarded, Self::DeadLetters];

    /// `None`: its names depend on flows.
    pub fn name(self, topics: &Topics) -> Option<&str> {
        Some(match self {
            Self::Enrollments => &topics.enrollments,
            Self::Control => &topics.control,
            Self::Records => &topics.records,
            Self::State => &topics.state,
            Self::Audit => &topics.audit,
            Self::Discarded => &topics.discarded,
            Self::DeadLetters => &topics.dead_letters,
            Self::Queue => return None,
        })
    }
}

/// What the settings of a topic have to be. `largest`: the largest record of the enrollments.
pub(super) fn rules(role: Role, max_pause: Duration, largest: Option<i64>) -> Vec<Rule> {
    let rule = |setting, wanted, weight, promise, why| Rule { setting, wanted, weight, promise, why };
    let cleanup = |wanted, promise, why| rule("cleanup.policy", wanted, Breaks, promise, why);
    let deleted = |promise, why| cleanup(Wanted::Words(&["delete"]), promise, why);
    let kept =
        |weight, days: u32, promise, why| rule("retention.ms", Wanted::KeptFor(DAY * days), weight, promise, why);
    let by_sender = |promise, why| rule("message.timestamp.type", Wanted::Is("CreateTime"), Breaks, promise, why);
    let by_broker =
        |weight, promise, why| rule("message.timestamp.type", Wanted::Is("LogAppendTime"), weight, promise, why);
    let unbounded_bytes = |weight, promise| {
        let why = "a limit by size deletes records before their time";
        rule("retention.bytes", Wanted::Is("-1"), weight, promise, why)
    };
    // Of a topic that the broker stamps these are never looked at, unless somebody changes who stamps it.
    let any_time = |weight| {
        let why = "a timestamp of an upstream that the broker refuses would abort its turn";
        // Of these three a broker has those of its version.
        [BEFORE, AFTER, DIFFERENCE].map(|setting| rule(setting, Wanted::Is("9223372036854775807"), weight, P7, why))
    };
    let room =
        |why| largest.map(|largest| rule("max.message.bytes", Wanted::AtLeast(largest + HEADER_ROOM), Breaks, P7, why));
    let delivered = "an event as large as the enrollments take no longer fits once it has the gate's headers";
    let mut rules = match role {
        Role::Enrollments => vec![
            deleted(P1, "compaction removes events that were never read"),
            kept(Breaks, 7, P1, "events that wait while no gate is up are deleted before they are read"),
            by_sender(P9, "the timestamps of upstreams are lost"),
            unbounded_bytes(Weakens, P1),
        ],
        Role::Control => vec![
            deleted(P6, "compaction removes commands that were never applied"),
            kept(Weakens, 90, P3, "commands that wait while no gate is up are deleted before they are applied"),
            by_broker(Breaks, P5, "whether a command came before a deadline is judged by the broker's time"),
            unbounded_bytes(Weakens, P3),
        ],
        Role::Records => {
            let needed =
                u32::try_from(max_pause.as_secs().div_ceil(DAY.as_secs())).unwrap_or(u32::MAX).saturating_add(7);
            let mut rules = vec![
                deleted(P1, "compaction removes what executors have not processed yet"),
                kept(
                    Breaks,
                    needed,
                    P1,
                    "released events keep their timestamps: those of a long pause are deleted at once",
                ),
                by_sender(P9, "the timestamps of upstreams are lost"),
                unbounded_bytes(Weakens, P1),
            ];
            rules.extend(any_time(Breaks));
            rules.extend(room(delivered));
            rules
        }
        Role::State => {
            let compact = Wanted::Words(&["compact"]);
            let why = "the states of flows that change seldom are deleted, and with them their pauses";
            let mut rules = vec![
                cleanup(compact, P3, why),
                by_broker(Breaks, P5, "the gate compares its clock with the broker's by these timestamps"),
            ];
            rules.extend(any_time(Weakens));
            rules
        }
        Role::Audit => {
            let mut rules = vec![
                deleted(ACCOUNT, "compaction leaves one event a flow"),
                kept(Weakens, 400, ACCOUNT, "what happened more than a year ago cannot be told"),
                by_broker(Weakens, ACCOUNT, "its times are those of the gates' clocks"),
            ];
            rules.extend(any_time(Weakens));
            rules
        }
        Role::Discarded | Role::DeadLetters => {
            let mut rules = vec![
                deleted(P1, "compaction removes events that are accounted for here"),
                kept(Weakens, 90, ACCOUNT, "what was not delivered cannot be looked at for long"),
                by_broker(Weakens, ACCOUNT, "its times are those of the gates' clocks"),
            ];
            rules.extend(any_time(Weakens));
            rules.extend(room("what is too large for it cannot be written, and its turn is tried again for ever"));
            rules
        }
        Role::Queue => {
            let both = Wanted::Words(&["compact", "delete"]);
            let forever = "held events are deleted though nobody released them";
            let mut rules = vec![
                cleanup(both, P4, "without both it either grows without end or cannot be emptied"),
                rule("retention.ms", Wanted::Is("-1"), Breaks, P1, forever),
                rule("retention.bytes", Wanted::Is("-1"), Breaks, P1, forever),
                by_sender(P9, "the timestamps of upstreams are lost"),
            ];
            rules.extend(any_time(Breaks));
            rules.extend(room(delivered));
            rules
        }
    };
    let why = "a replica that lags behind may become the leader: what was committed is gone";
    rules.push(rule("unclean.leader.election.enable", Wanted::Is("false"), Breaks, P1, why));
    rules
}
