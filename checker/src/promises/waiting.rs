//! A timer does not come before a command that was there before it.

use std::collections::HashMap;

use super::circumstances::Circumstances;
use super::documents::Told;
use super::story::{Commands, Story, Wrong};
use crate::gather::Topics;
use crate::time::milliseconds;

/// No timer fires while a command of its flow waits that was recorded before the deadline: the command may move the
/// deadline, or end the pause. One recorded at the deadline or later comes behind it. So may one that was recorded while the
/// timer's turn was under way: its poll for commands was made before that. `recorded`: when the broker took each command.
pub(super) fn waiting(
    story: &Story<'_>,
    commands: &Commands<'_>,
    recorded: &HashMap<i64, i64>,
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    for (at, (record, told)) in story.audit.iter().enumerate() {
        if told.transition.as_deref() != Some("expired") {
            continue;
        }
        // As the newest public state of the pause has it.
        let pauses = story.states.iter().rev().filter_map(|(_, state)| state.pause.as_ref());
        let mut pauses = pauses.filter(|pause| Some(&pause.id) == told.pause_id.as_ref());
        let Some(pause) = pauses.next() else { continue };
        let Some(deadline) = milliseconds(&pause.resumes_at) else { continue };
        // A limit that was lowered, and an update in the timer's own turn, may have moved it before anybody saw that.
        let lowered = milliseconds(&pause.paused_at).map(|begun| begun + circumstances.least_max_pause_ms);
        let deadline = lowered.map_or(deadline, |lowered| lowered.min(deadline));
        let in_time = deadline.min(record.timestamp_ms - circumstances.turn_ms);
        // A command for `*` is answered for all flows: of this one its transition tells.
        let is_told = |told: &Told| told.outcome.is_some() || commands.is_for_all(told);
        let later = story.audit[at..].iter().filter(|(_, told)| is_told(told));
        let waited = later.filter_map(|(_, told)| told.command_offset).find(|offset| {
            let recorded = recorded.get(offset);
            recorded.is_some_and(|recorded| *recorded < in_time)
        });
        if let Some(command) = waited {
            let why = format!("its timer fires while command {command} waits, which was recorded before the deadline");
            wrong(&told.flow_id, topics.place("audit", record), why);
        }
    }
}
