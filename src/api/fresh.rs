//! What is the case now, for somebody whose order came too late.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::preview::{Asked, Whose};
use crate::flow::{Command, Target};

/// How long the state that the answer tells of is waited for: it was committed with the answer, and is read beside it.
const WAIT: Duration = Duration::from_secs(1);

/// A preview of the same order, once the state is no longer the one that was expected; null if there is none.
pub(super) async fn preview(shared: &Shared, command: &Command) -> Value {
    let Target::Flow(flow) = &command.target else { return Value::Null };
    let (deadline, mut news) = (Instant::now() + WAIT, shared.board.feed.end());
    loop {
        let is_as_expected = shared.board.flows(|flows| {
            let state = flows.known.get(flow).and_then(|kept| kept.flow());
            let (pause, next) =
                (state.and_then(|state| state.pause()), state.map_or(1, |state| state.queue.next_entry));
            let pause = pause.map(|pause| pause.id.clone());
            command.expect.pause.as_ref().is_none_or(|expected| *expected == pause)
                && command.expect.next_entry.is_none_or(|expected| expected == next)
        });
        if is_as_expected != Ok(true) || !matches!(timeout_at(deadline, news.changed()).await, Ok(Ok(()))) {
            break;
        }
    }
    let asked = Asked { action: command.action.clone(), whose: Whose::Flows(vec![flow.clone()]) };
    let preview = asked.preview(shared).ok().and_then(|preview| serde_json::to_value(preview).ok());
    preview.unwrap_or_default()
}
