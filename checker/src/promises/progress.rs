//! How far a purge and a sample have come, as public states say.

use super::circumstances::Circumstances;
use super::documents::State;
use super::story::{Story, Wrong};
use crate::gather::Topics;
use crate::report::PerKind;

/// From one state to the next what a purge says that it removed, and a sample that it released, grows by as much as the
/// flow's own counts. (While a purge is under way nothing but that purge removes anything.)
pub(super) fn progress(story: &Story<'_>, topics: Topics<'_>, circumstances: Circumstances, wrong: &mut Wrong<'_>) {
    for states in story.states.windows(2) {
        let [(_, before), (record, state)] = states else { continue };
        let (Some(then), Some(now)) = (before.counts, state.counts) else { continue };
        let pairs = [
            ("queue.purge_through.removed", purge(before), purge(state), then.removed, now.removed),
            ("sample.released", sample(before), sample(state), then.released, now.released),
        ];
        for (field, earlier, later, then, now) in pairs {
            let Some((id, told)) = later else { continue };
            let base = match earlier {
                Some((same, told)) if same == id => told,
                // It began in the turn that wrote this state.
                _ if circumstances.every_state => PerKind::default(),
                _ => continue,
            };
            if told + then != base + now {
                let why = format!("its {field} is not what its counts have grown by");
                wrong(&Some(state.flow_id.clone()), topics.place("state", record), why);
            }
        }
    }
}

fn purge(state: &State) -> Option<(&str, PerKind)> {
    let purge = state.queue.as_ref()?.purge_through.as_ref()?.as_ref()?;
    Some((&purge.command_id, purge.removed))
}

fn sample(state: &State) -> Option<(&str, PerKind)> {
    let sample = state.sample.as_ref()?.as_ref()?;
    Some((&sample.command_id, sample.released))
}
